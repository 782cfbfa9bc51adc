//! Secrets in every input: options, parts of URLs, environment variables, files and payloads. None of them is in any
//! output, whatever fails, with and without `-v`.
//!
//! `--help` lists the options, so an option without a row in the table fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::StreamExt as _;
use futures::stream::iter;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

mod urls;

use urls::{PROXIES, URLS};

use crate::raw::{Answer, Received, raw};
use crate::support::{self, Ended, Phx, Server, command, phx, phx_with_input};

/// Forms of the secrets: plain, in base64, and percent-encoded.
const MARKS: [&str; 4] = ["hush", "HUSH", "aHVza", "%68ush"];

/// URL of a port without a listener.
const NOWHERE: &str = "ws://127.0.0.1:1/socket";

/// Kind of value that an option takes.
enum Takes {
    /// A value that may be a secret, in these forms besides those of every option.
    Value(&'static [&'static str]),
    /// The name of a file, which is shown; its contents may be a secret.
    Path,
    Nothing,
}

use Takes::{Nothing, Path as File, Value};

const OPTIONS: &[(&str, Takes)] = &[
    ("--access-token", Value(&[""])),
    ("--also", Value(&[])),
    ("--arrival-rate", Value(&["-hush"])),
    ("--auth-token", Value(&[""])),
    ("--binary", File),
    ("--cacert", File),
    ("--cert", File),
    ("--close-timeout", Value(&["5hush"])),
    ("--channels", Value(&["99999999999"])),
    ("--color", Value(&[])),
    ("--compress", Nothing),
    ("--connect-timeout", Value(&["5hush"])),
    ("--count", Value(&[])),
    ("--diff-event", Value(&[])),
    ("--dir", File),
    ("--drop-every", Value(&["5hush"])),
    ("--duration", Value(&["5hush"])),
    ("--event", Value(&[])),
    ("--explain", Value(&[])),
    ("--for", Value(&["5hush"])),
    ("--hdr", File),
    ("--header", Value(&["X-Key: hush", "hu sh: hush", "Host: hush", "X: hush\u{1b}", "hush"])),
    ("--html", File),
    ("--heartbeat-interval", Value(&["5hush"])),
    ("--heartbeat-timeout", Value(&["5hush"])),
    ("--help", Nothing),
    ("--host", Value(&["hush::"])),
    ("--http-server", Value(&[])),
    ("--in-flight", Value(&[])),
    ("--in-time", Nothing),
    ("--insecure", Nothing),
    ("--join-param", Value(&["key=hush", "=hush", "key:=hush", "key:=\"hush\"", ":=hush"])),
    ("--join-params", Value(&["{\"key\":\"hush\"}", "{\"key\":hush}", "[\"hush\"]", "\"hush\""])),
    ("--join-params-file", File),
    ("--join-timeout", Value(&["5hush"])),
    ("--json", Nothing),
    ("--key", File),
    ("--latency", Value(&["5hush"])),
    ("--limit", Value(&["hush p99 +1%", "push p99 +hush", "push hush +1%"])),
    ("--lines", Nothing),
    ("--max-users", Value(&[])),
    ("--no-history", Nothing),
    ("--no-reconnect", Nothing),
    ("--no-reply", Nothing),
    ("--noproxy", Value(&["hush", "hush:hush", "*"])),
    ("--output", File),
    ("--param", Value(&["token=hush", "=hush", "a[b=hush"])),
    ("--passes", Value(&["99999999999"])),
    ("--payload", Value(&["{\"key\":\"hush\"}", "{\"key\":hush}", "\"hush\""])),
    ("--port", Value(&["99999999"])),
    ("--proxy", Value(PROXIES)),
    ("--pretty", Nothing),
    ("--prometheus", File),
    ("--prometheus-listen", Value(&["127.0.0.1:hush", "hush:1"])),
    ("--private", Nothing),
    ("--rate", Value(&["-hush"])),
    ("--quiet", Nothing),
    ("--reconnect", Nothing),
    ("--reconnect-delays", Value(&["5hush", "1s,hush"])),
    ("--record", File),
    ("--record-no-topics", Nothing),
    ("--record-payloads", Value(&[])),
    ("--refuse-first", Value(&[])),
    ("--rejoin-closed", Nothing),
    ("--rejoin-delays", Value(&["5hush", "1s,hush"])),
    ("--repeat", Value(&[])),
    ("--scenario", File),
    ("--seed", Value(&[])),
    ("--series", File),
    ("--show-secrets", Nothing),
    ("--size", Value(&[])),
    ("--sockets", Value(&[])),
    ("--source", Value(&["hush::"])),
    ("--stage", Value(&["hush:1", "1s:hush", "1s:99999999999"])),
    ("--start-at", Value(&["2030-01-01T00:00:00hush", "99999999999999999999"])),
    ("--state-event", Value(&[])),
    ("--step", Nothing),
    ("--supabase", Value(&[""])),
    ("--threshold", Value(&["hush p99 < 1s", "push p99 < hush", "push hush < 1s"])),
    ("--timeout", Value(&["5hush"])),
    ("--token", Value(&[])),
    ("--topic", Value(&[])),
    ("--transport", Value(&["longpollhush", "auto"])),
    ("--track", Value(&["{\"a\":\"hush\"}", "{\"a\":hush}", "[\"hush\"]"])),
    ("--track-event", Value(&[])),
    ("--until", Value(&["5hush"])),
    ("--url", Value(URLS)),
    ("--users", Value(&["99999999999"])),
    ("--verbose", Nothing),
    ("--version", Nothing),
    ("--vsn", Value(&[])),
    ("--worker", Value(&["1/hush", "99/3"])),
    ("--yes", Nothing),
];

