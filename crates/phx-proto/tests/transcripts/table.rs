//! All recordings, with their settings for the replay.

use std::time::Duration;

use phx_proto::CallError;

use self::Coverage::{NotApplicable, Reaction, Replayed};
use self::Refused::{EmptyEvent, NotJoined, ReservedEvent};
use self::Rule::{Deviation3, Deviation18, NothingToLeave};

/// A recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The file's name, without `.jsonl`.
    pub(crate) file: &'static str,
    pub(crate) coverage: Coverage,
}

/// Part of a recording that applies to the core.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coverage {
    /// The core sends every frame of the client, except by the named rules.
    Replayed(Settings),
    /// A script sent frames that no user of the core can send. They are left out, the server's answers are passed to the
    /// core, and its reaction is compared. With the reason.
    Reaction(&'static str, Settings),
    /// It doesn't concern the core, with the reason.
    NotApplicable(&'static str),
}

/// Settings of the recorded client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    reconnect_ms: u64,
    rejoin_ms: u64,
    /// Heartbeat interval in milliseconds; `None` if the script sends heartbeats itself, which become pings.
    heartbeat_ms: Option<u64>,
    pub(crate) v1: bool,
    /// True if params are made for each join.
    pub(crate) fresh_params: bool,
    /// True if the user made all calls before the connection was open.
    pub(crate) early: bool,
    clients: Clients,
    /// Events whose pushes have a separate timeout, in milliseconds.
    timeouts: &'static [(&'static str, u64)],
    /// Frames of the client that are left out, by their number.
    left_out: &'static [(usize, LeftOut)],
    /// Differences between the recorded client and the core.
    pub(crate) rules: &'static [Rule],
}

/// Clients of a recording's connections.
#[derive(Clone, Copy, Debug)]
enum Clients {
    /// All belong to one client, which reconnects.
    One,
    /// Each belongs to a separate client.
    Each,
    /// The first ones, up to this number, belong to one client, the others to separate ones.
    First(u32),
}

/// Reason to leave a frame of the recorded client out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeftOut {
    /// No call of the core's user sends this.
    NoCall,
    /// The call that would send this must be refused; the replay makes it.
    Refused(Refused),
}

/// Errors for [`LeftOut::Refused`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    EmptyEvent,
    NotJoined,
    ReservedEvent,
}

/// Intended differences between the core and the recorded client.
///
/// Deviations have their numbers of docs/CONFORMANCE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// phoenix.js reports a leave as done before the server answers; the core when it has.
    Deviation3,
    /// A topic has one owner. The recorded client joins a second channel over the first; the core's
    /// user has to ask for that (`replace`), and the first is left before.
    Deviation18,
    /// The recorded client sends `phx_leave` for a channel that isn't joined: one whose join was
    /// rejected, or that never was joined. The core sends nothing, since the server has nothing to
    /// leave, and reports what the server's answer (ok) would have said.
    NothingToLeave,
}

impl Settings {
    pub(crate) fn reconnect(&self) -> Duration {
        Duration::from_millis(self.reconnect_ms)
    }

