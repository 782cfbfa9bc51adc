//! Failures of TLS.

use alloc::string::String;
use core::fmt;

use crate::Escaped;

/// A failure of TLS, in kind and in words.
///
/// `Display` shows the words, [`Escaped`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsCause {
    /// The kind, for programs.
    pub kind: TlsCauseKind,
    /// The text for people, without secrets. It may hold names from the server's certificate.
    pub error: String,
}

/// The kind of a TLS failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsCauseKind {
    /// None of the trusted roots has signed the server's certificate.
    UnknownIssuer,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet; or the clock here is wrong.
    NotYetValid,
    /// The server's certificate has been revoked.
    Revoked,
    /// The server's certificate is not accepted for another reason.
    BadCertificate,
    /// The server demands a client certificate, and none was given.
    ClientCertificateRequired,
    /// The server doesn't accept the client certificate that was given.
    ClientCertificateRefused,
    /// The server ended the handshake with an alert of another kind.
    Refused,
    /// The server speaks no TLS, or none that is understood.
    Protocol,
    /// The connection ended during the handshake.
    Ended,
    /// Something else, which the text names.
    Other,
}

impl TlsCause {
    /// A failure of this kind, with words that hold no secrets.
    #[must_use]
    pub fn new(kind: TlsCauseKind, error: impl Into<String>) -> Self {
        TlsCause { kind, error: error.into() }
    }
}

impl fmt::Display for TlsCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(&self.error).fmt(f)
    }
}
