//! Ends of connections: close codes, and the causes of transports that closed or never opened.

use alloc::string::String;
use core::fmt;

use crate::Escaped;

mod compression;
mod long_poll;
mod proxy;
mod rejection;
mod response_headers;
mod tls;

pub use compression::CompressionCause;
pub use long_poll::{AnswerCause, ExchangeKind, LongPollCause};
pub use proxy::ProxyCause;
pub use rejection::UpgradeRejection;
pub use response_headers::ResponseHeaders;
pub use tls::{TlsCause, TlsCauseKind};

/// A WebSocket close code (RFC 6455, section 7.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: done. From the server it does not mean "stay away".
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: the server goes away; Phoenix sends it for a broadcast "disconnect".
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1005: the peer's close frame held no code. Never on the wire.
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// 1006: no close frame came. Never on the wire.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1009: a frame was over the peer's limit.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// 1011: the server couldn't make sense of a frame.
    pub const ERROR: CloseCode = CloseCode(1011);
    /// 1012: the server restarts; Phoenix sends it when it drains.
    pub const RESTART: CloseCode = CloseCode(1012);

    /// 123: the bytes that a close frame has for its reason (RFC 6455, section 5.5).
    pub const MAX_REASON: usize = 123;

    /// The code with this number.
    #[must_use]
    pub const fn from_u16(code: u16) -> Self {
        CloseCode(code)
    }

    /// The code's number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Returns `true` for codes that an application may send: 1000 and 3000 to 4999.
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        // The rule of browsers: the other codes belong to the protocol (RFC 6455, section 7.4).
        matches!(self.0, 1000 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        CloseCode(code)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// The cause of a connection's end, or of an attempt to connect that failed.
///
/// `Display` shows the texts in it [`Escaped`]; the fields hold them as they came.
///
/// Drivers report the first group with [`Socket::handle_closed`](crate::Socket::handle_closed); the
/// socket itself adds the second.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer sent a close frame.
    #[non_exhaustive]
    Frame {
        /// Its code; [`CloseCode::NO_STATUS`] if it held none.
        code: CloseCode,
        /// Its reason; empty if it held none.
        reason: String,
    },
    /// An open connection ended or failed without a close frame (1006 in the browser's terms). The text is for people
    /// and must not hold secrets.
    #[non_exhaustive]
    Io {
        /// The text of the operating system or the library; may be empty.
        error: String,
    },
    /// An attempt to connect failed before there was a connection: no such host, connection refused. The text is
    /// for people and must not hold secrets. The socket reports the [`Io`](Self::Io) of a transport that never
    /// opened as this.
    #[non_exhaustive]
    ConnectFailed {
        /// The text of the operating system or the library; may be empty.
        error: String,
    },
    /// TLS failed: one side doesn't trust the other, or they don't understand each other.
    Tls(TlsCause),
    /// The server answered the WebSocket upgrade with something else.
    UpgradeRejected(UpgradeRejection),
    /// A proxy on the way to the server opened no tunnel. Not the server's answer: by default it is
    /// tried again, since proxies are configured and restarted while programs run.
    Proxy(ProxyCause),
    /// The server made a mistake with compression: in its answer to the upgrade, or in a message.
    Compression(CompressionCause),
    /// A long-poll session ended, or couldn't be used.
    LongPoll(LongPollCause),
    /// The request couldn't be made: the endpoint or the credentials of this attempt are unusable,
    /// or asking for them failed.
    #[non_exhaustive]
    InvalidRequest {
        /// The reason in words, without secrets.
        error: String,
    },

    /// [`Socket::disconnect`](crate::Socket::disconnect) was called.
    Disconnected,
    /// [`Socket::reconnect_now`](crate::Socket::reconnect_now) put another connection in its place.
    Replaced,
    /// The connection wasn't open within [`Config::connect_timeout`](crate::Config::connect_timeout).
    ConnectTimedOut,
    /// The heartbeat had no reply within
    /// [`Config::heartbeat_timeout`](crate::Config::heartbeat_timeout).
    HeartbeatTimedOut,
    /// The program didn't run for so long that the peer must have given the connection up: the
    /// machine slept, or the clock jumped. Or the driver has reported that the program
    /// [stops](crate::Lifecycle::Suspending), as a page does that its browser puts away.
    Suspended,

    /// The socket's driver has ended: the async runtime was shut down, the task was aborted, or it panicked. The core
    /// never says so; drivers do.
    Stopped,
}

impl CloseCause {
    /// A close frame from the peer.
    pub fn frame(code: CloseCode, reason: impl Into<String>) -> Self {
        CloseCause::Frame { code, reason: reason.into() }
    }

    /// An end of an open connection without a close frame.
    pub fn io(error: impl Into<String>) -> Self {
        CloseCause::Io { error: error.into() }
    }

    /// An attempt to connect that failed.
    pub fn connect_failed(error: impl Into<String>) -> Self {
        CloseCause::ConnectFailed { error: error.into() }
    }

    /// Returns the cause for a transport that never opened: `ConnectFailed` instead of `Io`.
    pub(crate) fn of_attempt(self) -> Self {
        match self {
            CloseCause::Io { error } => CloseCause::ConnectFailed { error },
            cause => cause,
        }
    }

    /// A TLS failure.
    pub fn tls(kind: TlsCauseKind, error: impl Into<String>) -> Self {
        CloseCause::Tls(TlsCause::new(kind, error))
    }

    /// A request that couldn't be made.
    pub fn invalid_request(error: impl Into<String>) -> Self {
        CloseCause::InvalidRequest { error: error.into() }
    }

    /// The close code in the browser's terms: that of the peer's close frame, 1000 after a
    /// disconnect, 1006 for everything else.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        match self {
            CloseCause::Frame { code, .. } => *code,
            CloseCause::Disconnected => CloseCode::NORMAL,
            _ => CloseCode::ABNORMAL,
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseCause::Frame { code, reason } if reason.is_empty() => {
                write!(f, "closed by the peer with code {code}")
            }
            CloseCause::Frame { code, reason } => {
                let reason = Escaped::new(reason);
                write!(f, "closed by the peer with code {code}: {reason}")
            }
            CloseCause::Io { error } if error.is_empty() => f.write_str("connection lost"),
            CloseCause::Io { error } => write!(f, "connection lost: {}", Escaped::new(error)),
            CloseCause::ConnectFailed { error } if error.is_empty() => f.write_str("can't connect"),
            CloseCause::ConnectFailed { error } => {
                write!(f, "can't connect: {}", Escaped::new(error))
            }
            CloseCause::Tls(failure) => write!(f, "TLS: {failure}"),
            CloseCause::UpgradeRejected(rejection) => rejection.fmt(f),
            CloseCause::Proxy(failure) => write!(f, "the proxy {failure}"),
            CloseCause::Compression(failure) => write!(f, "the server {failure}"),
            CloseCause::LongPoll(cause) => write!(f, "long-poll: {cause}"),
            CloseCause::InvalidRequest { error } => {
                write!(f, "the request can't be made: {}", Escaped::new(error))
            }
            CloseCause::Disconnected => f.write_str("disconnected"),
            CloseCause::Replaced => f.write_str("replaced by a new connection"),
            CloseCause::ConnectTimedOut => f.write_str("the connection took too long to open"),
            CloseCause::Suspended => f.write_str("the program was suspended"),
            CloseCause::Stopped => f.write_str("the socket's driver has ended"),
            CloseCause::HeartbeatTimedOut => f.write_str("the heartbeat had no reply in time"),
        }
    }
}
