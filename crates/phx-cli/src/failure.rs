//! Errors that end a command, and their exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

use phx_tokio::{
    ByteString, CallError, CloseCause, ConnectCause, ConnectError, Escaped, JoinCause, JoinError,
    Payload, PingError, PushCause, PushError, Socket, Status, TlsCauseKind,
};

use serde::Deserialize;

use crate::interrupt::Signal;
use crate::terminal::{self, shown};

/// Characters of a server's reason.
const MAX_REASON: usize = 200;

/// An error that ends a command, with its text for the user.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server replied with something else than ok.
    Rejected(String),
    /// The command line, a file or the input can't be used.
    Usage(String),
    /// No connection.
    Connect(String),
    /// The server rejected a join.
    JoinRejected(String),
    /// No answer came in time.
    TimedOut(String),
    /// Anything else, such as the end of the connection.
    Failed(String),
    /// By the user, before it was done.
    Interrupted(Signal),
    /// The reader closed our output: the program ends with success.
    OutputClosed,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure::Usage(text.into())
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Failure::Failed(text.into())
    }

    /// The connection has ended, and none is made again.
    pub(crate) fn ended() -> Self {
        Failure::failed("the connection has ended")
    }

    /// A file of the user's that can't be read.
    pub(crate) fn unreadable(path: &str, error: &io::Error) -> Self {
        Failure::Usage(format!("can't read {path}: {error}"))
    }

    pub(crate) fn connect(url: impl fmt::Display, failed: &ConnectError) -> Self {
        let cause = match &failed.cause {
            ConnectCause::Endpoint(error) => {
                return Failure::Usage(format!("the connection can't be made: {error}"));
            }
            ConnectCause::Config(error) => return Failure::Usage(error.to_string()),
            ConnectCause::Closed(cause) => Some(cause),
            ConnectCause::TimedOut { last, .. } => last.as_ref(),
            _ => None,
        };
        let mut text = format!("can't connect to {url}: {}", shown(&failed.cause.to_string()));
        if let Some(CloseCause::UpgradeRejected(refusal)) = cause {
            let body = String::from_utf8_lossy(&refusal.body);
            let first: String = body.trim().lines().next().unwrap_or_default().into();
            if !first.is_empty() && !first.starts_with('<') {
                text.push_str(&format!(": {}", terminal::shortened(&shown(&first), 200)));
            }
        }
        text.push_str(cause.map_or("", hint));
        Failure::Connect(text)
    }

    pub(crate) fn join(topic: &ByteString, failed: &JoinError) -> Self {
        let topic = shown(topic);
        match &failed.cause {
            JoinCause::Rejected { status, response, .. } => Failure::JoinRejected(format!(
                "the server rejected the join of {topic} with {}",
                answer(status, response)
            )),
            JoinCause::ReplyDropped { .. } => Failure::JoinRejected(chain(failed)),
            JoinCause::TimedOut => {
                Failure::TimedOut(format!("no answer to the join of {topic} came in time"))
            }
            JoinCause::Crashed => Failure::TimedOut(format!(
                "{topic}: join crashed on the server, and no other attempt was accepted in time"
            )),
            JoinCause::Params(_) | JoinCause::InvalidState(_) => Failure::Usage(chain(failed)),
            _ => Failure::Failed(chain(failed)),
        }
    }

    /// A reply with an unexpected status.
    pub(crate) fn replied(topic: &str, event: &str, status: &Status, response: &Payload) -> Self {
        let (event, topic) = (shown(event), shown(topic));
        let answer = answer(status, response);
        Failure::Rejected(format!("`{event}` to {topic}: the reply has {answer}"))
    }

    pub(crate) fn push(topic: &str, event: &str, failed: &PushError) -> Self {
        let what = format!("`{}` to {}", shown(event), shown(topic));
        match &failed.cause {
            PushCause::Rejected { status, response, .. } => {
                Failure::replied(topic, event, status, response)
            }
            PushCause::ReplyDropped { status, .. } if *status != Status::Ok => {
                Failure::Rejected(chain(failed))
            }
            PushCause::TimedOut => Failure::TimedOut(format!("{what}: no reply came in time")),
            // Such as bytes with V1: the server has nothing to do with it.
            PushCause::InvalidState(error) if is_unusable(error) => Failure::Usage(chain(failed)),
            PushCause::NotSent => Failure::TimedOut(format!(
                "{what}: it couldn't be sent in time, for the channel wasn't joined"
            )),
            _ => Failure::Failed(chain(failed)),
        }
    }

    pub(crate) fn ping(socket: &Socket, failed: &PingError) -> Self {
        // A ping without an answer in time fails alone.
        if *failed == PingError::Disconnected && socket.is_connected() {
            return Failure::TimedOut("the ping failed: no answer came in time".to_owned());
        }
        Failure::Failed(format!("the ping failed: {failed}"))
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Rejected(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Connect(_) => 3,
            Failure::JoinRejected(_) => 4,
            Failure::TimedOut(_) => 5,
            Failure::Failed(_) => 6,
            Failure::Interrupted(signal) => signal.exit_code(),
            Failure::OutputClosed => 0,
        }
    }

    /// The text for the user, if there is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Failure::Rejected(text)
            | Failure::Usage(text)
            | Failure::Connect(text)
            | Failure::JoinRejected(text)
            | Failure::TimedOut(text)
            | Failure::Failed(text) => Some(text),
            Failure::Interrupted(_) | Failure::OutputClosed => None,
        }
    }

    /// Prefixes the text with the place where it happened.
    pub(crate) fn at(mut self, place: &str) -> Self {
        match &mut self {
            Failure::Rejected(text)
            | Failure::Usage(text)
            | Failure::Connect(text)
            | Failure::JoinRejected(text)
            | Failure::TimedOut(text)
            | Failure::Failed(text) => text.insert_str(0, &format!("{place}: ")),
            Failure::Interrupted(_) | Failure::OutputClosed => {}
        }
        self
    }

    /// Prints it on standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(text) = self.text() {
            terminal::error(text);
        }
        ExitCode::from(self.code())
    }
}

