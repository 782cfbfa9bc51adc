//! The server's refusal of an upgrade: `Retry-After` and the beginning of the body.

use std::io;
use std::time::SystemTime;

use futures::future;
use futures::{AsyncRead, AsyncReadExt};
use httparse::Status;
use phx_proto::UpgradeRejection;
use phx_tungstenite::retry_after;

use super::WebSocketConfig;
use crate::http::Head;
use crate::runtime::Runtime;
use crate::turn::Metered;

/// A chunk's size, its extensions and the line's end have to fit.
const MAX_CHUNK_LINE: usize = 256;

/// Reads the body within the limits. The status is known, so no later failure changes it.
pub(super) async fn receive<S: AsyncRead + Unpin>(
    stream: Metered<S>,
    head: &Head,
    leftover: Vec<u8>,
    config: &WebSocketConfig,
    runtime: &dyn Runtime,
) -> UpgradeRejection {
    let mut body =
        Body { stream, buffered: leftover, kept: Vec::new(), max: config.max_refusal_body };
    {
        let read = std::pin::pin!(body.read(Length::of(head)));
        let timer = runtime.timer(runtime.now() + config.refusal_timeout);
        future::select(read, timer).await;
    }
    let wait = head
        .values("Retry-After")
        .next()
        .and_then(|value| retry_after(value, head.values("Date").next(), SystemTime::now()));
    UpgradeRejection::new(head.status)
        .with_retry_after(wait)
        .with_headers(head.response_headers())
        .with_body(body.kept)
}

/// Framing of the body (RFC 9112, section 6.3).
enum Length {
    Bytes(u64),
    Chunked,
    UntilEnd,
}

impl Length {
    fn of(head: &Head) -> Self {
        if matches!(head.status, 204 | 304) {
            Length::Bytes(0)
        } else if head.has_token("Transfer-Encoding", "chunked") {
            Length::Chunked
        } else {
            let bytes = head.values("Content-Length").find_map(|value| value.parse().ok());
            bytes.map_or(Length::UntilEnd, Length::Bytes)
        }
    }
}

struct Body<S> {
    stream: Metered<S>,
    /// Read from the stream and not looked at yet.
    buffered: Vec<u8>,
    kept: Vec<u8>,
    max: usize,
}

impl<S: AsyncRead + Unpin> Body<S> {
    /// An error ends the body; what was kept stays.
    async fn read(&mut self, length: Length) -> io::Result<()> {
        match length {
            Length::Bytes(bytes) => self.keep(bytes).await,
            Length::UntilEnd => self.keep(u64::MAX).await,
            Length::Chunked => {
                while self.kept.len() < self.max {
                    let size = self.chunk_size().await?;
                    if size == 0 {
                        break;
                    }
                    self.keep(size).await?;
                    self.skip_line_end().await?;
                }
                Ok(())
            }
        }
    }

    /// Keeps the next `bytes`, up to the limit.
    async fn keep(&mut self, bytes: u64) -> io::Result<()> {
        let room = self.max.saturating_sub(self.kept.len());
        let mut wanted = usize::try_from(bytes).map_or(room, |bytes| bytes.min(room));
        while wanted > 0 {
            if self.buffered.is_empty() {
                self.fill().await?;
            }
            let count = wanted.min(self.buffered.len());
            self.make_room(count);
            self.kept.extend(self.buffered.drain(..count));
            wanted -= count;
        }
        Ok(())
    }

    /// Reserves memory for `count` bytes within the limit, and never for more than the limit.
    fn make_room(&mut self, count: usize) {
        let needed = self.kept.len().saturating_add(count);
        if needed > self.kept.capacity() {
            let doubled = self.kept.capacity().saturating_mul(2).min(self.max).max(needed);
            self.kept.reserve_exact(doubled.saturating_sub(self.kept.len()));
        }
    }

    /// The size of the next chunk; zero for the last one.
    async fn chunk_size(&mut self) -> io::Result<u64> {
        loop {
            let line = self.buffered.get(..MAX_CHUNK_LINE).unwrap_or(&self.buffered);
            match httparse::parse_chunk_size(line) {
                Ok(Status::Complete((len, size))) => {
                    self.buffered.drain(..len);
                    return Ok(size);
                }
                Ok(Status::Partial) if line.len() < MAX_CHUNK_LINE => self.fill().await?,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    /// The line that a chunk's data ends.
    async fn skip_line_end(&mut self) -> io::Result<()> {
        while self.buffered.len() < 2 {
            self.fill().await?;
        }
        self.buffered.drain(..2);
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).await?;
        match chunk.get(..count) {
            Some(new) if !new.is_empty() => self.buffered.extend_from_slice(new),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::turn::Turn;

    /// A server whose chunk never begins: without a limit this would never end.
    #[test]
    fn the_line_of_a_chunk_is_bounded() {
        let stream = Turn::new().metered(futures::io::repeat(b'x'));
        let mut body = Body { stream, buffered: b"1;".to_vec(), kept: Vec::new(), max: 1_000 };
        let read = body.read(Length::Chunked).now_or_never();
        assert!(matches!(read, Some(Err(_))), "{read:?}");
        assert!(body.buffered.len() <= MAX_CHUNK_LINE + 4_096);
    }
}
