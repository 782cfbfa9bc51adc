//! Recordings that commands make, and `phx replay`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use phx_pty::CTRL_C;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::hostile_text::{HOSTILE, assert_harmless};
use crate::support::{Ended, PATIENCE, Phx, Server, phx, phx_with_input};
use crate::terminal;

fn night(directory: &TempDir) -> String {
    directory.path().join("night.jsonl").display().to_string()
}

/// Records a push of this event, and returns the recording's text.
async fn recorded(path: &str, more: &[&str]) -> String {
    let server = Server::start().await;
    let words = ["push", &server.url, "room:lobby", "echo", "7", "--record", path];
    phx(&[&words, more].concat()).await.well();
    server.stops_empty().await;
    fs::read_to_string(path).unwrap()
}

/// Replays a recording with this text.
async fn replayed(directory: &TempDir, text: &str) -> Ended {
    let path = directory.path().join("changed.jsonl").display().to_string();
    fs::write(&path, text).unwrap();
    phx(&["replay", &path]).await
}

#[tokio::test]
async fn a_recording_is_shown_and_replayed() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    recorded(&path, &[]).await;
    let shown = phx(&["replay", &path]).await.well();
    let words = [
        "00:00:00.000  connect was called",
        "  connecting: connection ",
        " is open",
        "  channel of `room:lobby` was made",
        "  joined `room:lobby`, a response of 2 bytes",
        " push `echo` to `room:lobby`, 1 bytes of JSON, while connected and joined",
        "  reply `ok` to the frame with the ref ",
        ": the server replied `ok`, 1 bytes",
        ": it was disconnected",
        "  end of the session",
        "same outputs: ",
    ];
    let mut rest = &*shown;
    for word in words {
        let found = rest.find(word).unwrap_or_else(|| panic!("no `{word}` in order in {shown}"));
        rest = &rest[found..];
    }
    let quiet = phx(&["replay", &path, "--quiet"]).await.well();
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    let early = phx(&["replay", &path, "--until", "0s"]).await.well();
    assert!(early.contains("connect was called") && early.contains(", up to here"), "{early}");
    assert!(!early.contains("end of the session"), "{early}");
    let again = phx(&["push", "ws://127.0.0.1:1/socket", "a", "b", "--record", &path]).await;
    again.badly(2, "exists");
}

/// The recording has a moment a second later. Only that little is waited for, of an hour it is enough that a signal ends it.
#[tokio::test]
async fn it_is_shown_in_the_time_in_which_it_happened() {
    let directory = TempDir::new().unwrap();
    let text = recorded(&night(&directory), &[]).await;
    let first = text.lines().find(|line| line.starts_with("{\"at\":")).unwrap();
    let first: u64 = first[6..first.len() - 1].parse().unwrap();
    let later = |nanos: u64| {
        let header = text.lines().next().unwrap();
        let at = |at: u64| format!("{{\"at\":{at}}}");
        let lines = [header, &at(first), "\"connect\"", &at(first + nanos), "{\"gap\":7}"];
        let path = directory.path().join(format!("{nanos}.jsonl")).display().to_string();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let begun = Instant::now();
    let ended = phx(&["replay", &later(200_000_000), "--in-time"]).await;
    assert!(begun.elapsed() >= Duration::from_millis(200), "{ended:?}");
    assert!(
        ended.out.contains("00:00:00.200  7 entries of the recording are missing"),
        "{ended:?}"
    );

    let mut waits = Phx::start(&["replay", &later(3_600_000_000_000), "--in-time"]);
    assert_eq!(waits.line().await, "00:00:00.000  connect was called");
    waits.interrupted().await.badly(130, "");
    for other in ["--quiet", "--step", "--html=page"] {
        phx(&["replay", "night", "--in-time", other]).await.badly(2, "cannot be used with");
    }
}

#[tokio::test]
async fn each_line_of_the_input_is_a_step() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    recorded(&path, &[]).await;
    let words = ["replay", &path, "--step"];
    let whole = phx(&["replay", &path]).await.well();
    let shown = async |input: &[u8]| phx_with_input(&words, input).await.well();
    let first = |count| whole.lines().take(count).map(|line| format!("{line}\n"));
    for (input, count) in [(&b""[..], 0), (b"\n", 1), (b"\nmore", 2), (b"\n\n\nq\n\n", 3)] {
        let ended = shown(input).await;
        let result = ended.lines().last().unwrap();
        assert!(
            result.starts_with("same outputs: ") && result.ends_with(", up to here"),
            "{ended}"
        );
        assert_eq!(ended, first(count).collect::<String>() + result + "\n");
    }
    assert_eq!(shown(&[b'\n'; 1000]).await, whole);
    for other in ["--quiet", "--html=page"] {
        phx(&[&words[..], &[other]].concat()).await.badly(2, "cannot be used with");
    }
}