const VARIABLES: [(&str, &[&str]); 12] = [
    ("ALL_PROXY", PROXIES),
    ("HTTPS_PROXY", PROXIES),
    ("NO_PROXY", &["hush", "*"]),
    ("PHX_AUTH_TOKEN", &["hush", ""]),
    ("PHX_HEADER", &["X-Key: hush\nX-Other: hush", "hush", "X: y\n\nhush", "Host: hush"]),
    ("PHX_PARAMS", &["token=hush\na=hush", "hush", "a=b\n=hush"]),
    ("PHX_PROXY", &["http://hush:hush@127.0.0.1:1", "hush", "hush:hush", "http://hush@"]),
    ("PHX_SERVE_TOKEN", &["hush"]),
    ("all_proxy", PROXIES),
    ("http_proxy", PROXIES),
    ("https_proxy", PROXIES),
    ("no_proxy", &["hush", "*"]),
];

/// Returns all commands, with the arguments that lead to a connection that fails.
fn commands(script: &str, taken_port: &str) -> Vec<(Vec<String>, bool)> {
    let commands: [(&[&str], bool); 12] = [
        (&["join", NOWHERE, "room:a"], true),
        (&["push", NOWHERE, "room:a", "echo"], true),
        (&["presence", NOWHERE, "room:a"], true),
        (&["repl", NOWHERE], true),
        (&["script", script, "--url", NOWHERE], true),
        (&["bench", NOWHERE], true),
        (&["bench", "merge", script], false),
        (&["bench", "compare", script, script], false),
        (&["replay", script], false),
        (&["serve", "--port", taken_port], false),
        (&["completions", "bash"], false),
        (&["man"], false),
    ];
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    commands.iter().map(|(words, connects)| (owned(words), *connects)).collect()
}

/// Returns the long options in a help text.
fn listed(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = if line.starts_with("--") { line } else { line.get(4..)? };
        let name = line.strip_prefix("--")?;
        let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        Some(format!("--{}", &name[..end.unwrap_or(name.len())]))
    });
    lines.collect()
}

#[track_caller]
fn assert_silent(what: &str, ended: &Ended) {
    assert_silent_on_stderr(what, ended);
    let mark = MARKS.into_iter().find(|mark| ended.out.contains(mark));
    assert_eq!(mark, None, "{what} printed it: {ended:?}");
}

#[track_caller]
fn assert_silent_on_stderr(what: &str, ended: &Ended) {
    let mark = MARKS.into_iter().find(|mark| ended.err.contains(mark));
    assert_eq!(mark, None, "{what} said it: {ended:?}");
}

