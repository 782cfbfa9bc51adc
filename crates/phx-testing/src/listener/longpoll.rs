//! Long-poll over a connection: requests one behind the other, each answered before the next is read.

use std::io::{self, Write as _};
use std::sync::Arc;

use async_tungstenite::tungstenite::http::StatusCode;
use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::hub::{HttpLine, Hub, Idle, Line};
use super::patience::{PATIENCE, linger};
use super::upgrade::{self, Head, Length};
use crate::server::MAX_BODY;
use crate::{ExchangeId, HttpAnswer};

/// Bytes of later requests that are read while one waits for its answer.
const MAX_AHEAD: usize = 64 * 1024;
/// Largest length of the line before a chunk, and of the lines behind the last: they are parsed again with each read.
const MAX_CHUNK_HEAD: usize = 1024;

/// A connection of a client that isn't known as a WebSocket's.
pub(super) struct Requests<'a> {
    stream: DuplexStream,
    buffer: BytesMut,
    hub: Arc<Hub>,
    line: &'a Line,
    known: HttpLine,
    idle: Idle,
    answered: u32,
}

/// What comes after an answer.
enum Next {
    Request,
    /// The connection ends behind the answer.
    End,
    /// It ends without an answer.
    Reset,
}

/// A request without its answer. The server notices any end of its task.
struct Asked<'a> {
    hub: &'a Hub,
    line: &'a HttpLine,
    exchange: ExchangeId,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.hub.exchange_ended(self.exchange, self.line);
    }
}

/// A body, and whether it has been read to its end.
struct Body {
    bytes: Bytes,
    whole: bool,
}

impl<'a> Requests<'a> {
    pub(super) fn new(stream: DuplexStream, hub: Arc<Hub>, line: &'a Line) -> Self {
        let (known, idle) = (HttpLine::new(&hub, line), hub.idle());
        Requests { stream, buffer: BytesMut::new(), hub, line, known, idle, answered: 0 }
    }

    /// Answers the requests of long-poll and of the application; returns the first one of another kind, which is that of
    /// an upgrade, or `None` at the end of the connection.
    pub(super) async fn serve(&mut self) -> io::Result<Option<Head>> {
        loop {
            let Some(head) = self.next_head().await? else { return Ok(None) };
            if !self.hub.takes_requests(head.path()) {
                return Ok(Some(head));
            }
            match self.answer(&head).await? {
                Next::Request => self.answered = self.answered.saturating_add(1),
                Next::End => {
                    self.stream.shutdown().await?;
                    return Ok(None);
                }
                Next::Reset => {
                    self.line.send_modify(|faults| faults.reset_at_end = true);
                    return Ok(None);
                }
            }
        }
    }

    /// Returns the stream, and what has been read of it.
    pub(super) fn into_parts(self) -> (DuplexStream, BytesMut) {
        (self.stream, self.buffer)
    }

    async fn next_head(&mut self) -> io::Result<Option<Head>> {
        let patience = match self.answered {
            0 => PATIENCE,
            _ => self.hub.http_server().idle_timeout(),
        };
        let head = upgrade::read_head(&mut self.stream, &mut self.buffer);
        tokio::select! {
            biased;
            head = timeout(patience, head) => head.map_or(Ok(None), |head| head.map(Some)),
            () = self.idle.closed(), if self.answered > 0 => Ok(None),
        }
    }