#[tokio::test]
async fn enter_is_a_step_in_a_terminal() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    recorded(&path, &[]).await;
    let words = ["replay", &path, "--step", "--color", "never"];
    let mut steps = terminal::start(&words, &[]);
    steps.sees("Enter shows what happened next, q ends  ");
    steps.types("\r");
    steps.sees("\r\n00:00:00.000  connect was called  ");
    steps.types("\r");
    steps.sees("\r\n00:00:00.0");
    steps.sees("connecting: connection 1, attempt 1  ");
    steps.types("q\r");
    steps.sees("q\r\nsame outputs: ");
    let ended = steps.ends(0);
    assert!(ended.ends_with(", up to here\r\n"), "{ended}");

    // While it waits for a key, a signal ends it, and so does the end of the input.
    let mut waits = terminal::start(&words, &[]);
    waits.sees("q ends  ");
    waits.types(CTRL_C);
    waits.ends(130);
    let mut waits = terminal::start(&words, &[]);
    waits.sees("q ends  ");
    waits.types("\u{4}");
    waits.sees("\r\nsame outputs: ");
    waits.ends(0);
}

#[tokio::test]
async fn a_page_shows_it_and_is_its_owners() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    let text = recorded(&path, &[]).await;
    let page = directory.path().join("night.html").display().to_string();
    let shown = phx(&["replay", &path, "--html", &page]).await.well();
    assert!(shown.starts_with("same outputs: ") && shown.lines().count() == 1, "{shown}");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && html.contains("class=\"up\""), "{html}");
    assert!(html.contains("joined `room:lobby`, a response of 2 bytes"), "{html}");
    assert!(is_for_its_owner(Path::new(&page)), "{page}");
    phx(&["replay", &path, "--html", &page]).await.badly(2, "exists");
    let link = directory.path().join("link").display().to_string();
    std::os::unix::fs::symlink(directory.path().join("target"), &link).unwrap();
    phx(&["replay", &path, "--html", &link]).await.badly(2, "exists");
    assert!(!directory.path().join("target").exists());

    let hostile = text.replace("room:lobby", "<script>alert(1)</script>");
    let hostile = hostile.replace("\"echo\"", "\"<img src=x onerror=alert(1)>\"");
    let changed = directory.path().join("changed.jsonl").display().to_string();
    fs::write(&changed, hostile).unwrap();
    let page = format!("{page}.2");
    phx(&["replay", &changed, "--html", &page]).await;
    let html = fs::read_to_string(&page).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;") && html.contains("&lt;img"), "{html}");
}

#[tokio::test]
async fn the_story_of_a_push_says_why_it_failed() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    let server = Server::start().await;
    let words = ["push", &server.url, "room:lobby", "shout", "--timeout", "100ms"];
    let ended = phx(&[&words[..], &["--record", &path]].concat()).await;
    ended.badly(5, "shout");
    server.stops_empty().await;
    let shown = phx(&["replay", &path]).await.well();
    let called = shown.lines().find(|line| line.contains(" push `shout`")).unwrap();
    let number = called.split('#').nth(1).unwrap().split(' ').next().unwrap();
    let story = phx(&["replay", &path, "--explain", number]).await.well();
    assert!(story.starts_with(called), "{story}");
    assert!(story.contains("it failed: it was sent, and no reply came in time"), "{story}");
    assert!(!story.contains("connect was called"), "{story}");
    phx(&["replay", &path, "--explain", "99"]).await.badly(2, "no request #99");
}

