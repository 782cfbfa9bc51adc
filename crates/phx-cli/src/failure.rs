//! Errors that end a command, and their exit codes.

use std::io;
use std::process::ExitCode;

use phx_tokio::{
    CallError, CloseCause, ConnectCause, ConnectError, Escaped, JoinCause, JoinError, LeaveError,
    PingError, PushCause, PushError, Reply, Socket, Status, TlsCauseKind,
};

use crate::interrupt::Signal;
use crate::terminal::{self, shown};

/// Characters of a server's reason.
const MAX_REASON: usize = 120;

/// An error that ends a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error with its exit code and its text for the user.
    Error(Code, String),
    /// A signal interrupted the command before it was done.
    Interrupted(Signal),
    /// The reader closed the output: the program ends with success.
    OutputClosed,
}

/// The exit codes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The server replied with something else than ok.
    Rejected = 1,
    /// The command line, a file or the input can't be used.
    Usage,
    /// No connection.
    Connect,
    /// The server rejected a join.
    JoinRejected,
    /// No answer came in time.
    TimedOut,
    /// Anything else, such as the end of the connection.
    Failed,
    /// The server did what it was asked, and a threshold of `phx bench` wasn't met.
    ThresholdMissed,
    /// A replay gave other outputs than the recorded ones.
    OutputsDiffer,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure::Error(Code::Usage, text.into())
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Failure::Error(Code::Failed, text.into())
    }

    pub(crate) fn timed_out(text: impl Into<String>) -> Self {
        Failure::Error(Code::TimedOut, text.into())
    }

    /// Returns the failure of a connection that ended and won't be reopened.
    pub(crate) fn ended() -> Self {
        Failure::failed("the connection has ended")
    }

    /// A reply with an unexpected status.
    pub(crate) fn replied(topic: &str, event: &str, reply: &Reply) -> Self {
        let what = format!("push of `{}` to `{}`", shown(event), shown(topic));
        let status = &reply.status;
        // The rest of a response is left out: it may be a secret, and errors end up in logs.
        let reason = reply.response.reason();
        let reason = reason.map(|reason| format!(": {}", Escaped::short(&reason, MAX_REASON)));
        let text =
            format!("{what}: the reply has the status `{status}`{}", reason.unwrap_or_default());
        Failure::Error(Code::Rejected, text)
    }

    pub(crate) fn ping(socket: &Socket, failed: &PingError) -> Self {
        // A ping without an answer in time fails alone.
        if *failed == PingError::Disconnected && socket.is_connected() {
            return Failure::timed_out("the ping failed: no answer came in time");
        }
        Failure::failed(format!("the ping failed: {failed}"))
    }

    /// The text for the user, if there is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Failure::Error(_, text) => Some(text),
            Failure::Interrupted(_) | Failure::OutputClosed => None,
        }
    }

    /// Prefixes the text with the place where it happened.
    pub(crate) fn at(self, place: &str) -> Self {
        match self {
            Failure::Error(code, text) => Failure::Error(code, format!("{place}: {text}")),
            other => other,
        }
    }

    /// Prints the failure on standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Error(code, text) => {
                terminal::error(text);
                *code as u8
            }
            Failure::Interrupted(signal) => signal.exit_code(),
            Failure::OutputClosed => 0,
        })
    }
}

impl From<ConnectError> for Failure {
    fn from(failed: ConnectError) -> Self {
        let cause = match &failed.cause {
            ConnectCause::Endpoint(_) | ConnectCause::Config(_) => {
                return Failure::usage(chain(&failed));
            }
            ConnectCause::Closed(cause) => Some(cause),
            ConnectCause::TimedOut { last, .. } => last.as_ref(),
            _ => None,
        };
        let mut text = shown(&failed.to_string());
        if let Some(CloseCause::UpgradeRejected(refusal)) = cause {
            let body = String::from_utf8_lossy(&refusal.body);
            let first: String = body.trim().lines().next().unwrap_or_default().into();
            if !first.is_empty() && !first.starts_with('<') {
                text.push_str(&format!(": {}", terminal::shortened(&shown(&first), 200)));
            }
        }
        text.push_str(cause.map_or("", hint));
        Failure::Error(Code::Connect, text)
    }
}

impl From<JoinError> for Failure {
    fn from(failed: JoinError) -> Self {
        let code = match &failed.cause {
            JoinCause::Rejected { .. } | JoinCause::ReplyDropped { .. } => Code::JoinRejected,
            JoinCause::TimedOut | JoinCause::Crashed => Code::TimedOut,
            JoinCause::Params(_) | JoinCause::InvalidState(_) => Code::Usage,
            _ => Code::Failed,
        };
        Failure::Error(code, chain(&failed))
    }
}

impl From<LeaveError> for Failure {
    fn from(failed: LeaveError) -> Self {
        Failure::timed_out(chain(&failed))
    }
}

impl From<PushError> for Failure {
    fn from(failed: PushError) -> Self {
        let code = match &failed.cause {
            PushCause::Rejected { .. } => Code::Rejected,
            PushCause::ReplyDropped { status, .. } if *status != Status::Ok => Code::Rejected,
            PushCause::TimedOut | PushCause::NotSent => Code::TimedOut,
            // Such as bytes with V1: the server isn't involved.
            PushCause::InvalidState(error) if is_unusable(error) => Code::Usage,
            _ => Code::Failed,
        };
        Failure::Error(code, chain(&failed))
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
            _ => Failure::failed(format!("can't write the output: {error}")),
        }
    }
}

/// A hint for the user about a connection that didn't open, as another line; empty if there is none.
fn hint(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::UpgradeRejected(refusal) => match refusal.status {
            403 => "\n  does the server want an Origin? `-H 'Origin: https://..'` sends one",
            _ => "",
        },
        CloseCause::Proxy(_) => {
            "\n  it is the proxy of `--proxy`, or of `http_proxy`, `https_proxy` or `all_proxy`; `--noproxy '*'` goes \
             without"
        }
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

/// Returns whether such a push can't succeed at any time with any server.
fn is_unusable(reason: &CallError) -> bool {
    use CallError::{EmptyEvent, Encode, ReservedEvent};
    matches!(reason, Encode(_) | EmptyEvent | ReservedEvent)
}

/// The text of an error and of its sources.
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
