//! Causes of a proxy that opened no tunnel.

use core::fmt;

/// The cause of a proxy that opened no tunnel to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyCause {
    /// It wants a user and a password, or others than it was given.
    NotAuthenticated,
    /// An HTTP proxy wants NTLM or Negotiate and doesn't offer Basic, which is what clients here can do.
    NtlmRequired,
    /// An HTTP proxy answered CONNECT with this status.
    #[non_exhaustive]
    HttpStatus {
        /// Anything but 2xx, 401 and 407: 403 where the server or its port isn't allowed, 502 or 504 where
        /// it can't be reached.
        status: u16,
    },
    /// A SOCKS5 proxy answered with this code (RFC 1928, section 6).
    #[non_exhaustive]
    SocksReply {
        /// From 1 to 8: 2 where the server isn't allowed, 3 to 5 where it can't be reached.
        code: u8,
    },
    /// It ended the connection before it had answered.
    Ended,
    /// Its answer isn't of the protocol, or is beyond a limit.
    Malformed,
}

impl ProxyCause {
    /// A CONNECT that was answered with this status.
    #[must_use]
    pub fn http_status(status: u16) -> Self {
        match status {
            // 401 is what tinyproxy says to a wrong password.
            401 | 407 => ProxyCause::NotAuthenticated,
            status => ProxyCause::HttpStatus { status },
        }
    }

    /// A request over SOCKS5 that was answered with this code.
    #[must_use]
    pub fn socks_reply(code: u8) -> Self {
        ProxyCause::SocksReply { code }
    }
}

impl fmt::Display for ProxyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self {
            ProxyCause::NotAuthenticated => "wants another user and password",
            ProxyCause::NtlmRequired => {
                "wants NTLM or Negotiate, which isn't supported: a local proxy such as cntlm can speak it"
            }
            ProxyCause::Ended => "ended the connection",
            ProxyCause::Malformed => "gave no proper answer",
            ProxyCause::HttpStatus { status } => {
                return write!(f, "answered with HTTP status {status}");
            }
            ProxyCause::SocksReply { code } => match code {
                1 => "failed",
                2 => "doesn't allow the connection",
                3 => "can't reach the server's network",
                4 => "can't reach the server",
                5 => "was refused the connection by the server",
                6 => "couldn't reach the server in time",
                7 => "can't open connections",
                8 => "can't handle this kind of address",
                code => return write!(f, "answered with the unknown code {code}"),
            },
        };
        f.write_str(meaning)
    }
}