#[tokio::test]
async fn a_recording_that_is_not_right_is_an_error_with_the_line() {
    let directory = TempDir::new().unwrap();
    let text = recorded(&night(&directory), &[]).await;
    let line_of = |part: &str| text.lines().position(|line| line.contains(part)).unwrap() + 1;

    let part = "{\"returned\":{\"request\":";
    let other = replayed(&directory, &text.replacen(part, &format!("{part}9"), 1)).await;
    other.badly(8, &format!("line {}: the recording has ", line_of(part)));
    assert!(other.out.contains("this build does something else from here on"), "{other:?}");
    assert!(other.out.contains("end of the session"), "the rest is shown: {other:?}");

    let damaged = replayed(&directory, &text.replacen(part, "{\"returned", 1)).await;
    damaged.badly(2, &format!("line {} of the recording is damaged", line_of(part)));
    let newer = text.replacen("\"phx_recording\":1", "\"phx_recording\":9", 1);
    replayed(&directory, &newer).await.badly(2, "has version 9 of the format");
    let unknown = replayed(&directory, &text.replacen("\"V2\"", "\"Mine\"", 1)).await;
    unknown.badly(2, "the recording's serializer isn't known here");
    assert!(unknown.out.contains("connect was called"), "it is shown: {unknown:?}");
    let late = replayed(&directory, &text.replacen("\"part\":1", "\"part\":2", 1)).await;
    late.badly(2, "entries are missing before line 1");
    assert!(late.out.contains("connect was called"), "it is shown: {late:?}");
    replayed(&directory, "{}").await.badly(2, "this is no recording");
    replayed(&directory, "").await.badly(2, "this is no recording");
    let half = &text[..text.len() / 2];
    let cut = replayed(&directory, half).await.well();
    assert!(cut.contains(", up to where the recording was cut"), "{cut}");
}

#[tokio::test]
async fn no_secret_is_in_a_recording_of_any_mode() {
    let directory = TempDir::new().unwrap();
    let server = Server::with(&["--token", "hush-token"]).await;
    for (number, mode) in ["length", "hash", "whole"].into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.jsonl")).display().to_string();
        let words = [
            "push",
            &server.url,
            "room:lobby",
            "echo",
            "{\"text\":\"payload-canary\"}",
            "-p",
            "token=hush-token",
            "-p",
            "key=hush",
            "-j",
            "key=hush",
            "-H",
            "X-Key: hush",
            "--auth-token",
            "hush",
            "--record",
            &path,
            "--record-payloads",
            mode,
        ];
        phx(&words).await.well();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hush") && !text.contains("aHVza"), "{mode}: {text}");
        assert_eq!(text.contains("payload-canary"), mode == "whole", "{mode}: {text}");
        assert!(text.contains("room:lobby") && !text.contains("127.0.0.1"), "{mode}: {text}");
        let shown = phx(&["replay", &path]).await.well();
        assert!(!shown.contains("canary"), "{shown}");
        assert!(is_for_its_owner(Path::new(&path)), "{path}");
    }
    let path = night(&directory);
    let words = ["push", &server.url, "room:lobby", "echo", "-p", "token=hush-token"];
    phx(&[&words[..], &["--record", &path, "--record-no-topics"]].concat()).await.well();
    assert!(!fs::read_to_string(&path).unwrap().contains("lobby"));
    phx(&["replay", &path]).await.well();
    server.stops_empty().await;
}

fn is_for_its_owner(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600
}