/// Writes a file with this text, and returns its name.
fn file(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn no_option_shows_its_value() {
    let directory = TempDir::new().unwrap();
    let secret = file(&directory, "secret", "hush\n-----BEGIN hush-----\nhush\n");
    let missing = directory.path().join("missing").display().to_string();
    // Commands that write may create it; `--hdr` and others do before anything runs.
    let unmade = directory.path().join("unmade").display().to_string();
    let large = file(&directory, "large", &"hush".repeat(1 << 15));
    let script = file(&directory, "script", "{\"do\":\"connect\"}\n");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut unused: BTreeSet<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    let mut runs = Vec::new();
    for (command, connects) in commands(&script, &port) {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["-h"]).collect();
        for option in listed(&phx(&words).await.well()) {
            let row = OPTIONS.iter().find(|(name, _)| *name == option);
            let (name, takes) = row.unwrap_or_else(|| panic!("{option} isn't in the table"));
            unused.remove(name);
            let mut forms: Vec<Vec<String>> = Vec::new();
            let with = |value: &str| vec![(*name).to_owned(), value.to_owned()];
            match takes {
                Value(values) => {
                    forms.extend(values.iter().map(|value| with(value)));
                    forms.extend(["hush", "@@hush"].map(with));
                    forms.push(vec![format!("{name}=hush")]);
                    let pair = match *name {
                        "--param" | "--join-param" => "name=",
                        "--header" => "name: ",
                        _ => "",
                    };
                    for path in [&secret, &large, &missing] {
                        forms.push(with(&format!("{pair}@{path}")));
                    }
                }
                File if ["--hdr", "--prometheus", "--series"].contains(name) => {
                    forms.push(with(&format!("@{unmade}")));
                }
                File => {
                    forms.push(with(&secret));
                    forms.extend([&secret, &large, &unmade].map(|path| with(&format!("@{path}"))));
                }
                Nothing => forms.push(vec![format!("{name}=hush")]),
            }
            for form in forms {
                let mut arguments = command.clone();
                if let Some(at) = arguments.iter().position(|word| word == name) {
                    arguments.drain(at..at + 2);
                }
                arguments.extend(form);
                if *name == "--cert" || *name == "--key" {
                    arguments.extend(["--cert", &secret, "--key", &secret].map(String::from));
                    arguments.dedup();
                }
                if connects && *name != "--show-secrets" {
                    arguments.push("-vv".to_owned());
                }
                runs.push(arguments);
            }
        }
    }
    assert!(unused.is_empty(), "these options are gone: {unused:?}");
    assert!(runs.len() > 300, "{} runs", runs.len());
    let mut ends = iter(runs)
        .map(|arguments| async move {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            (phx(&words).await, arguments)
        })
        .buffer_unordered(8);
    while let Some((ended, arguments)) = ends.next().await {
        assert_silent(&arguments.join(" "), &ended);
        let is_large = arguments.iter().any(|word| word.contains("/large"));
        let is_missing = arguments.iter().any(|word| word.contains("/missing"));
        let is_path = OPTIONS.iter().any(|(name, takes)| {
            matches!(takes, File) && arguments.iter().any(|word| word == name)
        });
        if (is_large || is_missing) && !is_path {
            let why = if is_large { "holds more than 64 KiB" } else { "No such file" };
            ended.badly(2, why);
        }
    }
}

