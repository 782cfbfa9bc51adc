//! A body gathered within a limit, and inflated on the way.

use std::io::{self, Write};
use std::pin::pin;

#[cfg(feature = "http")]
use flate2::write::GzDecoder;
use futures::AsyncRead;
use futures::future::select;
use phx_proto::Bytes;

use super::{Body, Head, HeadError, reserve_within};
use crate::runtime::BoxFuture;
use crate::turn::Turn;

/// Reads the beginning of a refusal's body, up to `max` bytes and until `time_is_up`: the status is known, so whatever
/// ends it, the bytes kept until then stay.
pub(crate) async fn beginning<S: AsyncRead + Unpin>(
    body: &mut Body<'_, S>,
    head: &Head,
    max: usize,
    turn: &Turn,
    time_is_up: BoxFuture<()>,
) -> Bytes {
    let mut kept = Kept::new(head, max).unwrap_or_else(|| Kept::Plain(Bounded::new(max)));
    select(pin!(gather(body, &mut kept, turn)), time_is_up).await;
    kept.bounded().take()
}

/// Error of a body that isn't taken.
#[cfg(feature = "http")]
pub(super) enum Untaken {
    TooLong,
    Gzip,
    Encoding,
    Stream(HeadError),
}

/// Reads a whole body of at most `max` bytes.
#[cfg(feature = "http")]
pub(super) async fn whole<S: AsyncRead + Unpin>(
    body: &mut Body<'_, S>,
    head: &Head,
    max: usize,
    turn: &Turn,
) -> Result<Bytes, Untaken> {
    let mut kept = Kept::new(head, max).ok_or(Untaken::Encoding)?;
    if body.declared().is_some_and(|bytes| bytes > max as u64) {
        return Err(Untaken::TooLong);
    }
    gather(body, &mut kept, turn).await.map_err(|error| match error {
        Some(error) => Untaken::Stream(error),
        None if kept.bounded().is_full => Untaken::TooLong,
        None => Untaken::Gzip,
    })?;
    if let Kept::Gzip(decoder) = &mut kept {
        decoder.try_finish().map_err(|_| Untaken::Gzip)?;
    }
    Ok(kept.bounded().take())
}

/// Keeps the pieces of a body. The error is the stream's; `None` if a piece can't be kept.
async fn gather<S: AsyncRead + Unpin>(
    body: &mut Body<'_, S>,
    kept: &mut Kept,
    turn: &Turn,
) -> Result<(), Option<HeadError>> {
    while body.advance().await.map_err(Some)? {
        let mut piece = body.piece();
        while !piece.is_empty() {
            let before = kept.bounded().bytes.len();
            let count = kept.write(piece).map_err(|_| None)?;
            piece = piece.get(count..).filter(|_| count > 0).ok_or(None)?;
            if matches!(kept, Kept::Plain(_)) {
                continue;
            }
            // A thousand times as many bytes may come out as went in.
            turn.spend(kept.bounded().bytes.len() - before);
            turn.wait_to_read().await;
        }
    }
    Ok(())
}

enum Kept {
    Plain(Bounded),
    #[cfg(feature = "http")]
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Kept {
    /// `None` for an encoding that wasn't offered.
    fn new(head: &Head, max: usize) -> Option<Self> {
        let bounded = Bounded::new(max);
        let mut encodings = head.values("Content-Encoding");
        match (encodings.next().map(str::to_ascii_lowercase).as_deref(), encodings.next()) {
            (None | Some("identity"), None) => Some(Kept::Plain(bounded)),
            #[cfg(feature = "http")]
            (Some("gzip"), None) => Some(Kept::Gzip(Box::new(GzDecoder::new(bounded)))),
            _ => None,
        }
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Kept::Plain(bounded) => bounded.write(data),
            #[cfg(feature = "http")]
            Kept::Gzip(decoder) => decoder.write(data),
        }
    }

    fn bounded(&mut self) -> &mut Bounded {
        match self {
            Kept::Plain(bounded) => bounded,
            #[cfg(feature = "http")]
            Kept::Gzip(decoder) => decoder.get_mut(),
        }
    }
}

/// Bytes up to a limit, and an error for the first one above it.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
    is_full: bool,
}

impl Bounded {
    fn new(max: usize) -> Self {
        Bounded { bytes: Vec::new(), max, is_full: false }
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = self.max.saturating_sub(self.bytes.len());
        let fitting = data.get(..room).unwrap_or(data);
        reserve_within(&mut self.bytes, fitting.len(), self.max);
        self.bytes.extend_from_slice(fitting);
        self.is_full = fitting.len() < data.len();
        if self.is_full { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, feature = "http"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::task::{Context, Waker};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::FutureExt;

    use super::*;
    use crate::http::receive_head;

    /// A thousand times as many bytes come out as went in, and other tasks run in between.
    #[test]
    fn a_turn_inflates_so_much() {
        let zeros = vec![0; 8 << 20];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&zeros).unwrap();
        let zipped = encoder.finish().unwrap();
        assert!(zipped.len() < 16 << 10);
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n";
        let said = [head, &zipped[..]].concat();
        let mut stream = &said[..];
        let (head, rest) = receive_head(&mut stream).now_or_never().unwrap().unwrap();
        let mut body = Body::new(&mut stream, &head, rest).unwrap();
        let turn = Turn::new();
        let inflating = pin!(whole(&mut body, &head, zeros.len(), &turn));
        let mut inflating = pin!(turn.run(inflating));
        let mut polls = 1;
        let inflated = loop {
            match inflating.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                std::task::Poll::Ready(inflated) => break inflated,
                std::task::Poll::Pending => polls += 1,
            }
        };
        assert!(inflated.is_ok_and(|bytes| bytes == zeros));
        // At most 96 KiB in each.
        assert!(polls > (8 << 20) / (96 << 10), "{polls}");
    }
}
