//! No text of a peer can forge a log line or act on a terminal: the `Display` of every type, each line of the logger and
//! each field of `tracing` is one short line of visible characters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;

use common::log::Log;
use common::{Net, Notes, settle};
use phx_client::proto::{self, Instant, Params};
use phx_client::{
    ByteString, ChannelCloseCause, ChannelErrorCause, CloseCause, CloseCode, ConnectCause,
    DecodeCause, DecodeError, EncodeError, Endpoint, Escaped, Frame, Message, Payload, Proxy,
    PushCause, Ref, Rejection, ResponseHeaders, SocketError, Status, TlsCause, TlsCauseKind,
    TransportKind, UpgradeRejection,
};
use serde::Deserialize;
use serde_json::json;

/// Returns a long text that forges a line, controls a terminal, reverses the direction and has invisible characters.
fn hostile() -> String {
    let mut text = String::from("a\n2026-01-01 ERROR forged\r\x1b[2J\u{9b}2J\0\u{85}\u{7f}");
    text.push_str(
        "\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{200b}\u{200e}\u{feff}\u{ad}\u{e0041}",
    );
    text.push_str(&"long".repeat(10_000));
    text
}

/// Returns true for a short line of visible characters.
#[track_caller]
fn assert_harmless(what: &str, shown: &str) {
    let bad = shown.chars().find(|c| Escaped::is_escaped(*c));
    assert_eq!(bad, None, "{what}: {}", shown.escape_debug());
    assert!(shown.len() < 2_000, "{what} has {} bytes", shown.len());
}

/// Types whose `Display` has only words and numbers of this project.
const OWN_WORDS: [&str; 20] = [
    "AnswerCause",
    // A part of `ConnectCause`, which is in the table.
    "Attempted",
    "CallError",
    "CloseCode",
    "CompressionCause",
    "ConfigError",
    "ExchangeKind",
    "Field",
    // That of a `CloseCause`, which is in the table.
    "HttpError",
    "LeaveCause",
    "LogKind",
    "LongPollCause",
    "NoRuntimeError",
    "ParamCause",
    "PayloadDropped",
    "PingError",
    "PresenceError",
    "ProxyCause",
    // A part of failures and rejections, which are in the table.
    "Reason",
    "Wanted",
];

/// The text shown for a type that holds a peer's texts.
#[derive(Default)]
struct Table {
    names: BTreeSet<String>,
}

impl Table {
    #[track_caller]
    fn text(&mut self, shown: &(impl Display + Debug)) {
        let path = std::any::type_name_of_val(shown);
        let name = path.split('<').next().unwrap_or(path).rsplit("::").next().unwrap_or(path);
        self.names.insert(name.to_owned());
        assert_harmless(name, &shown.to_string());
        assert_harmless(name, &format!("{shown:>300}"));
        let debug = format!("{shown:?}");
        let bad = debug.chars().find(|c| Escaped::is_escaped(*c));
        assert_eq!(bad, None, "the Debug of {name}: {}", debug.escape_debug());
    }

    /// Returns the error and all its sources.
    #[track_caller]
    fn error<E: Error + 'static>(&mut self, error: &E) {
        self.text(error);
        let mut source = error.source();
        while let Some(error) = source {
            assert_harmless("a source", &error.to_string());
            source = error.source();
        }
    }
}

/// Returns the names of all types under `src` with a `Display`.
fn names_in_source() -> BTreeSet<String> {
    fn read(directory: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, names);
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
                let declared = ["pub enum ", "pub struct ", "pub(crate) enum ", "enum ", "struct "];
                let declared = declared.iter().find_map(|start| line.strip_prefix(start));
                if let (true, Some(rest)) = (is_error, declared) {
                    names.insert(name(rest));
                    is_error = false;
                }
            }
        }
    }
    let mut names = BTreeSet::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["phx-proto", "phx-client", "phx-tokio", "phx-smol", "phx-async-std"] {
        read(&crates.join(name).join("src"), &mut names);
    }
    names
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {}

