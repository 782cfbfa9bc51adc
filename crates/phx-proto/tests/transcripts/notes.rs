//! Reports of the recorded client to its user, compared with those of the core.

use phx_proto::{ChannelState, Instant};
use serde_json::Value;

use crate::Check;
use crate::client::{Client, TOLERANCE};
use crate::reported::{CallKind, Done, Reported};
use crate::table::Rule;
use crate::wire::Content;

/// Contents of a note.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A call was answered. Without a response if the note doesn't show its bytes.
    Replied {
        call: Option<CallKind>,
        status: String,
        response: Option<Content>,
    },
    TimedOut,
    /// The user's `leave()` reported ok.
    Left,
    ChannelErrored {
        topic: String,
        payload: Value,
    },
    ChannelClosed {
        topic: String,
        payload: Value,
    },
    /// A binding of an event or of a reply's status was called.
    Called {
        name: String,
        with: With,
    },
    SocketOpened,
    SocketClosed {
        code: u16,
    },
    /// The states of the channels, in the order in which they were made.
    States(Vec<String>),
    StaysOpen,
    /// The messages arrived in order, and before the reply.
    Ordered,
    /// A note that isn't compared, with the reason.
    Remark(&'static str),
}

/// Arguments of a binding's call.
#[derive(Clone, Debug)]
pub(crate) enum With {
    Json(Value),
    Bytes(usize),
}

const SCRIPT: &str = "says what the script does, not what the client reported";
const SUBPROTOCOL: &str = "says what the script offers; subprotocols are compared as requests";
const REFUSAL: &str = "repeats an HTTP answer that is fed to the core";
const PRESENCE: &str = "changes of presence: compared in tests/presence_recording.rs";
const ON_ERROR: &str = "the core has no second event for a connection that failed: Closed says why";
const REPEATED: &str = "repeats frames that are fed to the core";

/// Notes that aren't compared, by their beginning.
const REMARKS: [(&str, &str); 36] = [
    ("socket onError", ON_ERROR),
    ("last two ", REPEATED),
    ("A on", PRESENCE),
    ("B on", PRESENCE),
    ("A final", PRESENCE),
    ("A tracks", SCRIPT),
    ("A untracks", SCRIPT),
    ("B update", SCRIPT),
    ("B leaves", SCRIPT),
    ("echo on the old join_ref", SCRIPT),
    ("event \"", SCRIPT),
    ("SIGTERM", SCRIPT),
    ("next connect", SCRIPT),
    ("no heartbeat: ", SCRIPT),
    ("query ", SCRIPT),
    ("raw TCP", SCRIPT),
    ("no subprotocol", SUBPROTOCOL),
    ("only phoenix", SUBPROTOCOL),
    ("only token", SUBPROTOCOL),
    ("token first", SUBPROTOCOL),
    ("token with", SUBPROTOCOL),
    ("two tokens", SUBPROTOCOL),
    ("empty token", SUBPROTOCOL),
    ("auth_token bad", SUBPROTOCOL),
    ("unknown subprotocol", SUBPROTOCOL),
    ("phoenix plus", SUBPROTOCOL),
    ("socket without auth_token", SUBPROTOCOL),
    ("standard alphabet", SUBPROTOCOL),
    ("url-safe", SUBPROTOCOL),
    ("negotiated protocol", SUBPROTOCOL),
    ("error Unexpected", REFUSAL),
    ("error socket hang up", REFUSAL),
    ("Unexpected server response", REFUSAL),
    ("GET ", REFUSAL),
    ("POST ", REFUSAL),
    ("ws to unknown path", REFUSAL),
];

impl Note {
    /// Parses a note. An unknown one is an error, so that none is skipped.
    pub(crate) fn parse(text: &str) -> Check<Vec<Self>> {
        if let Some((_, why)) = REMARKS.iter().find(|(start, _)| text.starts_with(start)) {
            return Ok(vec![Note::Remark(why)]);
        }
        if let Some(callback) = text.strip_prefix("client callback: ") {
            return parse_callback(callback).map(|note| vec![note]);
        }
        if let Some(hook) = text.strip_prefix("socket on") {
            let code = hook.rsplit(' ').next().and_then(|code| code.parse().ok());
            return Ok(vec![code.map_or(Note::SocketOpened, |code| Note::SocketClosed { code })]);
        }
        if let Some(close) =
            text.strip_prefix("server closed ").or_else(|| text.strip_prefix("client saw close "))
        {
            let (code, _): (u16, String) = json(close)?;
            return Ok(vec![Note::SocketClosed { code }]);
        }
        match text {
            "socket stays open" => return Ok(vec![Note::StaysOpen]),
            "binary on unicode topic ok" => {
                let status = "ok".to_owned();
                return Ok(vec![Note::Replied { call: None, status, response: None }]);
            }
            "received 2000 before the reply, ordered true" => return Ok(vec![Note::Ordered]),
            _ => {}
        }
        let (words, list) = text.split_at(text.find('[').unwrap_or(text.len()));
        let (words, mut notes) = (words.trim(), Vec::new());
        if let Some(states) = words.strip_prefix("states ").or(words.strip_prefix("state ")) {
            notes.push(Note::States(states.split(' ').map(str::to_owned).collect()));
        } else if list.is_empty() {
            notes.push(parse_bytes(words)?);
        }
        if !list.is_empty() {
            parse_replies(words, &json(list)?, &mut notes)?;
        }
        Ok(notes)
    }