    async fn answer(&mut self, head: &Head) -> io::Result<Next> {
        let body = match timeout(PATIENCE, self.read_body(head)).await {
            Ok(body) => body?,
            Err(_) => return Ok(Next::Reset),
        };
        let request = head.http_request(body.bytes);
        let (exchange, mut answer) = self.hub.request(request, &self.known);
        let asked = Asked { hub: &self.hub, line: &self.known, exchange };
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => match answer {
                    Ok(answer) => break answer,
                    // The listener stops, or a fault ends it.
                    Err(_) => return Ok(Next::Reset),
                },
                read = self.stream.read_buf(&mut self.buffer), if self.buffer.len() < MAX_AHEAD => {
                    if read? == 0 {
                        return Ok(Next::Reset);
                    }
                }
            }
        };
        drop(asked);
        let max_requests = self.hub.http_server().max_requests();
        let is_last = max_requests.is_some_and(|max| self.answered.saturating_add(1) >= max);
        // A command to close idle connections that comes once the client has its answer is for this one too.
        self.idle.starts();
        self.write(head, &answer, is_last || !body.whole).await?;
        let ends = is_last || !body.whole || answer.ends_connection() || head.closes();
        if !body.whole {
            linger(&mut self.stream).await;
        }
        Ok(if ends { Next::End } else { Next::Request })
    }

    async fn write(&mut self, head: &Head, answer: &HttpAnswer, closes: bool) -> io::Result<()> {
        let status = StatusCode::from_u16(answer.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let compresses = self.hub.http_server().compresses();
        let gzip = (compresses && head.accepts_gzip() && !answer.body().is_empty())
            .then(|| gzip(answer.body()));
        let body = gzip.as_deref().unwrap_or(answer.body());
        let mut text = format!(
            "HTTP/1.1 {} {}\r\ncontent-length: {}\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default(),
            body.len(),
        );
        if compresses {
            text.push_str("vary: accept-encoding\r\n");
        }
        if gzip.is_some() {
            text.push_str("content-encoding: gzip\r\n");
        }
        if closes {
            text.push_str("connection: close\r\n");
        }
        upgrade::push_headers(&mut text, answer.headers());
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if head.method() != "HEAD" {
            bytes.extend_from_slice(body);
        }
        match timeout(PATIENCE, self.stream.write_all(&bytes)).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Reads a body; of one that is over the limit, its first bytes.
    async fn read_body(&mut self, head: &Head) -> io::Result<Body> {
        let length = match head.body_length() {
            Some(Length::Bytes(length)) => Some(length),
            Some(Length::Chunks) => None,
            None => return Err(io::ErrorKind::InvalidData.into()),
        };
        if head.expects_continue() && length != Some(0) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = BytesMut::new();
        match length {
            Some(length) => {
                let whole = usize::try_from(length).is_ok_and(|length| length <= MAX_BODY);
                let wanted =
                    if whole { usize::try_from(length).unwrap_or(MAX_BODY) } else { MAX_BODY + 1 };
                self.read_part(&mut body, wanted).await?;
                Ok(Body { bytes: body.freeze(), whole })
            }
            None => loop {
                let size = self.read_chunk_head().await?;
                if size == 0 {
                    self.skip_trailers().await?;
                    return Ok(Body { bytes: body.freeze(), whole: true });
                }
                let room = (MAX_BODY + 1).saturating_sub(body.len());
                let part = usize::try_from(size).unwrap_or(usize::MAX).min(room);
                let wanted = body.len() + part;
                self.read_part(&mut body, wanted).await?;
                if body.len() > MAX_BODY {
                    return Ok(Body { bytes: body.freeze(), whole: false });
                }
                let mut end = BytesMut::new();
                self.read_part(&mut end, 2).await?;
            },
        }
    }

    /// Appends to `body` until it has this length.
    async fn read_part(&mut self, body: &mut BytesMut, length: usize) -> io::Result<()> {
        loop {
            let missing = length.saturating_sub(body.len());
            let part = self.buffer.split_to(missing.min(self.buffer.len()));
            body.extend_from_slice(&part);
            if body.len() >= length {
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    async fn read_chunk_head(&mut self) -> io::Result<u64> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.buffer.advance(length);
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < MAX_CHUNK_HEAD => {
                    self.read_more().await?;
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    async fn skip_trailers(&mut self) -> io::Result<()> {
        loop {
            let mut trailers = [httparse::EMPTY_HEADER; 16];
            match httparse::parse_headers(&self.buffer, &mut trailers) {
                Ok(httparse::Status::Complete((length, _))) => {
                    self.buffer.advance(length);
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < MAX_CHUNK_HEAD => {
                    self.read_more().await?;
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Compresses a body.
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory doesn't fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