#[test]
fn whatever_is_displayed_is_one_short_line() {
    let text = &*hostile();
    let bytes = || ByteString::from(text);
    let mut table = Table::default();
    table.text(&Escaped::new(text));
    table.text(&Status::Other(bytes()));
    table.text(&Ref::from(bytes()));
    let headers = ResponseHeaders::new([("Location", format!("https://a.test/{text}"))]);
    table.text(&UpgradeRejection::new(302).with_headers(headers));
    let headers = ResponseHeaders::new([("Location", "b://\u{1b}\u{202e}")]);
    table.text(&UpgradeRejection::new(302).with_headers(headers));
    table.text(&TlsCause::new(TlsCauseKind::Other, text));
    table.text(&TransportKind::LongPoll);
    // The user's own text, shown in full.
    let path: String = text.chars().take(64).collect();
    table.text(&Endpoint::parse(&format!("ws://localhost/{path}?{text}")).unwrap());
    table.text(&Endpoint::default().with_param(text, text).request("2.0.0"));
    // A host with anything that isn't printable ASCII is refused or percent-encoded.
    table.text(&Proxy::parse("socks5://ann:hush@a\u{202e}b\u{200b}c\u{ad}").unwrap());
    let causes = [
        CloseCause::frame(CloseCode::NORMAL, text),
        CloseCause::io(text),
        CloseCause::connect_failed(text),
        CloseCause::invalid_request(text),
        CloseCause::tls(TlsCauseKind::Other, text),
        CloseCause::UpgradeRejected(UpgradeRejection::new(403).with_body(text.to_owned())),
    ];
    for cause in causes {
        table.text(&cause);
        table.error(&SocketError::Connection(cause.clone()));
        table.text(&ConnectCause::Closed(cause));
    }

    table.error(&Payload::from_json_text(text.to_owned()).unwrap_err());
    let payload = Payload::json(&json!({ text: text })).unwrap();
    table.error(&payload.decode::<u64>().unwrap_err());
    let unknown_field = payload.decode::<Strict>().unwrap_err();
    table.error(&unknown_field);
    let error = unknown_field.source().unwrap();
    table.error(error.downcast_ref::<phx_client::JsonCause>().unwrap());
    table.text(&PushCause::Response(unknown_field));
    table.text(&PushCause::Payload(payload.decode::<u64>().unwrap_err()));

    table.error(&EncodeError::Custom(text.to_owned()));
    table.error(&DecodeCause::Custom(text.to_owned()));
    let malformed =
        DecodeError::new(DecodeCause::Custom(text.into()), Frame::text(text.to_owned()));
    table.error(&malformed);
    table.error(&SocketError::Malformed(malformed));
    table.error(&Endpoint::default().with_header("sec-websocket-key", text).unwrap_err());
    table.error(&Endpoint::default().with_header("x", text).unwrap_err());
    table.error(&Endpoint::default().with_params(&json!({ format!("{text}["): 1 })).unwrap_err());
    table.error(&Endpoint::parse(text).unwrap_err());

    let reason = || Ok(Payload::json(&json!({ "reason": text })).unwrap());
    let rejection = Rejection::new(Status::Other(bytes()), reason().unwrap(), true);
    table.text(&rejection);
    table.text(&ChannelCloseCause::Rejected(rejection.clone()));
    table.text(&ChannelCloseCause::ByServer(reason()));
    table.text(&ChannelErrorCause::Rejected(rejection));
    table.text(&ChannelErrorCause::Crashed(reason()));
    table.text(&ChannelErrorCause::Closed(reason()));
    table.text(&ChannelErrorCause::Crashed(reason()));
    table.text(&ChannelErrorCause::Closed(reason()));

    let mut core = proto::Socket::new(proto::Config::default(), 1);
    let channel = core.channel(text, Params::from(Payload::empty())).unwrap();
    let refused = core.push(Instant::EPOCH, channel, text, Payload::empty(), None).unwrap_err();
    table.error(&refused);
    table.names.extend(shown_by_handles(text));

    let expected: BTreeSet<String> = OWN_WORDS.iter().map(ToString::to_string).collect();
    let known: BTreeSet<String> = expected.union(&table.names).cloned().collect();
    assert_eq!(known, names_in_source(), "the table is complete, and holds nothing that is gone");
}

