//! Without reconnects, the end of the connection ends all waits at once, with exit code 6.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::raw::{Answer, Received, raw};
use crate::support::phx_with_input;

/// Far less than the 10 s timeout of a push, a join or a step.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Kind of a connection's end.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    Dropped,
}

const ENDS: [End; 2] = [End::Closed, End::Dropped];

impl End {
    fn answer(self) -> Answer {
        match self {
            End::Closed => Answer::Close(1000, String::new()),
            End::Dropped => Answer::Drop,
        }
    }

    /// Starts a server that answers a join and ends the connection with the same write.
    async fn after_the_join(self) -> String {
        raw(move |message: &Received| match message.event() {
            "phx_join" => vec![message.reply("ok", &json!({})), self.answer()],
            _ => vec![self.answer()],
        })
        .await
    }

    /// Starts a server that ends the connection at a join.
    async fn before_the_join(self) -> String {
        raw(move |_: &Received| vec![self.answer()]).await
    }

    /// Starts a server that answers joins, and ends the connection at any other message.
    async fn later(self) -> String {
        raw(move |message: &Received| match message.event() {
            "phx_join" => vec![message.reply("ok", &json!({}))],
            _ => vec![self.answer()],
        })
        .await
    }
}

/// Runs `phx` with this standard input, and checks that it ends at once.
async fn ends_at_once(args: &[&str], input: &str) {
    let started = Instant::now();
    let ended = phx_with_input(&[args, &["--no-reconnect"]].concat(), input.as_bytes()).await;
    let what = (args, input);
    assert_eq!(ended.code, Some(6), "{what:?}: {ended:?}");
    let said = ["ended", "isn't connected"].into_iter().any(|text| ended.err.contains(text));
    assert!(said, "{what:?}: {ended:?}");
    assert!(started.elapsed() < AT_ONCE, "{what:?} took {:?}: {ended:?}", started.elapsed());
}

#[tokio::test]
async fn a_push_after_the_end_waits_for_nothing() {
    for end in ENDS {
        let url = end.after_the_join().await;
        // The push and the end are a race; the result is the same.
        for _ in 0..5 {
            ends_at_once(&["push", &url, "room:a", "echo"], "").await;
        }
        let rate = ["push", &url, "room:a", "echo", "--rate", "5", "--repeat", "100"];
        ends_at_once(&rate, "").await;
    }
}

#[tokio::test]
async fn so_do_joins() {
    for end in ENDS {
        let url = end.before_the_join().await;
        for command in [
            &["join", &url, "room:a", "room:b"][..],
            &["presence", &url, "room:a"],
            &["push", &url, "room:a", "echo"],
            &["bench", &url],
        ] {
            ends_at_once(command, "").await;
        }
    }
}

#[tokio::test]
async fn so_does_whoever_listens() {
    for end in ENDS {
        let url = end.after_the_join().await;
        for command in [&["join", &url, "room:a"][..], &["presence", &url, "room:a"]] {
            ends_at_once(command, "").await;
        }
        let url = end.later().await;
        ends_at_once(&["bench", &url, "-d", "30s"], "").await;
    }
}

#[tokio::test]
async fn so_does_every_step_of_a_script() {
    let connect = r#"{"do":"connect"}"#;
    let join = r#"{"do":"join","topic":"room:a"}"#;
    for end in ENDS {
        for step in [
            r#"{"do":"push","topic":"room:a","event":"echo"}"#,
            r#"{"do":"join","topic":"room:b"}"#,
            r#"{"do":"ping"}"#,
            r#"{"do":"wait","event":"shout"}"#,
        ] {
            let url = end.after_the_join().await;
            let script = ["script", "--url", &url, "-"];
            ends_at_once(&script, &format!("{connect}\n{join}\n{step}\n")).await;
        }
    }
}

/// Messages before the end are matched, and so is the end.
#[tokio::test]
async fn a_wait_finds_what_came_before_the_end() {
    for end in ENDS {
        let url = raw(move |message: &Received| {
            let mut answers = vec![message.reply("ok", &json!({}))];
            answers.extend((0..5_000).map(|n| message.event_of("shout", &json!({ "n": n }))));
            answers.push(end.answer());
            answers
        })
        .await;
        for wanted in [r#""event":"shout","payload":{"n":4999}"#, r#""kind":"disconnected""#] {
            let connect = r#"{"do":"connect"}"#;
            let join = r#"{"do":"join","topic":"room:a"}"#;
            let script = format!("{connect}\n{join}\n{{\"do\":\"wait\",{wanted}}}\n");
            let command = ["script", "--url", &url, "--no-reconnect", "-"];
            phx_with_input(&command, script.as_bytes()).await.well();
        }
    }
}

#[tokio::test]
async fn a_conversation_goes_on_with_an_error() {
    for end in ENDS {
        let url = end.after_the_join().await;
        let started = Instant::now();
        let repl = ["repl", &url, "--no-reconnect", "--no-history"];
        let input = b"join room:a\npush . echo\nping\nquit\n";
        let repl = phx_with_input(&repl, input).await;
        let failed = repl.out.matches("* failed").count();
        assert!(repl.code == Some(0) && failed >= 2, "{repl:?}");
        assert!(started.elapsed() < AT_ONCE, "{:?}: {repl:?}", started.elapsed());
    }
}
