//! Frames that aren't messages: at most one line a second for people, and a record for programs.

use std::time::Instant;

use serde_json::json;

use crate::raw::{Answer, Received, raw};
use crate::support::{Phx, phx, phx_with_input};

/// Starts a server that sends this number of malformed frames and a message after each answer to a join.
async fn server(malformed: usize) -> String {
    raw(move |message: &Received| {
        let mut answers = vec![message.reply("ok", &json!({}))];
        if message.event() == "phx_join" {
            let frames = std::iter::repeat_with(|| Answer::Text("[1]".to_owned()));
            answers.extend(frames.take(malformed));
            answers.push(message.event_of("done", &json!({})));
        }
        answers
    })
    .await
}

#[tokio::test]
async fn a_person_reads_one_line_on_standard_error() {
    let url = server(1).await;
    let joined = phx(&["join", &url, "room:a", "-n", "1"]).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    assert!(joined.err.contains("dropped a frame that is no message: "), "{joined:?}");
    assert!(!joined.out.contains("malformed"), "{joined:?}");
    let pushed = phx(&["push", &url, "room:a", "event"]).await;
    assert!(pushed.err.contains("dropped a frame that is no message: "), "{pushed:?}");
}

#[tokio::test]
async fn a_flood_of_them_is_counted_and_reported_once_a_second() {
    let url = server(5_000).await;
    let started = Instant::now();
    let mut joined = Phx::start(&["join", &url, "room:a", "--json"]);
    let (mut count, mut events) = (0, 0);
    while count < 5_000 {
        count += joined.ended_up("malformed").await["count"].as_u64().unwrap();
        events += 1;
    }
    let ended = joined.interrupted().await;
    assert_eq!(count, 5_000);
    // The first line at once, then one a second.
    let most = started.elapsed().as_secs() + 2;
    let lines = ended.err.lines().filter(|line| line.contains("no message")).count();
    assert!(events <= most && lines > 0 && lines as u64 <= most, "{events} events, {ended:?}");
}

#[tokio::test]
async fn a_script_can_wait_for_one() {
    let url = server(1).await;
    let script = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "wait", "kind": "malformed"}"#;
    let ended = phx_with_input(&["script", "--url", &url, "-"], script.as_bytes()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.records().iter().any(|record| record["kind"] == "malformed"), "{ended:?}");
}

#[tokio::test]
async fn what_was_counted_is_reported_at_the_end() {
    let url = server(8).await;
    for command in [
        &["push", &url, "room:a", "event"][..],
        &["join", &url, "room:a", "-n", "1"],
        &["bench", &url, "-d", "100ms"],
    ] {
        let ended = phx(command).await;
        assert!(ended.err.contains("dropped a frame that is no message: "), "{ended:?}");
        assert!(ended.err.contains("dropped 7 frames that are no messages"), "{ended:?}");
    }
}