    fn matches(&self, reported: &Reported, client: usize) -> bool {
        match (self, reported) {
            (Note::Replied { call, status, response }, Reported::Done { call: kind, outcome }) => {
                let Done::Reply { status: s, response: r } = outcome else { return false };
                call.as_ref().is_none_or(|call| call == kind)
                    && s == status
                    && response.as_ref().map_or(matches!(r, Content::Binary(_)), |it| it == r)
            }
            // Of a crash the call of `join` isn't notified, but the channel is.
            (
                Note::Replied { call: Some(CallKind::Join), status, response },
                Reported::Rejected { response: r, .. },
            ) => status == "error" && response.as_ref() == Some(r),
            (Note::TimedOut, Reported::Done { outcome, .. }) => *outcome == Done::TimedOut,
            (Note::Left, Reported::Done { call, outcome }) => {
                (call, outcome) == (&CallKind::Leave, &Done::Left)
            }
            (
                Note::ChannelErrored { topic, payload },
                Reported::Errored { topic: t, crash, .. },
            ) => {
                let expected = match crash {
                    Some(crash) => *crash == Content::Json(payload.clone()),
                    None => {
                        payload.get("reason").is_some_and(|reason| reason == "connection_closed")
                    }
                };
                topic == t && expected
            }
            (
                Note::ChannelClosed { topic, payload },
                Reported::ChannelClosed { topic: t, by_server },
            ) => {
                let expected = match by_server {
                    Some(by_server) => *by_server == Content::Json(payload.clone()),
                    None => payload == "leave",
                };
                topic == t && expected
            }
            (Note::Called { name, with }, Reported::Message { event, payload, .. }) => {
                with.is(payload) && called_for(name, event, client)
            }
            (Note::Called { name, with }, Reported::Done { outcome, .. }) => {
                let Done::Reply { status, response } = outcome else { return false };
                status == name && with.is(response)
            }
            (Note::SocketOpened, Reported::Opened) => true,
            (Note::SocketClosed { code }, Reported::Closed { code: c, retry_in, .. }) => {
                // phoenix.js disconnects without a code, which browsers call 1005.
                c == code || (*code == 1005 && *c == 1000 && retry_in.is_none())
            }
            _ => false,
        }
    }
}

/// Returns true if a binding of this name is for the event; "A" and "B" are for all events of a client.
fn called_for(name: &str, event: &str, client: usize) -> bool {
    let (who, name) = match name.split_once(' ') {
        Some((who, name)) => (who, name),
        None => (name, event),
    };
    match who {
        "A" => client == 0 && name == event,
        "B" => client == 1 && name == event,
        who => who == event,
    }
}

impl With {
    fn is(&self, content: &Content) -> bool {
        match (self, content) {
            (With::Json(value), Content::Json(content)) => value == content,
            (With::Bytes(len), Content::Binary(content)) => *len == content.len(),
            _ => false,
        }
    }
}

fn parse_callback(text: &str) -> Check<Note> {
    if let Some((topic, payload)) = text.split_once(" onError ") {
        return Ok(Note::ChannelErrored { topic: topic.to_owned(), payload: json(payload)? });
    }
    if let Some((topic, payload)) = text.split_once(" onClose ") {
        return Ok(Note::ChannelClosed { topic: topic.to_owned(), payload: json(payload)? });
    }
    if let Some((name, len)) = text.split_once(" ArrayBuffer(") {
        let len = len.trim_end_matches(')').parse().map_err(|_| format!("not known: {text}"))?;
        return Ok(Note::Called { name: name.to_owned(), with: With::Bytes(len) });
    }
    let (name, payload) = text.split_once(" {").ok_or_else(|| format!("not known: {text}"))?;
    let with = With::Json(json(&format!("{{{payload}"))?);
    Ok(Note::Called { name: name.to_owned(), with })
}

