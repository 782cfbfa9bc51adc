//! A flight recorder for [`phx_proto`]: what goes into a socket and comes out of it, as lines of JSON, and replays of them.
//!
//! The core is a state machine: equal settings, seeds and inputs give equal outputs. So a recording of the inputs is the
//! session, and a bug report is a file. [`Ring`] keeps the latest entries in memory and makes lines of them when it is
//! asked to; `RecordingFile` has a thread that writes them.
//!
//! # A recording becomes a regression test
//!
//! ```
//! # use phx_proto::{Config, Instant};
//! # use phx_recorder::{RecordingOptions, Ring, RingLimits};
//! # let ring = Ring::new(RingLimits::default());
//! # ring.record(Config::default(), 42, RecordingOptions::default()).connect(Instant::EPOCH);
//! # let night = ring.dump();
//! # fn test(night: &[u8]) {
//! // let night = include_bytes!("night.jsonl");
//! phx_recorder::replay(&night[..]).unwrap();
//! # }
//! # test(&night);
//! ```
//!
//! [`replay`] runs the inputs into the core of this build. Where it does something else than the recorded one, the error
//! has the line, what was recorded there, and what this build does.
//!
//! [`Timeline`] says in words what happened, and replays at the same time.
//!
//! # What is in a recording
//!
//! Settings, the seed, every call and input with its time, what the caller's policies and schedules decided, and what the
//! socket gave for them. Of payloads their length, unless [`Payloads`] says otherwise; of join params never more than
//! that. No URL, no headers, no tokens: the core never sees them. Topics, events, statuses, the reasons of close
//! frames, and the errors of connections, which may have the server's address, stand in it as they are, and lengths and
//! times of everything. With
//! [`RecordingOptions::hide_topics`] topics are replaced by digits and letters that mean nothing, as many as the topic has bytes.
//!
//! # The format
//!
//! Version 1. Each line is one JSON value, in UTF-8, of at most [`MAX_LINE`] bytes. The first is an object with the version
//! under `phx_recording`, the serializer, the seed and the settings. Each other one is an entry: a string, or an object
//! with one key. A file may end anywhere, within a line too: then its program ended there.
//!
//! Times and durations are whole nanoseconds; one of 585 years or more is the text `"SECONDS.NANOSECONDS"`. Moments count
//! from the driver's epoch. Channels, requests, pings and transports are numbers, as `as_u64` of their ids gives them. A
//! payload is its length, or an object with `len`, and as they apply `binary`, `uncompressed`, `reason` (one of the two
//! that the client itself acts on), `hash` and `whole` (the JSON text, or the bytes in base 16). Topics and events are
//! numbers, which a `name` before them gives.
//!
//! | entry | value | meaning |
//! |---|---|---|
//! | `at` | moment | the time of the inputs that follow |
//! | `name` | \[number, text\] | a topic or an event; a later one of the same number takes its place |
//! | `cut_name` | \[number, text\] | the same, of which only the beginning is known, and a hash |
//! | `connect`, `reconnect_now`, `switch_transport`, `ping`, `timeout` | | the call or the input |
//! | `disconnect` | \[code, reason\] | |
//! | `channel`, `replace` | \[topic, params\] | `null` for params that are asked for |
//! | `join`, `leave` | \[channel, timeout\] | |
//! | `remove`, `cancel` | channel, request | |
//! | `push` | object | `channel`, `event`, `payload`, `no_reply`, `timeout` |
//! | `opened` | \[transport, properties\] | `null` for those of a WebSocket |
//! | `closed` | \[transport, cause\] | |
//! | `broadcast` | \[topic, event, payload, length of the frame\] | a message without refs |
//! | `message` | object | another one: `join_ref`, `ref`, `topic`, `event`, `status`, `payload`, `frame` |
//! | `malformed` | object | a frame that isn't a message |
//! | `stale`, `unread`, `messages_lost` | transport | a frame of an old transport; a pause in reading; a gap |
//! | `lifecycle` | state | |
//! | `params` | \[request, params\] | `null` if they couldn't be made |
//! | `decided` | object | what a policy or schedule of the caller returned, for the entry before or the next output |
//! | `returned` | object | what the call before returned |
//! | `action`, `control` | object | what `poll_action` or `poll_control` gave |
//! | `no_action`, `no_control` | | it gave nothing |
//! | `event` | object | what `poll_event` gave |
//! | `delivered` | | it gave the message to a channel |
//! | `deadline` | moment | what `poll_timeout` gives, as it has changed |
//! | `check` | text | the running hash of the outputs, in base 16: at least every 256 of them |
//! | `gap` | number | this many entries are missing here |
//! | `end` | | the socket was dropped |
//!
//! The running hash is of no use against forgers: whoever can change a file can write another hash.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod body;
mod cause;
mod decisions;
mod digest;
mod entry;
// A page has no files and no threads.
#[cfg(not(target_family = "wasm"))]
mod file;
mod filler;
mod header;
mod hidden;
mod log;
mod names;
mod options;
mod output;
mod reader;
mod recorder;
mod replay;
mod ring;
mod sink;
mod target;
mod time;
mod timeline;

#[cfg(not(target_family = "wasm"))]
pub use file::RecordingFile;
pub use header::VERSION;
pub use options::{Payloads, RecordingOptions};
pub use reader::{MAX_LINE, ReadError};
pub use replay::{MAX_SENT, ReplayError, Replayed, replay, replay_with};
pub use ring::{Ring, RingLimits};
pub use target::Recorder;
pub use timeline::{About, Happening, MAX_THINGS, State, Timeline};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