impl From<Signal> for Failure {
    fn from(signal: Signal) -> Self {
        Failure::Interrupted(signal)
    }
}

/// An error of writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(format!("can't write the output: {error}")),
        }
    }
}

/// What the user can do about a connection that didn't open, on a line of its own; empty if there is nothing.
fn hint(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::UpgradeRejected(refusal) => match refusal.status {
            403 => {
                "\n  its `connect/3` or its `check_origin` refused, or a web firewall before it: is the token right, or \
                 the param that is its name? Does it want an Origin (`-H 'Origin: https://..'`)?"
            }
            404 => {
                "\n  is this the socket's path? It is the one in `socket \"/socket\"` of the endpoint"
            }
            _ => "",
        },
        CloseCause::Tls(failure) => match failure.kind {
            TlsCauseKind::UnknownIssuer => {
                "\n  `--cacert FILE` trusts a private or self-signed certificate, `--insecure` trusts any"
            }
            TlsCauseKind::WrongName | TlsCauseKind::Expired | TlsCauseKind::NotYetValid => {
                "\n  `--insecure` connects all the same, and checks nothing"
            }
            _ => "",
        },
        _ => "",
    }
}

/// Whether no server and no other moment would have taken such a push.
fn is_unusable(reason: &CallError) -> bool {
    use CallError::{EmptyEvent, Encode, ReservedEvent};
    matches!(reason, Encode(_) | EmptyEvent | ReservedEvent)
}

/// A status and what the server says about it, as people read them. The rest of a response is left out: it may be a
/// secret, and errors end up in logs.
fn answer(status: &Status, response: &Payload) -> String {
    #[derive(Deserialize)]
    struct Why {
        reason: String,
    }
    match response.decode::<Why>() {
        Ok(Why { reason }) => {
            format!("the status `{status}`: {}", Escaped::short(&reason, MAX_REASON))
        }
        Err(_) => format!("the status `{status}`"),
    }
}

/// An error and what it comes from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    shown(&text)
}
