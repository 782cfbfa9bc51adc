//! Recorded conversations of a real Phoenix server, replayed against the core.
//!
//! The core takes the place of the recorded client. Its user makes the calls of the recorded client's user at the
//! recorded moments of a virtual clock, and the server's frames arrive at their recorded times. The test compares
//!
//! - every frame that the core sends with the recorded one: topic, event, payload, and the refs up to
//!   their names (phoenix.js skips numbers). What a client does by itself (heartbeats, rejoins,
//!   reconnects) has to come from the core's own schedule, at the recorded moments.
//! - the core's reports of each frame of the server, with the rules of the protocol.
//! - the recorded client's reports to its user, where a note has them.
//!
//! [`table::TABLE`] has every file, with the reasons for frames that are left out.

mod client;
mod notes;
mod refusals;
mod replay;
mod reported;
mod requests;
mod sabotage;
mod server;
mod table;
mod user;
mod wire;

use phx_conformance::recordings::Recording;

use self::replay::{Tally, replay};
use self::table::{Coverage, TABLE};

/// Result of a comparison; the error describes the difference.
pub(crate) type Check<T = ()> = Result<T, String>;

#[test]
fn the_table_names_every_recording() {
    let mut table: Vec<_> = TABLE.iter().map(|row| row.file).collect();
    table.sort_unstable();
    assert_eq!(table, Recording::names().unwrap());
}

#[test]
fn the_core_does_what_the_recorded_clients_did() {
    let (mut replayed, mut reactions, mut not_applicable) = (0, 0, 0);
    let mut total = Tally::default();
    let mut failures: Vec<String> = Vec::new();
    for row in &TABLE {
        let (settings, what) = match row.coverage {
            Coverage::Replayed(settings) => {
                replayed += 1;
                (settings, None)
            }
            Coverage::Reaction(what, settings) => {
                reactions += 1;
                (settings, Some(what))
            }
            Coverage::NotApplicable(why) => {
                not_applicable += 1;
                println!("{}: not applicable: {why}", row.file);
                match Recording::open(row.file) {
                    Ok(recording) if replay::has_connections(&recording) => {
                        failures.push(format!("{}: it has connections of a WebSocket", row.file));
                    }
                    Ok(_) => {}
                    Err(why) => failures.push(format!("{}: {why}", row.file)),
                }
                continue;
            }
        };
        match Recording::open(row.file).and_then(|recording| replay(&recording, settings)) {
            Ok(tally) => {
                println!(
                    "{}: {} frames, {} notes compared, {} frames left out{}{}",
                    row.file,
                    tally.frames,
                    tally.notes,
                    tally.left_out,
                    if what.is_some() { ": " } else { "" },
                    what.unwrap_or_default()
                );
                total.add(tally);
            }
            Err(why) => failures.push(format!("{}: {why}", row.file)),
        }
    }
    for (why, count) in &total.remarks {
        println!("{count} notes not compared: {why}");
    }
    let Tally { frames, left_out, ruled_out, server_frames, notes, requests, refusals, .. } = total;
    println!(
        "{} files: {replayed} replayed, {reactions} reactions, {not_applicable} not applicable; \
         {frames} frames compared ({left_out} left out, {ruled_out} by rule), \
         {server_frames} server frames fed, {notes} notes compared, {requests} requests compared, \
         {refusals} HTTP answers put to the policy",
        TABLE.len()
    );
    assert!(failures.is_empty(), "{} files differ:\n{}", failures.len(), failures.join("\n"));
}
