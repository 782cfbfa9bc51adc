//! The logger hook, and the same records for `tracing`.
//!
//! Neither ever shows a param, a header or a token. `tracing` gets names and lengths only; the
//! logger also gets the payloads of messages and pushes, but not the params of joins. The texts of peers
//! are escaped and short in both, so that none of them can forge a line.

use std::fmt;
use std::sync::Arc;

use phx_proto::{ByteString, Escaped, Payload, PayloadError};
use serde_json::error::Category;
use tracing::{Level, enabled};

use crate::subscription::isolated;

/// Log record for the logger, see [`SocketBuilder::logger`](crate::SocketBuilder::logger).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogRecord {
    /// Subject of the record.
    pub kind: LogKind,
    /// Description of the event for people: one line, in which the peer's texts are [`Escaped`].
    pub message: String,
    /// The payload of a push or message. Its `Debug` shows the length only.
    pub data: Option<Payload>,
}

/// Subject of a log record. Shown in the words of phoenix.js.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogKind {
    /// The connection.
    Transport,
    /// A channel's joins, errors and end.
    Channel,
    /// A push by the user.
    Push,
    /// A message from the server.
    Receive,
    /// An error: a malformed frame, a panicking hook.
    Error,
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LogKind::Transport => "transport",
            LogKind::Channel => "channel",
            LogKind::Push => "push",
            LogKind::Receive => "receive",
            LogKind::Error => "error",
        })
    }
}

type Logger = dyn Fn(&LogRecord) + Send + Sync;

/// Destination of log records. Never called with the lock held.
#[derive(Clone, Default)]
pub(crate) struct Log(Option<Arc<Logger>>);

impl Log {
    pub(crate) fn to(logger: impl Fn(&LogRecord) + Send + Sync + 'static) -> Self {
        Log(Some(Arc::new(logger)))
    }

    pub(crate) fn wants(&self) -> bool {
        self.0.is_some()
    }

    /// Records a message, made only if there is a logger.
    pub(crate) fn record(
        &self,
        kind: LogKind,
        data: Option<&Payload>,
        message: impl FnOnce() -> String,
    ) {
        if let Some(logger) = &self.0 {
            // The parts are short already; this limits any others.
            let message = Escaped::whole(&message()).to_string();
            let record = LogRecord { kind, message, data: data.cloned() };
            isolated("logger", || logger(&record));
        }
    }

    /// Warns of messages that a stream or a presence lacks. Without an event, they may be of any.
    pub(crate) fn lacks(
        &self,
        topic: &str,
        event: Option<&str>,
        payload: Option<&Payload>,
        why: impl FnOnce() -> String,
    ) {
        if !self.wants() && !enabled!(target: "phx_client::channel", Level::WARN) {
            return;
        }
        let (topic, event, why) = (Escaped::new(topic), event.map(Escaped::new), why());
        tracing::warn!(target: "phx_client::channel", %topic, event = event.map(display), "{why}");
        self.record(LogKind::Error, payload, || match event {
            Some(event) => format!("{topic} {event}: {why}"),
            None => format!("{topic}: {why}"),
        });
    }

    pub(crate) fn pushed(&self, topic: &ByteString, event: &ByteString, payload: &Payload) {
        self.record(LogKind::Push, Some(payload), || about(topic, event));
    }

    pub(crate) fn received(&self, topic: &ByteString, event: &ByteString, payload: &Payload) {
        tracing::trace!(target: "phx_client::channel", topic = %Escaped::new(topic), event = %Escaped::new(event), len = payload.len(), "message");
        self.record(LogKind::Receive, Some(payload), || about(topic, event));
    }
}

/// Returns the reason why a payload couldn't be decoded, for logs. Without the error's text, which may quote the
/// payload.
pub(crate) fn undecodable(error: &PayloadError) -> String {
    let (PayloadError::Serialize(json)
    | PayloadError::NotJson { error: json, .. }
    | PayloadError::Deserialize { error: json, .. }) = error
    else {
        return error.to_string();
    };
    let json = json.inner();
    let what = match json.classify() {
        Category::Data => "the payload has another type",
        Category::Syntax | Category::Eof | Category::Io => "the payload isn't valid JSON",
    };
    format!("{what}, at line {} column {}", json.line(), json.column())
}

/// The topic and the event of a message or a push.
fn about(topic: &str, event: &str) -> String {
    format!("{} {}", Escaped::new(topic), Escaped::new(event))
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.wants() { "Log(..)" } else { "Log" })
    }
}
