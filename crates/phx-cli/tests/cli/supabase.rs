//! `phx join --supabase` and `phx serve --supabase`.

use phx_supabase::{Broadcast, Client};
use phx_tokio::Payload;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::raw::{Answer, Received, raw};
use crate::support::{PATIENCE, Phx, phx, phx_with_input};

/// URL of a port without a listener.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Starts a server of a project with the key `hush`.
async fn project() -> (Phx, String) {
    let mut serve = Phx::start(&["serve", "--port", "0", "--supabase", "hush"]);
    let url = serve.line().await;
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    (serve, url)
}

#[tokio::test]
async fn broadcasts_have_their_event_payload_and_meta() {
    let (mut serve, url) = project().await;
    let join = ["join", "--json", &url, "lobby", "--supabase", "hush", "--count", "4"];
    let mut join = Phx::start(&join);
    join.record("connected").await;
    assert_eq!(join.record("joined").await["topic"], "realtime:lobby");

    serve.say(r#"broadcast lobby shout {"n": 1}"#).await;
    let shout = join.ended_up("message").await;
    let of_channel = [&shout["topic"], &shout["event"], &shout["payload"], &shout["meta"]];
    assert_eq!(json!(of_channel), json!(["realtime:lobby", "shout", { "n": 1 }, null]));

    let client = Client::builder(&url, "hush").connect(phx_tokio::socket);
    let client = timeout(PATIENCE, client).await.expect("in time").unwrap();
    let room = client.channel("lobby").ack(true).create().unwrap();
    timeout(PATIENCE, room.join()).await.expect("in time").unwrap();
    timeout(PATIENCE, room.send("cursor", &json!({ "x": 1 }))).await.expect("in time").unwrap();
    timeout(PATIENCE, room.send_bytes("photo", vec![0, 255])).await.expect("in time").unwrap();
    let typed = Broadcast::new("typed", Payload::json(&json!(null)).unwrap())
        .with_meta(Payload::json(&json!({ "id": "7" })).unwrap());
    timeout(PATIENCE, room.send_broadcast(&typed)).await.expect("in time").unwrap();
    let cursor = join.ended_up("message").await;
    assert_eq!(json!([cursor["event"], cursor["payload"]]), json!(["cursor", { "x": 1 }]));
    let photo = join.ended_up("message").await;
    let bytes = [&photo["event"], &photo["payload"], &photo["binary"], &photo["meta"]];
    assert_eq!(json!(bytes), json!(["photo", null, "AP8=", null]));
    let typed = join.ended_up("message").await;
    assert_eq!(json!([typed["event"], typed["payload"]]), json!(["typed", null]));
    join.ends().await.well();
    serve.interrupted().await.well();
}

#[tokio::test]
async fn metadata_is_shown_and_what_is_no_broadcast_is_reported() {
    let url = raw(|message: &Received| match message.event() {
        "phx_join" => vec![
            message.reply("ok", &json!({})),
            message.event_of(
                "broadcast",
                &json!({ "type": "broadcast", "event": "stored", "payload": { "n": 1 },
                    "meta": { "id": "7", "replayed": true } }),
            ),
            Answer::Binary(b"\x04\x0e\x04\x0a\x01realtime:lobbysend{\"id\":\"8\"}{\"n\":2}"),
            Answer::Binary(b"\x04\x0e\x03\x00\x01realtime:lobbybad{\"n\":"),
            message.event_of("system", &json!({ "status": "ok" })),
        ],
        _ => vec![message.reply("ok", &json!({}))],
    })
    .await;
    let words = ["join", &url, "lobby", "--supabase", "hush", "--count", "3"];
    let ended = phx(&[&words[..], &["--json"]].concat()).await;
    let records = ended.records();
    let seen: Vec<_> = records[2..]
        .iter()
        .map(|it| json!([it["kind"], it["event"], it["payload"], it["meta"]]))
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            ["message", "stored", { "n": 1 }, { "id": "7", "replayed": true }],
            ["message", "send", { "n": 2 }, { "id": "8" }],
            ["malformed", "bad", null, null],
            ["message", "system", { "status": "ok" }, null],
        ])
    );
    ended.well();
    let lines = phx(&words).await.well();
    assert!(lines.contains("-               * connected\n"), "{lines}");
    assert!(lines.contains(r#"send            {"n":2}  meta {"id":"8"}"#), "{lines}");
}

#[tokio::test]
async fn the_key_and_the_token_are_sent_and_never_shown() {
    let (serve, url) = project().await;
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "hush-token\n").unwrap();
    let token = format!("@{}", token.display());
    let steps = r#"{"do":"connect"}
        {"do":"join","topic":"lobby"}
        {"do":"push","topic":"lobby","event":"e","payload":{"token":"hush"}}"#;
    let talk = "join lobby\npush . e {\"token\": \"hush\"}\nstate\nquit\n";
    let push = ["push", &url, "lobby", "e", r#"{"token":"hush"}"#];
    for (command, input, end) in [
        (&["join", &url, "lobby", "--for", "1ms"][..], "", 0),
        (&push, "", 0),
        (&["repl", &url, "--no-history"], talk, 0),
        (&["script", "--url", &url, "-"], steps, 0),
    ] {
        let options = ["--supabase", "hush", "--access-token", &token, "--private", "-vv"];
        let words = [command, &options].concat();
        let ended = phx_with_input(&words, input.as_bytes()).await;
        assert_eq!(ended.code, Some(end), "{ended:?}");
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
        assert!(ended.err.contains("apikey=***&vsn=2.0.0"), "{ended:?}");

        let shown = [&words[..], &["--show-secrets"]].concat();
        let ended = phx_with_input(&shown, input.as_bytes()).await;
        assert!(ended.err.contains("apikey=hush&vsn=2.0.0"), "{ended:?}");
        for text in [r#""access_token":"hush-token""#, r#""private":true"#, r#""config":{"#] {
            assert!(ended.err.contains(text), "{text}: {ended:?}");
        }
        // A connection that fails shows them no more.
        let words: Vec<&str> =
            words.iter().map(|it| if *it == url { NOWHERE } else { it }).collect();
        let ended = phx_with_input(&words, input.as_bytes()).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
    }
    // The list of those present doesn't end by itself.
    let words = ["presence", &url, "lobby", "--supabase", "hush", "--access-token", &token, "-vv"];
    let words = [&words[..], &["--track", r#"{"token":"hush"}"#, "--lines"]].concat();
    let mut presence = Phx::start(&words);
    while !presence.line().await.contains("synced") {}
    let ended = presence.interrupted().await;
    assert!(!ended.err.contains("hush"), "{ended:?}");
    assert!(ended.err.contains("apikey=***&vsn=2.0.0"), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serve.interrupted().await.well();
}

#[tokio::test]
async fn a_push_is_a_broadcast() {
    let (mut serve, url) = project().await;
    for vsn in ["2.0.0", "1.0.0"] {
        let watch = ["join", "--json", &url, "lobby", "--supabase", "hush", "-n", "2"];
        let mut watch = Phx::joined(&watch).await;
        let push = ["push", &url, "lobby", "shout", r#"{"n":1}"#, "--supabase", "hush"];
        let ended = phx(&[&push[..], &["--vsn", vsn, "--repeat", "2"]].concat()).await;
        assert_eq!(ended.well(), "{}\n{}\n", "the server's replies");
        for _ in 0..2 {
            let shout = watch.ended_up("message").await;
            assert_eq!(json!([shout["event"], shout["payload"]]), json!(["shout", { "n": 1 }]));
        }
        watch.ends().await.well();
    }
    // Bytes; a reply as an object has the user's event.
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("photo");
    std::fs::write(&file, [0, 255]).unwrap();
    let watch = ["join", "--json", &url, "lobby", "--supabase", "hush", "--private", "-n", "1"];
    let mut watch = Phx::joined(&watch).await;
    let file = file.display().to_string();
    let push = ["push", &url, "realtime:lobby", "photo", "--binary", &file, "--supabase", "hush"];
    let reply = phx(&[&push[..], &["--private", "--json"]].concat()).await;
    let reply = &reply.records()[0];
    let fields = [&reply["topic"], &reply["event"], &reply["status"]];
    assert_eq!(json!(fields), json!(["realtime:lobby", "photo", "ok"]));
    let photo = watch.ended_up("message").await;
    assert_eq!(json!([photo["event"], photo["binary"]]), json!(["photo", "AP8="]));
    watch.ends().await.well();
    let long = "e".repeat(256);
    let ended = phx(&["push", &url, "lobby", &long, "--supabase", "hush"]).await;
    ended.badly(2, "the event has 256 bytes");
    serve.say("broadcast lobby both 1").await;
    serve.interrupted().await.well();
}

#[tokio::test]
async fn presence_is_turned_on_and_tracked() {
    let (serve, url) = project().await;
    let supabase = ["--supabase", "hush", "--json"];
    let watch = ["presence", &url, "lobby", "--track", r#"{"n":1}"#];
    let mut ann = Phx::joined(&[&watch[..], &supabase].concat()).await;
    let joined = ann.ended_up("presence_joined").await;
    assert_eq!(
        (&joined["topic"], &joined["payload"][0]["n"]),
        (&json!("realtime:lobby"), &json!(1))
    );
    let mut bob = Phx::joined(&[&["presence", &url, "lobby"], &supabase[..]].concat()).await;
    let synced = bob.ended_up("synced").await;
    assert_eq!(synced["present"], 1, "{synced}");
    ann.interrupted().await.well();
    let left = bob.ended_up("presence_left").await;
    assert_eq!(left["present"], 0, "{left}");
    bob.interrupted().await.well();
    serve.interrupted().await.well();
    let words = ["presence", &url, "lobby", "--supabase", "hush", "--track", "{}"];
    let ended = phx(&[&words[..], &["--track-event", "track"]].concat()).await;
    ended.badly(2, "cannot be used with");
}

#[tokio::test]
async fn a_conversation_has_names_of_channels_and_broadcasts() {
    let (mut serve, url) = project().await;
    let talk = "join lobby\npush . shout {\"n\": 1}\nsend lobby shout 2\npush realtime:lobby shout 3\n\
        join lobby\njoin other {\"a\": 1}\nreplace lobby\nparams lobby {\"a\": 1}\nleave lobby\n\
        push lobby shout 4\njoin lobby\nstate\nquit\n";
    let words = ["repl", &url, "--no-history", "--supabase", "hush"];
    let lines = phx_with_input(&words, talk.as_bytes()).await.well();
    for text in [
        "realtime:lobby  * joined        {\"postgres_changes\":[]}",
        "realtime:lobby  shout           ok  {}",
        "`realtime:lobby` is joined already",
        "params of a join cannot be used with --supabase",
        "leave a channel before joining it again",
        "realtime:lobby  * left",
        "`lobby` isn't joined",
        "realtime:lobby  Joined",
    ] {
        assert!(lines.contains(text), "{text}: {lines}");
    }
    assert_eq!(lines.matches("cannot be used with --supabase").count(), 2, "{lines}");

    let mut repl = Phx::start(&words);
    repl.say("join lobby").await;
    while !repl.line().await.contains("* joined") {}
    serve.say("broadcast lobby shout {\"from\": \"above\"}").await;
    let line = repl.line().await;
    assert!(line.contains("realtime:lobby  shout           {\"from\":\"above\"}"), "{line}");
    repl.say("quit").await;
    repl.ends().await.well();
    serve.interrupted().await.well();
}

#[tokio::test]
async fn a_script_has_names_of_channels_and_broadcasts() {
    let (mut serve, url) = project().await;
    let script = r#"{"do":"connect","params":{"log_level":"info"}}
        {"do":"join","topic":"lobby"}
        {"do":"listen","topic":"realtime:*"}
        {"do":"push","topic":"lobby","event":"shout","payload":{"n":1}}
        {"do":"push","topic":"lobby","event":"shout","binary":"AP8=","expect":"none"}
        {"do":"wait","topic":"lobby","event":"go","payload":{"x":1},"id":"seen"}
        {"do":"disconnect"}
        {"do":"connect"}
        {"do":"leave","topic":"lobby"}
        {"do":"join","topic":"lobby"}
    "#;
    let mut run = Phx::start(&["script", "--url", &url, "-", "--supabase", "hush"]);
    run.say(script).await;
    run.record("connected").await;
    assert_eq!(run.record("joined").await["topic"], "realtime:lobby");
    let reply = run.ended_up("reply").await;
    let fields = [&reply["topic"], &reply["event"], &reply["status"]];
    assert_eq!(json!(fields), json!(["realtime:lobby", "shout", "ok"]));
    serve.say("broadcast lobby go {\"x\": 1}").await;
    let go = run.ended_up("message").await;
    assert_eq!(json!([go["event"], go["payload"], go["meta"]]), json!(["go", { "x": 1 }, null]));
    run.close_input();
    run.ended_up("left").await;
    run.ended_up("joined").await;
    run.ends().await.well();

    for (line, why) in [
        (r#"{"do":"join","topic":"lobby","params":{"a":1}}"#, "params of a join cannot be used"),
        (r#"{"do":"join","topic":"lobby","replace":true}"#, "leave a channel before"),
        (r#"{"do":"params","topic":"lobby","params":{"a":1}}"#, "params of a join cannot be used"),
    ] {
        let script = format!("{{\"do\":\"connect\"}}\n{line}\n");
        let words = ["script", "--url", &url, "-", "--supabase", "hush"];
        phx_with_input(&words, script.as_bytes()).await.badly(2, why);
    }
    serve.interrupted().await.well();
}

#[tokio::test]
async fn a_wrong_key_and_an_unencrypted_url_are_refused() {
    let (serve, url) = project().await;
    let refused = phx(&["join", &url, "lobby", "--supabase", "shush"]).await;
    refused.badly(3, "HTTP status 401");
    assert!(!format!("{refused:?}").contains("shush"), "{refused:?}");
    serve.interrupted().await.well();

    let far = phx(&["join", "http://example.com", "lobby", "--supabase", "hush"]).await;
    far.badly(2, "a project's URL must be https");
    for (option, value) in [("-j", "a=b"), ("--heartbeat-interval", "1s"), ("--transport", "auto")]
    {
        let words = ["join", &url, "lobby", "--supabase", "hush", option, value];
        phx(&words).await.badly(2, "cannot be used with");
    }
    phx(&["join", &url, "lobby", "--access-token", "hush"]).await.badly(2, "--supabase");
}

#[tokio::test]
async fn version_1_has_broadcasts_as_text() {
    let (mut serve, url) = project().await;
    let join =
        ["join", "--json", &url, "lobby", "--supabase", "hush", "--vsn", "1.0.0", "-e", "shout"];
    let mut join = Phx::joined(&join).await;
    serve.say("broadcast lobby other 1").await;
    serve.say("broadcast lobby shout 2").await;
    let shout = join.ended_up("message").await;
    assert_eq!(json!([shout["event"], shout["payload"], shout["meta"]]), json!(["shout", 2, null]));
    join.interrupted().await.well();

    assert_eq!(serve.line().await, "broadcast");
    assert_eq!(serve.line().await, "broadcast");
    serve.interrupted().await.well();
}