#[tokio::test]
async fn no_url_and_no_argument_is_shown() {
    let directory = TempDir::new().unwrap();
    let in_file = file(&directory, "url", "ws://127.0.0.1:1/socket?token=hush\n");
    let in_file = format!("@{in_file}");
    for url in URLS.iter().copied().chain([&*in_file]) {
        for command in [
            &["join", url, "room:a"][..],
            &["push", url, "room:a", "echo", "-v"],
            &["presence", url, "room:a"],
            &["repl", url, "--no-history"],
            &["bench", url, "--json"],
            // The URL in place of a missing word.
            &[url, "room:a"],
        ] {
            assert_silent(&command.join(" "), &phx(command).await);
        }
    }
    for words in [
        &["hush"][..],
        &["--hush", "push"],
        &["push", NOWHERE, "room:a", "echo", "{}", "hush"],
        &["push", NOWHERE, "room:a", "echo", "hush"],
        &["push", NOWHERE, "room:a", "echo", "{\"a\": hush}"],
        &["push", NOWHERE, "room:a", "echo", "{\"a\": \"hush\"}", "--binary", "hush"],
        &["push", NOWHERE, "room:a", "echo", "--hush"],
        &["push", NOWHERE, "room:a", "echo", "--auth-tokem=hush"],
        &["push", NOWHERE, "room:a", "echo", "-zhush"],
        &["push", NOWHERE, "room:a", "echo", "--auth-token", "x", "--auth-token", "hush"],
        &["completions", "hush"],
    ] {
        let ended = phx(words).await;
        assert_silent(&words.join(" "), &ended);
        assert!(matches!(ended.code, Some(2 | 3)), "{words:?}: {ended:?}");
    }
}

#[tokio::test]
async fn no_environment_variable_is_shown() {
    let directory = TempDir::new().unwrap();
    let script = file(&directory, "script", "{\"do\":\"connect\"}\n");
    let secret = file(&directory, "secret", "hush\n");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, support::VARIABLES);
    let ours: BTreeSet<String> =
        named.iter().filter(|name| name.starts_with("PHX_")).map(ToString::to_string).collect();
    assert_eq!(ours, variables_in(&source), "the table is complete");
    for (variable, values) in VARIABLES {
        let pair = match variable {
            "PHX_PARAMS" => "name=",
            "PHX_HEADER" => "name: ",
            _ => "",
        };
        let from_file = format!("{pair}@{secret}");
        for value in values.iter().copied().chain([&*from_file]) {
            for (words, connects) in commands(&script, &port) {
                // Variables shared with other programs mean the same for all commands.
                if !variable.starts_with("PHX_") && words[0] != "push" {
                    continue;
                }
                let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                words.extend(connects.then_some("-vv"));
                let ended = Phx::spawn(command(&words).env(variable, value)).ends().await;
                assert_silent(&format!("{variable}={value} {words:?}"), &ended);
            }
            let help = ["push", "--help"];
            assert_silent("help", &Phx::spawn(command(&help).env(variable, value)).ends().await);
        }
    }
}

/// Returns the names of this program's variables in the sources.
fn variables_in(directory: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(variables_in(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("PHX_") {
            let name = text[at..].split(|c: char| !c.is_ascii_uppercase() && c != '_');
            names.insert(name.into_iter().next().unwrap().to_owned());
        }
    }
    names
}

/// Returns all options of a connection, with secrets.
fn secrets(directory: &TempDir) -> Vec<String> {
    let from_file = file(directory, "token", "hush\n");
    let options = [
        "-p",
        "token=hush",
        "-p",
        &format!("other=@{from_file}"),
        "-H",
        "X-Key: hush",
        "-H",
        &format!("X-Other: @{from_file}"),
        "--auth-token",
        &format!("@{from_file}"),
        "-j",
        "key=hush",
        "--join-params",
        r#"{"deep":{"er":["hush"]},"n":1}"#,
    ];
    options.map(String::from).to_vec()
}

/// Payload whose secrets `-v` masks by their names or form. Other fields are shown on purpose.
const PAYLOAD: &str = r#"{"password":"hush","pwd":"hush","pin":"hush","session":{"a":["hush"]},
    "apiKey":"hush","credentials":"hush","static":"SFMyNTY.hush.hush","html":"<a b=\"SFMyNTY.hush\">",
    "value":"_csrf_token=hush&user%5Bpassword%5D=hush","url":"https://h/x?token=hush","db":"postgres://me:hush@db",
    "json":"{\"token\":\"hush\",\"deep\":\"{\\\"pin\\\":\\\"hush\\\"}\"}"}"#;

