//! Heads of HTTP answers, read from a stream: a server's to an upgrade, a proxy's to a CONNECT.

use std::io;

use futures::{AsyncRead, AsyncReadExt};
use httparse::Status;

/// Bytes that the head of an answer may have; servers keep to 8 or 16 KiB themselves.
const MAX_HEAD: usize = 32 << 10;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 128;

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The stream failed.
    Io(io::Error),
    /// The stream ended before the end of the head.
    Ended,
    /// What came is no head, or one beyond the limits: what is wrong, as in "the answer ..".
    Malformed(&'static str),
}

/// The head of an HTTP answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of all headers of this name that are text.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok().map(str::trim))
    }

    /// Whether a list of tokens names this one.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|list| list.split(','))
            .any(|given| given.trim().eq_ignore_ascii_case(token))
    }
}

/// Reads up to the end of the head of the final answer, and whatever came together with it.
pub(crate) async fn receive_head<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Head, Vec<u8>), HeadError> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.map_err(HeadError::Io)?;
        let Some(new) = chunk.get(..count).filter(|new| !new.is_empty()) else {
            return Err(HeadError::Ended);
        };
        received.extend_from_slice(new);
        // A head ends with a line, and no more lines than headers are taken: so a server that sends
        // single bytes can't make this quadratic.
        if new.contains(&b'\n') {
            while let Some((head, len)) = parse_head(&received)? {
                let rest = received.split_off(len);
                // Informational answers (100 to 199 but for 101) precede the final one.
                if head.status == 101 || !(100..200).contains(&head.status) {
                    return Ok((head, rest));
                }
                received = rest;
            }
        }
        if received.len() > MAX_HEAD {
            return Err(HeadError::Malformed("has too long a head"));
        }
    }
}

/// The head at the beginning of `bytes` and its length, if all of it is there.
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
            Ok(response.code.map(|status| (Head { status, headers }, len)))
        }
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::Malformed("has too many headers")),
        Err(_) => Err(HeadError::Malformed("is not HTTP")),
    }
}