/// Parses a reply whose response is written in hexadecimal.
fn parse_bytes(words: &str) -> Check<Note> {
    let not_known = || format!("a note that isn't known: {words}");
    let (status, hex) = match words.strip_prefix("json request, binary reply ") {
        Some(hex) => ("ok", hex),
        None => words.split_once(' ').ok_or_else(not_known)?,
    };
    if !matches!(status, "ok" | "error") {
        return Err(not_known());
    }
    let hex = if hex == "empty 0" { "" } else { hex };
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()))
        .collect();
    let response = Some(Content::Binary(bytes.ok_or_else(not_known)?));
    Ok(Note::Replied { call: None, status: status.to_owned(), response })
}

/// Parses `["ok", response]`, `["timeout"]`, or a list of such replies.
fn parse_replies(words: &str, list: &Value, notes: &mut Vec<Note>) -> Check {
    let not_known = || format!("a note that isn't known: {words} {list}");
    let list = list.as_array().ok_or_else(not_known)?;
    if list.first().is_some_and(Value::is_array) {
        return list.iter().try_for_each(|reply| parse_replies(words, reply, notes));
    }
    let status = list.first().and_then(Value::as_str).ok_or_else(not_known)?;
    notes.push(match (words, status, list.get(1)) {
        (_, "timeout", None) => Note::TimedOut,
        ("leave", "ok", Some(_)) => Note::Left,
        (_, _, Some(response)) => Note::Replied {
            call: words.ends_with("join").then_some(CallKind::Join),
            status: status.to_owned(),
            response: Some(Content::Json(response.clone())),
        },
        _ => return Err(not_known()),
    });
    Ok(())
}

fn json<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Check<T> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

/// Checks a note about the current state; `false` if it is about a report.
pub(crate) fn check_now(note: &Note, clients: &[Client]) -> Check<bool> {
    match note {
        Note::States(states) => {
            let channels = clients.iter().flat_map(|client| {
                client.channels.iter().map(|channel| client.socket.channel_state(channel.id))
            });
            let channels: Vec<Option<ChannelState>> = channels.collect();
            let recorded = states.iter().map(|state| match state.as_str() {
                "joined" => Some(ChannelState::Joined),
                "errored" => Some(ChannelState::Errored),
                "closed" => Some(ChannelState::Closed),
                _ => None,
            });
            if !channels.iter().copied().eq(recorded) {
                return Err(format!("states {states:?}, the core's: {channels:?}"));
            }
        }
        Note::StaysOpen => {
            if !clients.iter().all(|client| client.socket.is_connected()) {
                return Err("the socket doesn't stay open".to_owned());
            }
        }
        Note::Ordered => check_order(clients)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn check_order(clients: &[Client]) -> Check {
    let log = clients.iter().flat_map(|client| &client.log);
    let mut last = None;
    for (_, reported) in log {
        if let Reported::Message { payload: Content::Json(payload), .. } = reported {
            let number = payload.get("i").and_then(Value::as_u64);
            if number <= last {
                return Err(format!("{number:?} came after {last:?}"));
            }
            last = number;
        }
    }
    if last == Some(1999) { Ok(()) } else { Err(format!("the last message was {last:?}")) }
}

/// Finds a separate report of the core for each note, within the [`TOLERANCE`].
pub(crate) fn compare(notes: &[(Instant, Note)], clients: &mut [Client]) -> Check {
    let mut heard: Vec<(usize, Instant, Reported)> = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        heard.extend(client.log.iter().map(|(at, reported)| (index, *at, reported.clone())));
    }
    heard.sort_by_key(|(_, at, _)| *at);
    for (noted_at, note) in notes {
        let found = heard.iter().position(|(client, at, reported)| {
            *at <= *noted_at + TOLERANCE
                && *noted_at <= *at + TOLERANCE
                && note.matches(reported, *client)
        });
        let Some(found) = found else {
            return Err(format!("noted at {noted_at:?}, and not reported by the core: {note:?}"));
        };
        let (client, told_at, _) = heard.remove(found);
        let leaves = match note {
            Note::Left => true,
            Note::ChannelClosed { payload, .. } => payload == "leave",
            _ => false,
        };
        if let (true, Some(client)) = (leaves && told_at > *noted_at, clients.get_mut(client)) {
            client.rules.insert(Rule::Deviation3);
        }
    }
    Ok(())
}
