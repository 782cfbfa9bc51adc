//! The head of an HTTP answer, read from a stream.

use std::io;
use std::time::{Duration, SystemTime};

use futures::AsyncRead;
use httparse::Status;
use phx_proto::{CloseCause, ResponseHeaders};
use phx_tungstenite::retry_after;

use super::{read_more, stream_failed};

/// Bytes that the head of an answer may have; servers keep to 8 or 16 KiB themselves.
const MAX_HEAD: usize = 32 << 10;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 128;

/// Interim answers (100 to 199 but for 101) that may come before the final one. Servers send one or
/// two: `Continue`, `Early Hints`.
const MAX_INTERIM: usize = 16;

/// Error of reading a head.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The stream failed.
    Io(io::Error),
    /// The stream ended before the end of the head.
    Ended,
    /// The bytes are no head, or one beyond the limits. Holds a description, as in "the answer ..".
    Malformed(&'static str),
    /// The bytes are a TLS alert.
    Tls,
}

impl HeadError {
    /// The failure as one of the server's.
    pub(crate) fn into_cause(self) -> CloseCause {
        match self {
            HeadError::Io(error) => stream_failed(&error),
            HeadError::Ended => CloseCause::io("the server ended the connection before its answer"),
            HeadError::Malformed(what) => CloseCause::io(format!("the server's answer {what}")),
            HeadError::Tls => CloseCause::io("the server speaks TLS at this port: is it `wss://`?"),
        }
    }
}

/// The head of an HTTP answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// True for HTTP/1.0, which has no upgrade; otherwise HTTP/1.1.
    pub(crate) is_http_1_0: bool,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of all headers of this name. One that isn't text is given as one that has no
    /// meaning, so that it isn't taken for absent.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| std::str::from_utf8(value).map_or("\u{fffd}", str::trim))
    }

    /// All headers, for the caller.
    pub(crate) fn response_headers(&self) -> ResponseHeaders {
        ResponseHeaders::new(self.headers.iter().map(|(name, value)| (name, value)))
    }

    /// Returns true if the server keeps the connection open behind the answer.
    #[cfg(feature = "http")]
    pub(crate) fn keeps_connection(&self) -> bool {
        match self.is_http_1_0 {
            true => self.has_token("Connection", "keep-alive"),
            false => !self.has_token("Connection", "close"),
        }
    }

    /// The time that a refusal asks the client to wait.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.values("Retry-After").next()?;
        retry_after(value, self.values("Date").next(), now)
    }

    /// Returns true if the list of tokens in header `name` contains `token`.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|list| list.split(','))
            .any(|given| given.trim().eq_ignore_ascii_case(token))
    }
}

/// Reads up to the end of the head of the final answer, and the bytes that arrived together with it. The result
/// doesn't depend on how the bytes are split into reads.
pub(crate) async fn receive_head<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Head, Vec<u8>), HeadError> {
    let mut received = Vec::new();
    let mut interim = 0;
    loop {
        let read = read_more(stream, &mut received).await;
        let count = read.map_err(|error| if_no_tls(&received, HeadError::Io(error)))?;
        if count == 0 {
            return Err(if_no_tls(&received, HeadError::Ended));
        }
        let new = received.get(received.len() - count..).unwrap_or_default();
        // A head ends with a line, and no more lines than headers are taken: so a server that sends
        // single bytes can't make this quadratic.
        if new.contains(&b'\n') {
            while let Some((head, len)) =
                parse_head(whole_lines(&received)).map_err(|error| if_no_tls(&received, error))?
            {
                let rest = received.split_off(len);
                if head.status == 101 || !(100..200).contains(&head.status) {
                    return Ok((head, rest));
                }
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(HeadError::Malformed("comes after too many interim ones"));
                }
                received = rest;
            }
        }
        if received.len() > MAX_HEAD {
            return Err(HeadError::Malformed("has too long a head"));
        }
    }
}

/// Returns the error, unless the bytes are a TLS alert (RFC 8446, section 5.1): a TLS server's answer to plain
/// HTTP.
fn if_no_tls(received: &[u8], error: HeadError) -> HeadError {
    match received {
        [21, 3, ..] => HeadError::Tls,
        _ => error,
    }
}

/// Returns the complete lines, up to the limit of a head.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.get(..MAX_HEAD).unwrap_or(bytes);
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    bytes.split_at(end).0
}

/// Returns the head at the beginning of `bytes` and its length, if it is complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(Status::Complete(len)) => {
            let headers = response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), header.value.to_owned()))
                .collect();
            let is_http_1_0 = response.version == Some(0);
            Ok(response.code.map(|status| (Head { status, is_http_1_0, headers }, len)))
        }
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::Malformed("has too many headers")),
        Err(_) => Err(HeadError::Malformed("is not HTTP")),
    }
}
