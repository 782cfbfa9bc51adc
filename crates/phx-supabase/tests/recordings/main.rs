//! The recordings of Supabase's conventions: what the official clients sent is sent to [`testing`], which must answer
//! as the recorded server did, connection by connection, up to presence refs, ids of bindings and the order of keys.
//!
//! [`testing`]: phx_supabase::testing
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table of the recordings is for those who read it")]

mod answers;
mod replay;

use std::path::Path;

use answers::Comparison;
use phx_conformance::recordings::Recording;

/// What is done with a recording.
enum Plan {
    Compare(Comparison),
    Skip(&'static str),
}

fn plan(name: &str) -> Plan {
    match name {
        "js_join_timeout_bare" => Plan::Skip("a bare answerer that answers no join"),
        "py_replies_bare" => Plan::Skip("a bare answerer with replies that Supabase doesn't send"),
        // Its answerer knows neither presences nor their limit.
        "js_push_buffer" => Plan::Compare(Comparison::Among),
        _ => Plan::Compare(Comparison::Equal),
    }
}

#[test]
fn the_server_answers_the_official_clients_as_the_recorded_one() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"));
    let names = Recording::names_in(folder).unwrap();
    let mut failures = String::new();
    let (mut compared, mut skipped, mut answered) = (0, 0, 0);
    for name in &names {
        let comparison = match plan(name) {
            Plan::Compare(comparison) => comparison,
            Plan::Skip(why) => {
                println!("{name:<28} not replayed: {why}");
                skipped += 1;
                continue;
            }
        };
        let recording = Recording::open_in(folder, name).unwrap();
        match replay::compare(&recording, comparison) {
            Ok(answers) => {
                println!("{name:<28} {answers} answers, {comparison}");
                answered += answers;
                compared += 1;
            }
            Err(difference) => failures.push_str(&format!("{name}: {difference}\n")),
        }
    }
    println!("{} recordings: {compared} compared ({answered} answers), {skipped} not", names.len());
    assert!(failures.is_empty(), "{failures}");
    assert_eq!((compared, skipped), (39, 2), "none is lost");
}