#[tokio::test]
async fn nothing_recorded_acts_on_the_terminal() {
    let directory = TempDir::new().unwrap();
    let text = recorded(&night(&directory), &[]).await;
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let at = "\"connect\"";
    let lines = [
        r#"{"name":[9,HOSTILE]}"#,
        r#"{"disconnect":[1000,HOSTILE]}"#,
        r#"{"broadcast":[9,9,1,1]}"#,
        r#"{"malformed":{"transport":1,"frame":1,"topic":9,"why":HOSTILE}}"#,
        r#"{"closed":[1,{"io":HOSTILE}]}"#,
        r#"{"event":{"closed":[1,true,null,null]}}"#,
        r#"{"message":{"ref":HOSTILE,"topic":9,"event":9,"status":{"other":HOSTILE},"payload":1,"frame":1}}"#,
        r#"{"channel":[9,1]}"#,
        r#"{"returned":{"refused":HOSTILE}}"#,
        r#"{"action":{"close":[1,1000,HOSTILE]}}"#,
    ];
    let lines = lines.join("\n").replace("HOSTILE", &hostile);
    let with = format!("{at}\n{lines}");
    let ended = replayed(&directory, &text.replacen(at, &with, 1)).await;
    assert_harmless("replay", &ended);
    assert!(ended.out.matches("forged").count() >= 10, "{ended:?}");
    let unknown = text.replacen("\"V2\"", &hostile, 1).replacen(at, &with, 1);
    assert_harmless("replay", &replayed(&directory, &unknown).await);
}

/// Supabase's serializer has a frame of its own for broadcasts; its replay needs it.
#[tokio::test]
async fn a_recording_of_a_supabase_project_is_replayed() {
    let directory = TempDir::new().unwrap();
    for (name, vsn, event) in
        [("SupabaseV1", "1.0.0", "broadcast"), ("SupabaseV2", "2.0.0", "broadcast:user")]
    {
        let mut serve = Phx::start(&["serve", "--port", "0", "--supabase", "hush"]);
        let url = serve.line().await;
        let path = directory.path().join(name).display().to_string();
        let words = ["join", "--json", &url, "lobby", "--supabase", "hush", "--vsn", vsn];
        let mut join =
            Phx::joined(&[&words[..], &["--record", &path, "--count", "1"]].concat()).await;
        serve.say(r#"broadcast lobby shout {"n": 1}"#).await;
        join.ended_up("message").await;
        join.ends().await.well();
        let pushed = format!("{path}.push");
        let words = ["push", &url, "lobby", "shout", "{}", "--supabase", "hush", "--vsn", vsn];
        phx(&[&words[..], &["--record", &pushed]].concat()).await.well();
        assert_complete(&pushed).await;
        serve.interrupted().await.well();

        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(name) && !text.contains("hush"), "{text}");
        let shown = phx(&["replay", &path]).await.well();
        let message = format!("message `{event}` on `realtime:lobby`");
        assert!(shown.contains(&message), "{shown}");
        assert!(shown.contains("end of the session\nsame outputs: "), "{shown}");
    }
}

#[tokio::test]
async fn a_recording_of_a_load_is_complete() {
    let directory = TempDir::new().unwrap();
    let path = night(&directory);
    let server = Server::start().await;
    let words = ["bench", &server.url, "-s", "2", "-c", "2", "-d", "100ms", "--json"];
    let ended = phx(&[&words[..], &["--record", &path]].concat()).await;
    // On a busy machine there are warnings, since its figures mean little.
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_complete(&path).await;
    server.stops_empty().await;
}

/// The other threads have sockets when the report is there.
#[tokio::test]
async fn a_recording_of_a_load_that_is_interrupted_is_complete() {
    let directory = TempDir::new().unwrap();
    let server = Server::start().await;
    for number in 0..5 {
        let path = directory.path().join(format!("{number}.jsonl")).display().to_string();
        let words = ["bench", &server.url, "-s", "300", "-c", "10", "-d", "60s"];
        let bench = Phx::start(&[&words[..], &["--record", &path]].concat());
        let connected = async {
            while !fs::read_to_string(&path).is_ok_and(|text| text.contains("\"opened\"")) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, connected).await.expect("a connection in time");
        bench.interrupted().await.badly(130, "");
        assert_complete(&path).await;
    }
}

async fn assert_complete(path: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().last(), Some("\"end\""), "of {} lines", text.lines().count());
    let shown = phx(&["replay", path, "--quiet"]).await.well();
    assert!(shown.starts_with("same outputs: ") && !shown.contains("cut"), "{shown}");
}