    pub(crate) fn rejoin(&self) -> Duration {
        Duration::from_millis(self.rejoin_ms)
    }

    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat_ms.map(Duration::from_millis)
    }

    pub(crate) fn timeout(&self, event: &str) -> Option<Duration> {
        let own = self.timeouts.iter().find(|(name, _)| *name == event);
        own.map(|(_, millis)| Duration::from_millis(*millis))
    }

    /// Returns the reason to leave the client's frame with this number out.
    pub(crate) fn left_out(&self, number: usize) -> Option<LeftOut> {
        self.left_out.iter().find(|(left_out, _)| *left_out == number).map(|(_, why)| *why)
    }

    pub(crate) fn allows(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    /// Returns the index of the connection's client.
    pub(crate) fn client_of(&self, conn: u32) -> usize {
        let index = match self.clients {
            Clients::One => 0,
            Clients::Each => conn.saturating_sub(1),
            Clients::First(count) => conn.saturating_sub(count),
        };
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    const fn leaving_out(self, left_out: &'static [(usize, LeftOut)]) -> Self {
        Settings { left_out, ..self }
    }

    const fn with_rules(self, rules: &'static [Rule]) -> Self {
        Settings { rules, ..self }
    }
}

impl Refused {
    pub(crate) fn is(self, reason: &CallError) -> bool {
        match self {
            EmptyEvent => *reason == CallError::EmptyEvent,
            NotJoined => *reason == CallError::NotJoined,
            ReservedEvent => *reason == CallError::ReservedEvent,
        }
    }
}

/// Settings of the official JavaScript client in the recordings.
const JS: Settings = Settings {
    reconnect_ms: 100,
    rejoin_ms: 150,
    heartbeat_ms: None,
    v1: false,
    fresh_params: false,
    early: false,
    clients: Clients::One,
    timeouts: &[],
    left_out: &[],
    rules: &[],
};
const JS_EACH: Settings = Settings { clients: Clients::Each, ..JS };
/// A script over a bare WebSocket, which never rejoins within its recording.
const RAW: Settings = Settings { rejoin_ms: 1000, ..JS };
const RAW_EACH: Settings = Settings { clients: Clients::Each, ..RAW };
const V1_EACH: Settings = Settings { v1: true, ..RAW_EACH };
/// A script that sends one frame after its join for which there is no call.
const BAD_FRAME: Settings = RAW.leaving_out(&[(2, LeftOut::NoCall)]);
const RESERVED: Settings = RAW.leaving_out(&[(2, LeftOut::Refused(ReservedEvent))]);

const CLOSES: &str = "the serializers never write the second frame; \
    the server closes with 1011, which is reported once, and a reconnect is scheduled";
const NO_ANSWER: &str = "the core never sends a join without its refs; \
    the server's answer to it changes nothing, and the next heartbeat is answered";
const WRONG_TYPES: &str = "the serializers never write the second frame; \
    the crash of the channel that it brings is reported, and a rejoin is scheduled";
const WRONG_TOPIC: &str = "the serializers never write the second frame; \
    the server's answer repeats its wrong topic, and is reported as malformed";
const PROTOCOL_EVENT: &str = "the core refuses to push an event of the protocol; \
    the crash of the channel that it brings is reported, and a rejoin is scheduled";
const LONG_POLL: &str = "long-poll: HTTP requests, no WebSocket";
const NOTES_ONLY: &str = "recorded without the proxy: notes and no frames; \
    fragments and compression belong to the WebSocket library";
const HTTP: &str = "requests made by hand; the core makes none, \
    and the default policy is asked about each answer";

const fn row(file: &'static str, coverage: Coverage) -> Row {
    Row { file, coverage }
}

pub(crate) const TABLE: [Row; 87] = [
    row("auth_token", Replayed(JS)),
    row("auth_token_raw", Replayed(RAW_EACH)),
    row("binary_broadcast", Replayed(JS_EACH)),
    row("binary_push_reply", Replayed(JS)),
    row("binary_server_push", Replayed(JS)),
    row("broadcast", Replayed(JS_EACH)),
    row("client_close", Replayed(JS_EACH)),
    row("connect_rejected", Replayed(Settings { clients: Clients::First(5), ..JS })),
    row("custom_status", Replayed(JS)),
    row("deflate_offer", NotApplicable(NOTES_ONLY)),
    row("disconnect_broadcast", Replayed(JS)),
    row(
        "duplicate_topic_join",
        Reaction(
            "a push with the join_ref of a replaced channel: that channel is closed, \
             and the core's user can't push to it",
            RAW.with_rules(&[Deviation18]).leaving_out(&[(3, LeftOut::NoCall)]),
        ),
    ),
    row("duplicate_topic_join_js", Replayed(JS.with_rules(&[Deviation3, Deviation18]))),
    row("flood", Replayed(JS)),
    row("fragmented_message", NotApplicable(NOTES_ONLY)),
    row("handshake_raw", Reaction(HTTP, RAW)),
    row("heartbeat", Replayed(Settings { heartbeat_ms: Some(200), ..JS })),
    row(
        "heartbeat_raw",
        Reaction(
            "heartbeats with a join_ref, without a ref or with a number for one, and other events \
             of the topic `phoenix`, which no user can send; the server's answers change nothing",
            RAW.leaving_out(&[
                (2, LeftOut::NoCall),
                (3, LeftOut::NoCall),
                (4, LeftOut::NoCall),
                (5, LeftOut::NoCall),
                (6, LeftOut::NoCall),
                (7, LeftOut::NoCall),
            ]),
        ),
    ),
    row("heartbeat_timeout_server_side", Replayed(RAW)),
    row("http_wrong_requests", Reaction(HTTP, RAW)),
    row("join_crash", Replayed(JS.with_rules(&[NothingToLeave]))),
    row("join_ok", Replayed(JS)),
    row("join_rejected", Replayed(JS.with_rules(&[NothingToLeave]))),
    row("leave", Replayed(JS.with_rules(&[Deviation3]))),
    row(
        "leave_unjoined",
        Reaction(
            "leaves of topics that were never joined send nothing, and are done at once; \
             the server's answers change nothing",
            RAW.with_rules(&[NothingToLeave]),
        ),
    ),
    row("longpoll_auth_token", NotApplicable(LONG_POLL)),
    row("longpoll_batch_over_100", NotApplicable(LONG_POLL)),
    row("longpoll_binary", NotApplicable(LONG_POLL)),
    row("longpoll_gzip", NotApplicable(LONG_POLL)),
    row("longpoll_js_binary", NotApplicable(LONG_POLL)),
    row("longpoll_js_disconnect_broadcast", NotApplicable(LONG_POLL)),
    row("longpoll_js_drop_transport", NotApplicable(LONG_POLL)),
    row("longpoll_js_rejected", NotApplicable(LONG_POLL)),
    row("longpoll_js_session", NotApplicable(LONG_POLL)),
    row("longpoll_malformed", NotApplicable(LONG_POLL)),
    row("longpoll_no_content", NotApplicable(LONG_POLL)),
    row("longpoll_other_methods", NotApplicable(LONG_POLL)),
    row("longpoll_raw_session", NotApplicable(LONG_POLL)),
    row("longpoll_rejected", NotApplicable(LONG_POLL)),
    row("longpoll_vsn1", NotApplicable(LONG_POLL)),
    row("malformed_array_0", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_array_4", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_empty", Reaction(CLOSES, BAD_FRAME)),
    row(
        "malformed_bin_empty_refs",
        Reaction(
            "the core never sends a binary push without refs; the server says nothing to it, \
             and the next heartbeat is answered",
            BAD_FRAME,
        ),
    ),
    row("malformed_bin_invalid_utf8_topic", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_json_in_binary", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_kind_1", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_kind_2", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_kind_9", Reaction(CLOSES, BAD_FRAME)),
    // An empty binary payload is legal, and the core sends it too.
    row("malformed_bin_no_payload", Replayed(RAW)),
    row("malformed_bin_short_header", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_bin_truncated", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_empty_text", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_event_null", Reaction(WRONG_TYPES, BAD_FRAME)),
    row("malformed_event_number", Reaction(WRONG_TYPES, BAD_FRAME)),
    row("malformed_invalid_json", Reaction(CLOSES, BAD_FRAME)),
    row(
        "malformed_invalid_utf8_text",
        Reaction(
            "the serializers never write text that isn't UTF-8; the server closes with 1007, \
             which is reported once, and a reconnect is scheduled",
            BAD_FRAME,
        ),
    ),
    row("malformed_join_both_refs_null", Reaction(NO_ANSWER, BAD_FRAME)),
    // Params may be any JSON value, and the core sends `null` too.
    row("malformed_join_payload_null", Replayed(RAW)),
    row("malformed_join_ref_missing", Reaction(NO_ANSWER, BAD_FRAME)),
    row("malformed_json_map", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_json_null", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_json_string", Reaction(CLOSES, BAD_FRAME)),
    row("malformed_phx_close_from_client", Reaction(PROTOCOL_EVENT, RESERVED)),
    row("malformed_phx_error_from_client", Reaction(PROTOCOL_EVENT, RESERVED)),
    row("malformed_phx_reply_from_client", Reaction(PROTOCOL_EVENT, RESERVED)),
    row("malformed_topic_null", Reaction(WRONG_TOPIC, BAD_FRAME)),
    row("malformed_topic_number", Reaction(WRONG_TOPIC, BAD_FRAME)),
    row("presence", Replayed(JS_EACH)),
    row("push_before_join_buffered", Replayed(Settings { early: true, ..JS })),
    row("push_reply_error", Replayed(JS)),
    row("push_reply_ok", Replayed(JS)),
    row("push_timeout", Replayed(Settings { timeouts: &[("silent", 300), ("slow", 200)], ..JS })),
    row(
        "push_unjoined_topic",
        Reaction(
            "pushes to topics that were never joined are refused at the call; \
             the server's answers change nothing",
            RAW.leaving_out(&[
                (1, LeftOut::Refused(NotJoined)),
                (2, LeftOut::Refused(NotJoined)),
                (3, LeftOut::Refused(NotJoined)),
            ]),
        ),
    ),
    row("rejoin_after_crash", Replayed(JS)),
    row(
        "reserved_events",
        // The script joins again some 59 ms after each crash: the core's rejoins, on schedule.
        Reaction(
            "a push of an event without a name is refused at the call; the crash of the channel \
             that it brings is reported, and the channel rejoins",
            Settings { rejoin_ms: 58, ..RAW }.leaving_out(&[(8, LeftOut::Refused(EmptyEvent))]),
        ),
    ),
    row("server_push", Replayed(JS)),
    // The script connects again at once.
    row("server_shutdown_sigterm", Replayed(Settings { reconnect_ms: 2, ..RAW })),
    row("server_stop", Replayed(JS)),
    row("server_stop_shutdown", Replayed(JS)),
    row("too_many_channels", Replayed(RAW)),
    row("transport_drop_and_reconnect", Replayed(JS)),
    row("unicode", Replayed(JS)),
    row("unmatched_topic", Replayed(JS.with_rules(&[NothingToLeave]))),
    row(
        "vsn_1_0_0",
        // The script joins again 59 ms after the crash, with other params.
        Reaction(
            "a V1 push with a join_ref, which the serializer never writes and the server ignores",
            Settings { v1: true, fresh_params: true, rejoin_ms: 59, ..RAW }
                .leaving_out(&[(4, LeftOut::NoCall)]),
        ),
    ),
    row("vsn_missing_or_unknown", Replayed(V1_EACH)),
    row("ws_ping", Replayed(RAW)),
];
