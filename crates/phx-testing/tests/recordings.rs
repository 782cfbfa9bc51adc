//! The recordings of a real Phoenix server: what its clients sent is sent to [`Server`], which must
//! answer the same, connection by connection, up to presence refs, times and the order of keys.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "recordings/app.rs"]
mod app;
#[path = "recordings/transcript.rs"]
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use transcript::{Comparison, compare};

/// What is to be done with a recording.
enum Row {
    /// Every answer is equal.
    Equal,
    /// The recording was shortened: its answers are a part of the server's, in the same order.
    Shortened,
    /// It can't be replayed against the machine.
    Other(&'static str),
}

use Row::{Equal, Other, Shortened};

const LONGPOLL: Row = Other("of long-poll, which is not served yet");
const LISTENER: Row = Other("of HTTP, which listener_upgrade.rs compares");
const RAW: Row = Other("notes of raw TCP connections about the WebSocket library");

#[rustfmt::skip]
const TABLE: &[(&str, Row)] = &[
    ("auth_token", Equal),
    ("auth_token_raw", Equal),
    ("binary_broadcast", Equal),
    ("binary_push_reply", Equal),
    ("binary_server_push", Equal),
    ("broadcast", Equal),
    ("client_close", Equal),
    ("connect_rejected", Equal),
    ("custom_status", Equal),
    ("deflate_offer", RAW),
    ("disconnect_broadcast", Equal),
    ("duplicate_topic_join", Equal),
    ("duplicate_topic_join_js", Equal),
    ("flood", Shortened),
    ("fragmented_message", RAW),
    ("handshake_raw", LISTENER),
    ("heartbeat", Equal),
    ("heartbeat_raw", Equal),
    ("heartbeat_timeout_server_side", Equal),
    ("http_wrong_requests", LISTENER),
    ("join_crash", Equal),
    ("join_ok", Equal),
    ("join_rejected", Equal),
    ("leave", Equal),
    ("leave_unjoined", Equal),
    ("longpoll_auth_token", LONGPOLL),
    ("longpoll_batch_over_100", LONGPOLL),
    ("longpoll_binary", LONGPOLL),
    ("longpoll_gzip", LONGPOLL),
    ("longpoll_js_binary", LONGPOLL),
    ("longpoll_js_disconnect_broadcast", LONGPOLL),
    ("longpoll_js_drop_transport", LONGPOLL),
    ("longpoll_js_rejected", LONGPOLL),
    ("longpoll_js_session", LONGPOLL),
    ("longpoll_malformed", LONGPOLL),
    ("longpoll_no_content", LONGPOLL),
    ("longpoll_other_methods", LONGPOLL),
    ("longpoll_raw_session", LONGPOLL),
    ("longpoll_rejected", LONGPOLL),
    ("longpoll_vsn1", LONGPOLL),
    ("malformed_array_0", Equal),
    ("malformed_array_4", Equal),
    ("malformed_bin_empty", Equal),
    ("malformed_bin_empty_refs", Equal),
    ("malformed_bin_invalid_utf8_topic", Equal),
    ("malformed_bin_json_in_binary", Equal),
    ("malformed_bin_kind_1", Equal),
    ("malformed_bin_kind_2", Equal),
    ("malformed_bin_kind_9", Equal),
    ("malformed_bin_no_payload", Equal),
    ("malformed_bin_short_header", Equal),
    ("malformed_bin_truncated", Equal),
    ("malformed_empty_text", Equal),
    ("malformed_event_null", Equal),
    ("malformed_event_number", Equal),
    ("malformed_invalid_json", Equal),
    ("malformed_invalid_utf8_text", Equal),
    ("malformed_join_both_refs_null", Equal),
    ("malformed_join_payload_null", Equal),
    ("malformed_join_ref_missing", Equal),
    ("malformed_json_map", Equal),
    ("malformed_json_null", Equal),
    ("malformed_json_string", Equal),
    ("malformed_phx_close_from_client", Equal),
    ("malformed_phx_error_from_client", Equal),
    ("malformed_phx_reply_from_client", Equal),
    ("malformed_topic_null", Equal),
    ("malformed_topic_number", Equal),
    ("presence", Equal),
    ("push_before_join_buffered", Equal),
    ("push_reply_error", Equal),
    ("push_reply_ok", Equal),
    ("push_timeout", Equal),
    ("push_unjoined_topic", Equal),
    ("rejoin_after_crash", Equal),
    ("reserved_events", Equal),
    ("server_push", Equal),
    ("server_shutdown_sigterm", Equal),
    ("server_stop", Equal),
    ("server_stop_shutdown", Equal),
    ("too_many_channels", Equal),
    ("transport_drop_and_reconnect", Equal),
    ("unicode", Equal),
    ("unmatched_topic", Equal),
    ("vsn_1_0_0", Equal),
    ("vsn_missing_or_unknown", Equal),
    ("ws_ping", Equal),
];

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"))
}

#[test]
fn every_recording_is_in_the_table() {
    let files: BTreeSet<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, rows);
}

#[test]
fn the_server_answers_as_the_recorded_one() {
    let mut failures = String::new();
    let (mut equal, mut shortened, mut answered) = (0, 0, 0);
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, row) in TABLE {
        let comparison = match row {
            Equal => Comparison::Equal,
            Shortened => Comparison::Shortened,
            Other(why) => {
                println!("{name}: not replayed: {why}");
                *others.entry(why).or_default() += 1;
                continue;
            }
        };
        let text = fs::read_to_string(directory().join(name).with_extension("jsonl")).unwrap();
        match compare(&text, comparison) {
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
        TABLE.len(),
        why.join(", ")
    );
    assert!(failures.is_empty(), "{failures}");
}
