//! The recordings of a real Phoenix server: what its clients sent is sent to [`Server`], which must
//! answer the same, connection by connection, up to presence refs, times and the order of keys.

mod app;
mod longpoll;
mod transcript;

use std::collections::BTreeMap;

use phx_conformance::recordings::Recording;
use transcript::{Comparison, compare};

/// Reason why a recording can't be replayed against the machine.
fn not_applicable(name: &str) -> Option<&'static str> {
    match name {
        "deflate_offer" | "fragmented_message" => {
            Some("notes of raw TCP connections about the WebSocket library")
        }
        "handshake_raw" | "http_wrong_requests" => {
            Some("of HTTP, which listener/upgrade.rs compares")
        }
        _ if name.starts_with("longpoll_") => {
            Some("of long-poll, which recordings/longpoll.rs compares")
        }
        _ => None,
    }
}

#[test]
fn the_server_answers_as_the_recorded_one() {
    let names = Recording::names().unwrap();
    let mut failures = String::new();
    let (mut equal, mut shortened, mut answered) = (0, 0, 0);
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        if let Some(why) = not_applicable(name) {
            println!("{name}: not replayed: {why}");
            *others.entry(why).or_default() += 1;
            continue;
        }
        // This recording was shortened: its answers are a part of the server's, in the same order.
        let comparison = if name == "flood" { Comparison::Shortened } else { Comparison::Equal };
        match Recording::open(name).and_then(|recording| compare(&recording, comparison)) {
            Ok(answers) => {
                println!("{name}: {answers} answers are equal");
                answered += answers;
                match comparison {
                    Comparison::Equal => equal += 1,
                    Comparison::Shortened => shortened += 1,
                }
            }
            Err(difference) => failures.push_str(&format!("{name}: {difference}\n")),
        }
    }
    let not_applicable: usize = others.values().sum();
    let why: Vec<String> = others.iter().map(|(why, count)| format!("{count} {why}")).collect();
    println!(
        "{} recordings: {equal} equal and {shortened} equal as far as recorded ({answered} answers), \
         {not_applicable} not applicable ({})",
        names.len(),
        why.join(", ")
    );
    assert!(failures.is_empty(), "{failures}");
    assert_eq!((equal, shortened, not_applicable), (67, 1, 19), "none is lost");
}
