//! No text of the server can forge a log line or act on a terminal: the `Display` of every type is one short line of
//! visible characters, and the `Debug` of every error that a call returns is the same text.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;

use phx_client::{ByteString, CallError, EncodeError, EndpointError, Escaped, Payload};
use phx_supabase::{
    ChannelEnd, ConnectError, Filter, JoinCause, NoNewToken, PostgresError, ProjectError,
    SendError, ServerError,
};
use serde_json::{Value, json};

use crate::common::{Log, Project};

/// A long text that forges a line, controls a terminal, reverses the direction and has invisible characters.
fn hostile() -> String {
    let mut text = String::from("Code: a\n2026-01-01 ERROR forged\r\x1b[2J\u{9b}2J\0\u{85}\u{7f}");
    text.push_str("\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}\u{e0041}");
    text.push_str(&"long".repeat(10_000));
    text
}

#[derive(Default)]
struct Table(BTreeSet<String>);

impl Table {
    #[track_caller]
    fn text(&mut self, shown: &(impl Display + Debug)) {
        let path = std::any::type_name_of_val(shown);
        let name = path.rsplit("::").next().unwrap_or(path);
        self.0.insert(name.to_owned());
        let text = shown.to_string();
        for text in [&text, &format!("{shown:?}")] {
            let bad = text.chars().find(|c| Escaped::is_escaped(*c));
            assert_eq!(bad, None, "{name}: {}", text.escape_debug());
        }
        assert!(text.len() < 2_000, "{name} has {} bytes", text.len());
    }

    /// An error that a call returns: `main` shows its `Debug`.
    #[track_caller]
    fn error<E: Error>(&mut self, error: &E) {
        self.text(error);
        assert_eq!(format!("{error:?}"), error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            assert!(!error.to_string().contains(Escaped::is_escaped), "{error:?}");
            source = error.source();
        }
    }
}

#[test]
fn whatever_is_displayed_is_one_short_line() {
    let text = &*hostile();
    let mut table = Table::default();
    let server = ServerError::parse(text);
    table.text(&server);
    let ends = [
        ChannelEnd::Rejected(server.clone()),
        ChannelEnd::ClosedByServer(Some(server.clone())),
        ChannelEnd::ClosedByServer(None),
        ChannelEnd::BindingsDiffer,
        ChannelEnd::TokenExpired { error: server.clone(), because: NoNewToken::SameToken },
        ChannelEnd::TokenExpired { error: server.clone(), because: NoNewToken::NoFunction },
        ChannelEnd::TokenExpired { error: server.clone(), because: NoNewToken::ThreeRefused },
    ];
    for end in ends {
        table.text(&end);
        table.text(&JoinCause::Ended(end.clone()));
        table.error(&PostgresError::Closed(Some(end)));
    }
    table.text(&JoinCause::Rejected(server.clone()));
    table.error(&PostgresError::NotSubscribed(server.clone()));
    table.error(&PostgresError::Closed(None));
    let payload = Payload::json(&json!({ text: text })).unwrap();
    let payload = payload.decode::<u64>().unwrap_err();
    for error in [
        SendError::Encode(EncodeError::Custom(text.to_owned())),
        SendError::Payload(payload),
        SendError::NotAnObject,
        SendError::NotPrivate,
        SendError::Rejected(server),
    ] {
        table.error(&error);
    }
    for error in [
        ProjectError::NotEncrypted,
        ProjectError::NoKey,
        ProjectError::Endpoint(EndpointError::Scheme),
    ] {
        table.error(&error);
        table.error(&ConnectError::Project(error));
    }
    // Errors that only a channel makes.
    let project = Project::new();
    let heard: Log<ByteString> = Log::new();
    project.run(async {
        let client = project.client();
        let name: String = text.chars().take(200).collect();
        let room = client.channel(name.clone()).create().unwrap();
        let error = client.channel(name).create().unwrap_err();
        assert!(matches!(error.cause, JoinCause::Client(_)), "{error}");
        table.error(&error);
        let push = room.send("e", &1).await.unwrap_err();
        let SendError::Push(error) = &push else { panic!("{push}") };
        assert!(matches!(error.cause, phx_client::PushCause::InvalidState(CallError::NotJoined)));
        table.error(&push);
        room.join().await.unwrap();
        table.error(&room.presence::<Value>().unwrap_err());
        heard.add(room.as_channel().topic().clone());
    });
    assert!(heard.all()[0].contains('\u{1b}'));
    // The user's text, shown as it is sent.
    table.0.insert(std::any::type_name::<Filter>().rsplit("::").next().unwrap().to_owned());
    let missing: Vec<String> = names_in_source().difference(&table.0).cloned().collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
}

/// The names of all types under `src` with a `Display`.
fn names_in_source() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let mut is_error = false;
        for line in fs::read_to_string(&path).unwrap().lines() {
            let name = |rest: &str| {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                rest[..end].to_owned()
            };
            if let Some((_, rest)) = line.split_once("Display for ") {
                names.insert(name(rest));
            }
            is_error |= line.contains("derive(") && line.contains("thiserror::Error");
            let declared = ["pub enum ", "pub struct "];
            let declared = declared.iter().find_map(|start| line.strip_prefix(start));
            if let (true, Some(rest)) = (is_error, declared) {
                names.insert(name(rest));
                is_error = false;
            }
        }
    }
    names
}