#[tokio::test]
async fn no_failure_shows_a_secret() {
    let directory = TempDir::new().unwrap();
    let secrets = secrets(&directory);
    let payload: serde_json::Value = serde_json::from_str(PAYLOAD).unwrap();
    let refusing = Server::with(&["--token", "another"]).await;
    let rooms = Server::start().await;
    let proxy = answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let garbage = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    // Without -v no part of a payload is shown.
    let all = json!({ "code": "hush", "errors": [{ "field": "hush" }], "reason": { "a": "hush" } });
    let rejecting = {
        let all = all.clone();
        raw(move |message: &Received| vec![message.reply("error", &all)]).await
    };
    let failing = raw(move |message: &Received| match message.event() {
        "phx_join" => vec![message.reply("ok", &json!({}))],
        _ => vec![message.reply("error", &all)],
    })
    .await;
    let echoing = raw(move |message: &Received| match message.event() {
        "phx_join" => vec![message.reply("ok", &json!({}))],
        _ => vec![
            message.event_of("shout", &payload),
            Answer::Text("hush".to_owned()),
            Answer::Text("{\"hush\": ".to_owned()),
            message.reply("error", &payload),
        ],
    })
    .await;
    let push = |url: &str| {
        let words = ["push", url, "room:a", "echo", PAYLOAD, "--timeout", "1s", "--no-reconnect"];
        words.map(String::from).to_vec()
    };
    let with = |mut words: Vec<String>, more: &[&str]| {
        words.extend(more.iter().map(ToString::to_string));
        words
    };
    let https = |url: &str| url.replace("ws://", "wss://");
    let http_proxy = format!("http://hush:hush@{proxy}");
    let socks_proxy = format!("socks5://hush:hush@{proxy}");
    let cases = [
        (3, push(&refusing.url), true),
        (3, push(NOWHERE), true),
        (3, push("ws://nowhere.invalid/socket?token=hush"), true),
        (3, push(&format!("ws://{garbage}/socket?token=hush")), true),
        (3, push(&https(&rooms.url)), true),
        (3, with(push(&rooms.url), &["--proxy", &http_proxy]), true),
        (3, with(push(&rooms.url), &["--proxy", &socks_proxy]), true),
        (4, push(&rejecting), false),
        (1, push(&failing), false),
        (1, push(&echoing), true),
        (1, with(push(&rooms.url), &["--vsn", "1.0.0"]), true),
        (6, with(push(&rooms.url), &["--vsn", "1.0.0"]), true),
    ];
    for (code, mut words, is_masked) in cases {
        // `fail` replies with the payload, `crash` doesn't reply.
        if words.contains(&rooms.url) {
            words[3] = if code == 1 { "fail" } else { "crash" }.to_owned();
        }
        for verbose in [&[][..], &["-v"], &["-vv"]] {
            if !is_masked && !verbose.is_empty() {
                continue;
            }
            let words = [words.clone(), secrets.clone()].concat();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ended = phx(&[&words[..], verbose].concat()).await;
            assert_silent_on_stderr(&words.join(" "), &ended);
            if code != 6 {
                assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
            }
        }
    }
    // The other commands, to a server that rejects.
    for command in [&["join", "room:a"][..], &["presence", "room:a"], &["bench"]] {
        let mut words = vec![command[0], &rejecting];
        words.extend(&command[1..]);
        words.extend(secrets.iter().map(String::as_str));
        let ended = phx(&words).await;
        assert_silent(&words.join(" "), &ended);
        assert_eq!(ended.code, Some(4), "{words:?}: {ended:?}");
    }
}

