//! Entries: one for each row of SECURITY.md's tables.

use super::{KIB, THING, handles, sans_io, wire};

/// A row, by its setting or by its file and constant.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
}

/// Proof that the peak stays within a row's limit.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Runs with the setting at `limit`, each of `unit` bytes. They take the setting, and return the peak.
    Setting { limit: usize, unit: usize, runs: &'static [fn(usize) -> usize] },
    /// Runs against a constant that allows this number of bytes.
    Constant { bytes: usize, runs: &'static [fn() -> usize] },
    /// A test elsewhere, with its file below `crates`.
    Test { file: &'static str, name: &'static str },
    /// Another row's limit covers the same bytes.
    Within { row: &'static str, why: &'static str },
    /// What is limited is no memory.
    NoMemory { why: &'static str },
}

/// Returns an entry that counts items.
const fn things(name: &'static str, runs: &'static [fn(usize) -> usize]) -> Row {
    Row { name, shown: Shown::Setting { limit: 100, unit: THING, runs } }
}

const fn bytes(name: &'static str, runs: &'static [fn(usize) -> usize]) -> Row {
    Row { name, shown: Shown::Setting { limit: 256 * KIB, unit: 1, runs } }
}

const fn constant(name: &'static str, bytes: usize, runs: &'static [fn() -> usize]) -> Row {
    Row { name, shown: Shown::Constant { bytes, runs } }
}

const fn test(name: &'static str, file: &'static str, test: &'static str) -> Row {
    Row { name, shown: Shown::Test { file, name: test } }
}

const fn within(name: &'static str, row: &'static str, why: &'static str) -> Row {
    Row { name, shown: Shown::Within { row, why } }
}

const fn no_memory(name: &'static str, why: &'static str) -> Row {
    Row { name, shown: Shown::NoMemory { why } }
}

const LONG_POLL: &str = "phx-proto/tests/behaviour/longpoll/memory.rs";
const LONG_POLL_PEAK: &str = "the_peak_of_a_session_stays_within_its_limits";
const LONG_POLL_CLIENT: &str = "phx-client/tests/longpoll/memory.rs";
const LONG_POLL_CLIENT_PEAK: &str = "the_peak_of_what_a_server_says_stays_within_its_limits";
const SLOW_CONSUMER: &str = "a_live_slow_consumer_loses_nothing_and_memory_stays";

const SMALL: &str = "phx-proto/tests/behaviour/small_preset.rs";
const SMALL_PEAK: &str = "a_socket_at_all_limits_of_the_small_preset_takes_16_kibibytes";
const SMALLER: &str = "the same code has a smaller limit";

const RECORDINGS: &str = "phx-recorder/tests/recorder/memory.rs";
const READING: &str = "the_peak_of_reading_stays_within_its_limits";

const PAGE: &str = "phx-cli/src/replay/page.rs";
const PAGE_BOUND: &str = "a_page_is_bounded";

const PROGRAM: &str = "phx-cli/src/scenario/program.rs";
const PROGRAM_PEAK: &str = "a_program_takes_a_small_multiple_of_its_text";
const INBOX: &str = "phx-cli/src/bench/crowd/inbox.rs";
const INBOX_PEAK: &str = "what_waits_is_limited_in_number_and_bytes";
const COOKIES: &str = "phx-cli/src/bench/crowd/liveview.rs";
const COOKIES_PEAK: &str = "cookies_are_few_and_small";
const LOG: &str = "phx-cli/src/bench/run_log/read.rs";
const LOG_PEAK: &str = "hostile_logs_are_refused_without_being_quoted";
const HISTOGRAM: &str = "phx-cli/src/bench/hdr.rs";
const HISTOGRAM_PEAK: &str = "hostile_histograms_are_refused";
const A_NUMBER: &str = "a number takes the same memory at any value";

const KINDS: &str = "kinds_of_errors_are_limited_in_number_and_length";
const INDENTS: &str = "the_indents_of_a_deep_value_are_limited";
const QUEUE: &str = "the_peak_of_a_queue_stays_within_its_limits";
const NAMES: &str = "the_peak_of_names_stays_within_their_limits";
const HISTORY: &str = "the_peak_of_a_history_stays_within_its_limits";

pub(crate) const ROWS: &[Row] = &[
    bytes("Config::max_frame_size", &[sans_io::decoding, wire::long_frame, wire::long_fragments]),
    things("Config::max_channels", &[sans_io::channels]),
    things("Config::max_pushes", &[sans_io::outcomes]),
    things("Config::max_buffered_pushes", &[sans_io::unsent]),
    bytes("Config::max_buffered_bytes", &[sans_io::unsent_bytes]),
    within("Config::max_joins_in_flight", "Config::max_channels", "a channel has one join"),
    within("inbox.rs MIN_BACKLOG", "Config::max_frame_size", "a page keeps what it has received"),
    within(
        "buffered.rs MAX_BUFFERED",
        "Config::max_buffered_bytes",
        "the browser has what the socket no longer keeps",
    ),
    constant("heartbeat.rs MAX_PINGS", 16 * THING, &[sans_io::pings]),
    things("Config::max_events", &[sans_io::events]),
    bytes("Config::max_event_bytes", &[sans_io::event_bytes]),
    test(
        "Config::max_answer_bytes",
        "phx-proto/tests/behaviour/answers_are_bounded.rs",
        "the_memory_of_answers_that_nobody_polls_stays_within_the_limit",
    ),
    constant("answer.rs MAX_STATUS", sans_io::STATUSES * 255, &[sans_io::statuses]),
    test(
        "PresenceConfig::max_metas",
        "phx-proto/tests/behaviour/presence_memory.rs",
        "a_full_list_takes_less_than_400_bytes_a_meta_beyond_the_users_own_type",
    ),
    test(
        "PresenceConfig::max_bytes",
        "phx-proto/tests/behaviour/presence_memory.rs",
        "nothing_is_decoded_of_a_payload_of_more_bytes_than_the_limit",
    ),
    things("PresenceConfig::max_pending_diffs", &[sans_io::pending_diffs]),
    things("settings.rs STREAM_CAPACITY", &[handles::stream_capacity, handles::changes_capacity]),
    bytes("settings.rs STREAM_BYTES", &[handles::stream_bytes, handles::changes_bytes]),
    within("mailbox.rs MAX_TAKEN", "settings.rs STREAM_CAPACITY", "they were in the stream before"),
    test("link.rs MAX_FRAMES", "phx-client/tests/sockets/flood.rs", SLOW_CONSUMER),
    test("link.rs MAX_BYTES", "phx-client/tests/sockets/flood.rs", SLOW_CONSUMER),
    // Futures of params.
    things("Config::max_channels", &[handles::params]),
    // The transports of these tests have two channels of 3 KiB each.
    constant("closing.rs MAX_CLOSING", 8 * 8 * KIB, &[handles::closing]),
    constant("happy_eyeballs.rs MAX_ADDRESSES", 64 * THING, &[handles::addresses]),
    constant(
        "head.rs MAX_HEAD",
        32 * KIB,
        &[
            wire::long_line,
            wire::empty_lines,
            wire::many_headers,
            wire::kept_headers,
            wire::a_proxys_head,
        ],
    ),
    within("head.rs MAX_HEADERS", "head.rs MAX_HEAD", "headers are slices of the head"),
    within("head.rs MAX_INTERIM", "head.rs MAX_HEAD", "they are dropped one by one"),
    bytes(
        "WebSocketConfig::max_refusal_body",
        &[wire::body, wire::body_of_known_length, wire::body_in_chunks],
    ),
    constant("body.rs MAX_LINE", 256, &[wire::chunk_line]),
    within("body.rs MAX_TRAILERS", "body.rs MAX_LINE", "they are dropped one by one"),
    within("client.rs MAX_REFUSAL", "WebSocketConfig::max_refusal_body", "one reader has both"),
    bytes("WebSocketConfig::read_buffer_size", &[wire::read_buffer]),
    constant("read_ahead.rs MAX_SIZE", 64 * KIB, &[wire::read_ahead]),
    bytes("WebSocketConfig::write_buffer_size", &[wire::write_buffer]),
    test("SessionConfig::max_answer_bytes", LONG_POLL, LONG_POLL_PEAK),
    within("session.rs MAX_ANSWERS", "SessionConfig::max_answer_bytes", "two such answers"),
    within("session.rs MAX_UNREAD_BYTES", "SessionConfig::max_answer_bytes", "two such answers"),
    test("SessionConfig::max_refusal_body", LONG_POLL, LONG_POLL_PEAK),
    test("answer.rs MAX_TOKEN", LONG_POLL, LONG_POLL_PEAK),
    test("transport.rs MAX_POST", LONG_POLL, LONG_POLL_PEAK),
    test("cookies.rs MAX_COOKIES", LONG_POLL_CLIENT, LONG_POLL_CLIENT_PEAK),
    test("cookies.rs MAX_BYTES", LONG_POLL_CLIENT, LONG_POLL_CLIENT_PEAK),
    constant("transport.rs MAX_WAITING_PONGS", 64 * THING, &[wire::pongs]),
    within(
        "codec.rs MAX_WAITING_PONGS",
        "transport.rs MAX_WAITING_PONGS",
        "the transport is over the codec, and counts the same pongs",
    ),
    test(
        "deflate.rs PIECE",
        "phx-websocket/tests/memory.rs",
        "the_peak_of_a_bomb_stays_within_the_limit",
    ),
    // The longest escape of a character, `\u{10ffff}`, has ten bytes.
    constant("escaped.rs MAX_CHARS", 256 * 10, &[sans_io::displayed]),
    within("turn.rs MAX_READ", "read_ahead.rs MAX_SIZE", "it is read into that buffer"),
    within("turn.rs MAX_READS", "read_ahead.rs MAX_SIZE", "it is read into that buffer"),
    within(
        "turn.rs MAX_WRITES",
        "WebSocketConfig::write_buffer_size",
        "what is written comes from that buffer",
    ),
    // Recordings.
    test("reader.rs MAX_LINE", RECORDINGS, READING),
    test(
        "filler.rs MAX_FILLER",
        RECORDINGS,
        "the_peak_of_stand_ins_for_payloads_is_one_buffer_and_a_frame",
    ),
    within("run.rs MAX_SENT", "filler.rs MAX_FILLER", "they are copied one after another"),
    test("run.rs MAX_AHEAD", RECORDINGS, READING),
    test(
        "ids.rs MAX_LIVE",
        RECORDINGS,
        "the_peak_of_decisions_and_events_that_wait_stays_within_its_limits",
    ),
    test(
        "ids.rs MAX_LIVE_BYTES",
        RECORDINGS,
        "the_peak_of_decisions_and_events_that_wait_stays_within_its_limits",
    ),
    test(
        "ids.rs MAX_KNOWN",
        "phx-recorder/src/replay/ids.rs",
        "of_the_oldest_ids_one_stands_in_for_the_others",
    ),
    test("names.rs MAX_NAMES", RECORDINGS, READING),
    test("names.rs MAX_NAME", RECORDINGS, READING),
    test("words.rs MAX_THINGS", RECORDINGS, "the_peak_of_a_timeline_stays_within_its_limits"),
    test("page.rs MAX_LANES", PAGE, PAGE_BOUND),
    test("page.rs MAX_ROWS", PAGE, PAGE_BOUND),
    within("body.rs MAX_WHOLE", "ring.rs RING_BYTES", "it is in a ring, or waits for a file"),
    within("cause.rs MAX_TEXT", "ring.rs RING_BYTES", "it is in a ring, or waits for a file"),
    test(
        "file.rs MAX_WAITING",
        "phx-recorder/tests/recorder/files.rs",
        "a_disk_that_stands_still_holds_nothing_up",
    ),
    no_memory("file.rs FILE_BYTES", "they are on the disk"),
    test("ring.rs RING_BYTES", RECORDINGS, "the_peak_of_a_ring_stays_within_its_limit"),
    // The program `phx`.
    test(
        "value.rs MAX_FILE",
        "phx-cli/src/value.rs",
        "a_value_comes_from_a_file_without_its_last_line_end",
    ),
    test("payload.rs MAX_PAYLOAD", "phx-cli/src/payload.rs", "a_payload_is_limited_in_bytes"),
    test("recorder.rs MAX_KINDS", "phx-cli/src/bench/recorder.rs", KINDS),
    test("recorder.rs MAX_STATUS", "phx-cli/src/bench/recorder.rs", KINDS),
    test(
        "recorder.rs MAX_BUFFERED",
        "phx-cli/src/bench/recorder.rs",
        "no_sample_is_lost_between_buffers_and_counts",
    ),
    test("scenario.rs MAX_SCENARIO", PROGRAM, PROGRAM_PEAK),
    test("program.rs MAX_LINES", PROGRAM, PROGRAM_PEAK),
    within("program.rs MAX_DEPTH", "scenario.rs MAX_SCENARIO", "a block begins with a line"),
    within("program.rs MAX_NAMES", "scenario.rs MAX_SCENARIO", "a name is a part of a line"),
    no_memory("line.rs MAX_TIMES", A_NUMBER),
    no_memory("line.rs MAX_AT_ONCE", "the user's own command has that many of them"),
    no_memory("line.rs MAX_UPLOAD", "it is on the disk"),
    test(
        "data.rs MAX_DATA",
        "phx-cli/src/scenario/data.rs",
        "a_table_takes_a_small_multiple_of_its_file",
    ),
    within("data.rs MAX_COLUMNS", "data.rs MAX_DATA", "a column has a name in the file"),
    within("variables.rs MAX_VALUE", "Config::max_frame_size", "it is a part of an answer"),
    test(
        "template.rs MAX_FILLED",
        "phx-cli/src/scenario/template.rs",
        "what_is_filled_in_is_limited_in_bytes",
    ),
    test("inbox.rs MAX_MESSAGES", INBOX, INBOX_PEAK),
    test("inbox.rs MAX_BYTES", INBOX, INBOX_PEAK),
    test("liveview.rs MAX_COOKIES", COOKIES, COOKIES_PEAK),
    test("liveview.rs MAX_COOKIE_BYTES", COOKIES, COOKIES_PEAK),
    no_memory("stages.rs MAX_STAGES", "they are in the user's own command"),
    no_memory("stages.rs MAX_TARGET", A_NUMBER),
    no_memory("threshold.rs MAX_THRESHOLD", "it is in the user's own command"),
    no_memory("series.rs MAX_TIMES", "they are on the disk"),
    within("series.rs MAX_NAME", "scenario.rs MAX_SCENARIO", "a name is a part of a line"),
    within("metrics.rs MAX_LABEL", "scenario.rs MAX_SCENARIO", "a name is a part of a line"),
    within("endpoint.rs MAX_CONNECTIONS", "endpoint.rs MAX_HEAD", "each has one head"),
    test(
        "endpoint.rs MAX_HEAD",
        "phx-cli/src/bench/endpoint.rs",
        "heads_without_end_are_refused_at_the_limit",
    ),
    within("endpoint.rs MAX_HEADERS", "endpoint.rs MAX_HEAD", "a header is a part of a head"),
    within("worker.rs MAX_WORKERS", "read.rs MAX_LINE", "of each log a line is in memory"),
    within("run_log.rs MAX_TAG", "read.rs MAX_LINE", "a tag is a part of a line"),
    test("read.rs MAX_LOG", LOG, "a_log_without_end_is_refused"),
    test("read.rs MAX_LINE", LOG, LOG_PEAK),
    test("read.rs MAX_STEPS", LOG, LOG_PEAK),
    within("read.rs MAX_NAME", "read.rs MAX_LINE", "a name is a part of a line"),
    no_memory("read.rs MAX_COUNT", A_NUMBER),
    no_memory("read.rs MAX_TIME", A_NUMBER),
    test("hdr.rs MAX_PLAIN", HISTOGRAM, HISTOGRAM_PEAK),
    no_memory("hdr.rs MAX_TOTAL", A_NUMBER),
    test("printer.rs CAPACITY", "phx-cli/src/queue.rs", QUEUE),
    test("queue.rs MAX_BYTES", "phx-cli/src/queue.rs", QUEUE),
    test("queue.rs MAX_HOOKS", "phx-cli/src/queue.rs", QUEUE),
    test("printer.rs GATHERED", "phx-cli/src/printer.rs", "lines_are_gathered_up_to_a_limit"),
    test("json_text.rs MAX_PRETTY", "phx-cli/src/json_text.rs", INDENTS),
    test("json_text.rs MAX_DEPTH", "phx-cli/src/json_text.rs", INDENTS),
    test("completion.rs CAPACITY", "phx-cli/src/repl/completion.rs", NAMES),
    test("completion.rs MAX_NAME", "phx-cli/src/repl/completion.rs", NAMES),
    test("history.rs CAPACITY", "phx-cli/src/script/history.rs", HISTORY),
    test("history.rs MAX_BYTES", "phx-cli/src/script/history.rs", HISTORY),
    // The presets for machines with little memory.
    test("Config::small().max_frame_size", SMALL, SMALL_PEAK),
    test("Config::small().max_channels", SMALL, SMALL_PEAK),
    test("Config::small().max_joins_in_flight", SMALL, SMALL_PEAK),
    test("Config::small().max_pushes", SMALL, SMALL_PEAK),
    test("Config::small().max_buffered_pushes", SMALL, SMALL_PEAK),
    test("Config::small().max_buffered_bytes", SMALL, SMALL_PEAK),
    test("Config::small().max_events", SMALL, SMALL_PEAK),
    test("Config::small().max_event_bytes", SMALL, SMALL_PEAK),
    test("Config::small().max_answer_bytes", SMALL, SMALL_PEAK),
    within("PresenceConfig::small().max_metas", "PresenceConfig::max_metas", SMALLER),
    within("PresenceConfig::small().max_bytes", "PresenceConfig::max_bytes", SMALLER),
    within(
        "PresenceConfig::small().max_pending_diffs",
        "PresenceConfig::max_pending_diffs",
        SMALLER,
    ),
];
