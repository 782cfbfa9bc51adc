//! The body of an HTTP answer (RFC 9112, sections 6 and 7), read from a stream piece by piece.

use futures::AsyncRead;
use httparse::Status;

use super::{Head, HeadError, read_more};

/// Bytes of a line in a chunked body: a chunk's size with its extensions, or a trailer.
const MAX_LINE: usize = 256;

/// Lines of trailers, which have no meaning here.
const MAX_TRAILERS: u32 = 64;

/// A body on its way. Memory: the bytes of one read, and a line.
pub(crate) struct Body<'s, S> {
    stream: &'s mut S,
    /// Read from the stream. The bytes before `next` were taken.
    buffered: Vec<u8>,
    next: usize,
    /// Length of the piece, which ends at `next`.
    piece: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The body, or the rest of it, has this many bytes.
    Sized(u64),
    UntilEnd,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers(u32),
    /// Whole, and the stream has ended.
    Ended,
}

impl<'s, S: AsyncRead + Unpin> Body<'s, S> {
    /// The body behind `head`; `buffered` came together with that.
    ///
    /// # Errors
    ///
    /// [`HeadError::Malformed`] if the head gives no length that all readers would agree on.
    pub(crate) fn new(
        stream: &'s mut S,
        head: &Head,
        buffered: Vec<u8>,
    ) -> Result<Self, HeadError> {
        Ok(Body { stream, buffered, next: 0, piece: 0, state: framing(head)? })
    }