/// Returns the errors that only handles make.
fn shown_by_handles(text: &str) -> BTreeSet<String> {
    common::paused().block_on(async {
        let mut table = Table::default();
        let (socket, room, mut peer) = Net::new().joined().await;
        let first = socket.channel(text).create().unwrap();
        let taken = socket.channel(text).create().unwrap_err();
        table.error(&taken);

        let (joined, ()) = tokio::join!(first.join(), async {
            let join = peer.receive().await;
            peer.reply(&join, text, &json!({ "reason": text }));
        });
        let joined = joined.unwrap_err();
        table.text(&joined.cause);
        table.error(&joined);
        table.error(&first.leave().await.unwrap_err());
        drop(first.push::<()>(text, Payload::empty()).accepted().map_err(|refused| {
            table.error(&refused);
        }));
        let (pushed, ()) = tokio::join!(room.push::<()>("post", &json!({})), async {
            let push = peer.receive().await;
            peer.reply(&push, text, &json!({ "reason": text }));
        });
        let pushed = pushed.unwrap_err();
        table.text(&pushed.cause);
        table.error(&pushed);
        peer.broadcast("phx_error", &json!({ "reason": text }));
        settle().await;
        let failure = room.failure().unwrap();
        table.error(&failure);
        table.text(&failure.cause);
        peer.close(CloseCause::io(text));
        settle().await;
        let limit = std::time::Duration::from_millis(1);
        table.error(&socket.wait_connected().with_timeout(limit).await.unwrap_err());
        table.names
    })
}

#[tokio::test(start_paused = true)]
async fn whatever_is_logged_is_one_short_line() {
    let text = &*hostile();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let lines = Notes::default();
    let messages = lines.clone();
    let mut net = Net::new();
    let builder = net.builder().logger(move |record| messages.note(&*record.message));
    let (socket, mut peer) = net.connected_with(builder).await;

    let room = socket.channel(text).create().unwrap();
    let (joined, join) = tokio::join!(room.join(), peer.accept_join());
    joined.unwrap();
    let mut numbers = room.on::<u32>(text).values();
    drop(room.push::<()>(text, &json!({ text: text })));
    let push = peer.receive().await;
    peer.reply(&push, text, &json!({ "reason": text }));
    peer.send(&Message::new(text, text, Payload::json(text).unwrap()));
    peer.send_frame(Frame::text(text.to_owned()));
    settle().await;
    assert!(futures::FutureExt::now_or_never(numbers.next()).is_none(), "it isn't a number");
    let crash = Message::new(text, "phx_error", Payload::json(text).unwrap());
    peer.send(&crash.with_join_ref(join.join_ref.clone()).with_reference(join.join_ref));
    let rejoin = peer.receive().await;
    peer.reply(&rejoin, text, &json!({ "reason": text }));
    settle().await;
    let failing = socket.channel(format!("{text}2")).params_with({
        let text = text.to_owned();
        move || {
            let text = text.clone();
            async move { Err(text.into()) }
        }
    });
    let _joining = failing.create().unwrap().join();
    settle().await;
    peer.close(CloseCause::frame(CloseCode::NORMAL, text));
    settle().await;

    let (log, lines) = (log.0.taken(), lines.taken());
    for expected in ["message", "joined", "not joined", "malformed", "couldn't be made", "closed"] {
        assert!(log.iter().any(|line| line.contains(expected)), "{expected}: {log:?}");
    }
    for expected in ["joined", "not joined", "isn't a message", "closed", "\\u{1b}"] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
    }
    for line in log.iter().chain(&lines) {
        assert_harmless("a log", line);
    }
}