/// A string `reason` is the one field of a payload that errors show: its first 120 characters, escaped.
#[tokio::test]
async fn no_more_than_the_beginning_of_a_reason_is_shown() {
    let reason = format!("because\u{1b}[2J {}hush", "r".repeat(120));
    let response = json!({ "reason": reason, "code": "hush", "errors": { "reason": "hush" } });
    let rejecting = {
        let response = response.clone();
        raw(move |message: &Received| vec![message.reply("error", &response)]).await
    };
    let failing = raw(move |message: &Received| match message.event() {
        "phx_join" => vec![message.reply("ok", &json!({}))],
        _ => vec![message.reply("error", &response)],
    })
    .await;
    let shown = format!("because\\u{{1b}}[2J {}", "r".repeat(100));
    for (code, words) in [
        (4, &["join", &rejecting, "room:a"][..]),
        (4, &["presence", &rejecting, "room:a"]),
        (4, &["bench", &rejecting]),
        (4, &["push", &rejecting, "room:a", "echo"]),
        (1, &["push", &failing, "room:a", "echo"]),
    ] {
        let ended = phx(words).await;
        assert_silent_on_stderr(&words.join(" "), &ended);
        ended.badly(code, &shown);
    }
    let script = format!(
        "{{\"do\":\"connect\",\"url\":\"{rejecting}\"}}\n{{\"do\":\"join\",\"topic\":\"room:a\"}}\n"
    );
    let ended = phx_with_input(&["script", "-"], script.as_bytes()).await;
    assert_silent_on_stderr("script", &ended);
    ended.badly(4, &shown);
}

#[tokio::test]
async fn no_line_of_a_script_or_a_conversation_is_shown() {
    let server = Server::start().await;
    let connect = format!(
        r#"{{"do":"connect","url":"{}?a=hush","params":{{"a":"hush"}},"headers":{{"x":"hush"}},"auth_token":"hush"}}"#,
        server.url
    );
    let join = r#"{"do":"join","topic":"room:a","params":{"name":"hush"}}"#;
    for (lines, code) in [
        (vec![r#"{"do":"connect","url":"ws://hush:hush@h/s?hush"}"#], 2),
        (vec![r#"{"do":"connect","url":"hush"}"#], 2),
        (vec![r#"{"do":"connect","url":"ws://127.0.0.1:1/s?token=hush"}"#], 3),
        (vec![r#"{"do":"connect","params":["hush"]}"#], 2),
        (vec![r#"{"do":"connect","params":{"a":{"b":"hush"}}}"#], 2),
        (vec![r#"{"do":"connect","headers":"hush"}"#], 2),
        (vec![r#"{"do":"connect","headers":{"x":7,"y":"hush"}}"#], 2),
        (vec![r#"{"do":"connect","auth_token":["hush"]}"#], 2),
        (vec![r#"{"do":"join","topic":"room:a","expect":"hush"}"#], 2),
        (vec![r#"{"do":"push","topic":"a","event":"b","binary":"hush!"}"#], 2),
        (vec![r#"{"do":"sleep","ms":"hush"}"#], 2),
        (vec![r#"{"do":"push","payload":{"a":"hush"}"#], 2),
        (vec!["hush"], 2),
        (vec!["\"hush\""], 2),
        (vec![&connect, join, r#"{"do":"push","topic":"room:b","event":"b","payload":"hush"}"#], 2),
        (vec![&connect, r#"{"do":"join","topic":"nothing:a","params":{"name":"hush"}}"#], 4),
        (vec![&connect, r#"{"do":"join","topic":"room:a","params":["hush"]}"#, "hush"], 2),
    ] {
        let ended = phx_with_input(&["script", "-"], lines.join("\n").as_bytes()).await;
        assert_silent(&lines.join("\n"), &ended);
        assert_eq!(ended.code, Some(code), "{lines:?}: {ended:?}");
    }
    let failing =
        [&connect, join, r#"{"do":"push","topic":"room:a","event":"fail","payload":{"a":"hush"}}"#];
    let ended = phx_with_input(&["script", "-"], failing.join("\n").as_bytes()).await;
    assert_silent_on_stderr("a reply with an error", &ended);
    let failed = ended.out.lines().last().unwrap();
    assert!(failed.contains("\"failed\"") && !failed.contains("hush"), "{ended:?}");

    let talk = b"join room:a {\"a\": hush}\njoin nothing:a {\"a\": \"hush\"}\njoin room:a {\"token\": \"hush\"}\npush . crash {\"token\": \"hush\"}\nquit\n";
    let ended = phx_with_input(&["repl", &server.url, "--no-history", "-v"], talk).await;
    assert_silent("a conversation", &ended);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.stops_with_log("the channel `room:a` crashed at `crash`\n").await;
}

/// Starts a server that sends the same answer to every client, and returns its address.
async fn answering(answer: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address.to_string()
}