    /// The length that the head declares.
    #[cfg(feature = "http")]
    pub(crate) fn declared(&self) -> Option<u64> {
        match self.state {
            State::Sized(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The piece that [`advance`](Self::advance) has read.
    pub(crate) fn piece(&self) -> &[u8] {
        self.buffered.get(self.next - self.piece..self.next).unwrap_or_default()
    }

    /// Reads the next piece. Returns false at the body's end.
    pub(crate) async fn advance(&mut self) -> Result<bool, HeadError> {
        self.piece = 0;
        loop {
            self.state = match self.state {
                State::Sized(0) | State::Trailers(0) | State::Ended => return Ok(false),
                State::Chunk(0) => State::ChunkEnd,
                State::Sized(bytes) => {
                    self.state = State::Sized(bytes - self.take(bytes).await?);
                    return Ok(true);
                }
                State::Chunk(bytes) => {
                    self.state = State::Chunk(bytes - self.take(bytes).await?);
                    return Ok(true);
                }
                State::UntilEnd => match self.take(u64::MAX).await {
                    Ok(_) => return Ok(true),
                    Err(HeadError::Ended) => State::Ended,
                    Err(error) => return Err(error),
                },
                State::ChunkSize => match httparse::parse_chunk_size(self.line().await?) {
                    Ok(Status::Complete((_, 0))) => State::Trailers(MAX_TRAILERS),
                    Ok(Status::Complete((_, bytes))) => State::Chunk(bytes),
                    _ => return Err(HeadError::Malformed("has a chunk without a size")),
                },
                State::ChunkEnd => match self.line().await? {
                    b"\r\n" => State::ChunkSize,
                    _ => {
                        return Err(HeadError::Malformed(
                            "has a chunk that is longer than its size",
                        ));
                    }
                },
                State::Trailers(left) => match (self.line().await?, left - 1) {
                    (b"\r\n" | b"\n", _) => State::Trailers(0),
                    (_, 0) => return Err(HeadError::Malformed("has too many trailers")),
                    (_, left) => State::Trailers(left),
                },
            }
        }
    }

    /// Returns true if another answer can follow: the body was read to its end, and nothing came behind it.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn is_followed(&self) -> bool {
        matches!(self.state, State::Sized(0) | State::Trailers(0)) && self.rest().is_empty()
    }

    fn rest(&self) -> &[u8] {
        self.buffered.get(self.next..).unwrap_or_default()
    }

    /// Takes a piece of at most `max` bytes and at least one, and returns its length.
    async fn take(&mut self, max: u64) -> Result<u64, HeadError> {
        if self.rest().is_empty() {
            self.fill().await?;
        }
        self.piece = usize::try_from(max).unwrap_or(usize::MAX).min(self.rest().len());
        self.next += self.piece;
        Ok(self.piece as u64)
    }

    /// Takes a line, with its end.
    async fn line(&mut self) -> Result<&[u8], HeadError> {
        let len = loop {
            let rest = self.rest();
            let start = rest.get(..MAX_LINE).unwrap_or(rest);
            if let Some(end) = start.iter().position(|byte| *byte == b'\n') {
                break end + 1;
            }
            if start.len() == MAX_LINE {
                return Err(HeadError::Malformed("has too long a line around a chunk"));
            }
            self.fill().await?;
        };
        self.next += len;
        Ok(self.buffered.get(self.next - len..self.next).unwrap_or_default())
    }

    async fn fill(&mut self) -> Result<(), HeadError> {
        self.buffered.drain(..self.next);
        self.next = 0;
        match read_more(self.stream, &mut self.buffered).await {
            Ok(0) => Err(HeadError::Ended),
            Ok(_) => Ok(()),
            Err(error) => Err(HeadError::Io(error)),
        }
    }
}

/// The framing of the body (RFC 9112, section 6.3).
fn framing(head: &Head) -> Result<State, HeadError> {
    if matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(State::Sized(0));
    }
    let mut codings = head.values("Transfer-Encoding").flat_map(|list| list.split(','));
    if let Some(first) = codings.next() {
        let is_chunked = first.trim().eq_ignore_ascii_case("chunked");
        return match codings.next() {
            None if is_chunked && !head.is_http_1_0 => Ok(State::ChunkSize),
            _ => Err(HeadError::Malformed("has a transfer encoding that the client didn't offer")),
        };
    }
    let mut lengths = head.values("Content-Length").flat_map(|list| list.split(',')).map(str::trim);
    let Some(first) = lengths.next() else {
        return Ok(State::UntilEnd);
    };
    let is_number = first.bytes().all(|byte| byte.is_ascii_digit());
    match first.parse() {
        Ok(bytes) if is_number && lengths.all(|other| other == first) => Ok(State::Sized(bytes)),
        _ => Err(HeadError::Malformed("has no Content-Length that makes sense")),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::http::{MAX_READ, receive_head};

    /// The body of this answer; `None` if it isn't one. What is buffered stays small.
    fn read(said: &str) -> Option<(String, bool)> {
        let mut stream = said.as_bytes();
        let (head, rest) = receive_head(&mut stream).now_or_never().unwrap().ok()?;
        let mut body = Body::new(&mut stream, &head, rest).ok()?;
        let mut pieces = Vec::new();
        while body.advance().now_or_never().unwrap().ok()? {
            pieces.extend_from_slice(body.piece());
            assert!(body.buffered.len() <= MAX_LINE + MAX_READ);
        }
        Some((String::from_utf8(pieces).unwrap(), body.is_followed()))
    }

    /// A server whose chunk never begins: without a limit this would never end.
    #[test]
    fn the_line_of_a_chunk_is_bounded() {
        for start in ["1;", "0\r\n", "1\r\nx"] {
            let mut stream = futures::io::repeat(b'x');
            let buffered = start.into();
            let mut body =
                Body { stream: &mut stream, buffered, next: 0, piece: 0, state: State::ChunkSize };
            let mut read = body.advance().now_or_never();
            if start.len() > 3 {
                assert!(matches!(read, Some(Ok(true))), "{read:?}");
                read = body.advance().now_or_never();
            }
            assert!(matches!(read, Some(Err(HeadError::Malformed(_)))), "{read:?}");
            assert!(body.buffered.len() <= MAX_LINE + MAX_READ);
        }
    }

    #[test]
    fn trailers_are_bounded() {
        let said = |count| {
            let trailers = "a: b\r\n".repeat(count);
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{trailers}\r\n")
        };
        assert_eq!(read(&said(63)), Some((String::new(), true)));
        assert_eq!(read(&said(64)), None);
    }

    #[test]
    fn bodies_are_framed_as_their_heads_say() {
        let chunks = "4;a=b\r\nbody\r\n0\r\n\r\n";
        for (head, body, is_followed) in [
            ("200 OK\r\ncontent-length: 4", "body", Some(true)),
            ("200 OK\r\ncontent-length: 4, 4\r\ncontent-length: 4", "body", Some(true)),
            ("200 OK\r\ncontent-length: 4", "bodyHTTP/1.1", Some(false)),
            ("200 OK", "body", Some(false)),
            ("200 OK\r\ntransfer-encoding: Chunked", chunks, Some(true)),
            ("200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked", chunks, Some(true)),
            ("200 OK\r\ncontent-length: 5", "body", None),
            ("200 OK\r\ncontent-length: 4\r\ncontent-length: 5", "bodyx", None),
            ("200 OK\r\ncontent-length: +4", "body", None),
            ("200 OK\r\ncontent-length: -4", "body", None),
            ("200 OK\r\ncontent-length: 99999999999999999999", "body", None),
            ("200 OK\r\ncontent-length:", "body", None),
            ("200 OK\r\ntransfer-encoding: gzip, chunked", chunks, None),
            ("200 OK\r\ntransfer-encoding: chunked", "4\r\nbodyx\r\n0\r\n\r\n", None),
            ("200 OK\r\ntransfer-encoding: chunked", "4\r\nbody\r\n", None),
            ("200 OK\r\ntransfer-encoding: chunked", "fffffffffffffffff\r\nbody", None),
            ("200 OK\r\ntransfer-encoding: chunked", "\r\nbody", None),
        ] {
            let said = format!("HTTP/1.1 {head}\r\n\r\n{body}");
            let expected = is_followed.map(|is_followed| ("body".to_owned(), is_followed));
            assert_eq!(read(&said), expected, "{said}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(&format!("{old}{chunks}")), None);
        for bodiless in ["204 No Content", "304 Not Modified\r\ncontent-length: 4"] {
            let said = format!("HTTP/1.1 {bodiless}\r\n\r\n");
            assert_eq!(read(&said), Some((String::new(), true)));
        }
    }
}
