//! HTTP/1.1, as far as an upgrade, a CONNECT and long-poll share it: heads and bodies of answers, and failures.
//!
//! httparse reads heads and the sizes of chunks. Around it stands our own reader, since the libraries for whole exchanges
//! don't fit: hyper keeps 25 KiB for each connection that waits, and `ureq-proto` writes all it sends and receives, with
//! the tokens in it, to the `log` facade.

mod body;
#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
mod exchange;
mod gather;
mod head;
mod request;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::AsyncRead;
use phx_proto::{CloseCause, Request};
use phx_tungstenite::io_cause;

pub(crate) use body::Body;
#[cfg(feature = "http")]
pub use client::{HttpAnswer, HttpClient, HttpError, HttpRequest};
#[cfg(feature = "longpoll")]
pub(crate) use exchange::{Answer, Exchanged};
#[cfg(feature = "http")]
pub(crate) use exchange::{Connection, Limits, Message};
pub(crate) use gather::beginning;
pub(crate) use head::{Head, HeadError, receive_head};
pub(crate) use request::request_head;

/// Some web firewalls refuse requests without such a `User-Agent`.
pub(crate) const USER_AGENT: &str = concat!("phx/", env!("CARGO_PKG_VERSION"));

/// Bytes that are read at a time, and those of the first read of an answer.
const MAX_READ: usize = 8 << 10;
const FIRST_READ: usize = 1 << 10;

/// A stream to the server that failed.
pub(crate) fn stream_failed(error: &io::Error) -> CloseCause {
    #[cfg(feature = "tls")]
    if let Some(cause) = crate::tls::failure(error) {
        return cause;
    }
    io_cause(error)
}

/// A stream that ended, when nothing more is known.
pub(crate) fn ended() -> CloseCause {
    io_cause(&io::ErrorKind::UnexpectedEof.into())
}

/// The `Host` of a request: the port is absent if it is the scheme's default, as in browsers.
pub(crate) fn host_and_port(request: &Request) -> String {
    let host = request.url().host_str().unwrap_or_default();
    match request.url().port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Reserves memory for `count` bytes more within a limit, and never for more than the limit.
pub(crate) fn reserve_within(bytes: &mut Vec<u8>, count: usize, max: usize) {
    let needed = bytes.len().saturating_add(count);
    if needed > bytes.capacity() {
        let doubled = bytes.capacity().saturating_mul(2).min(max).max(needed);
        bytes.reserve_exact(doubled.saturating_sub(bytes.len()));
    }
}

/// Appends the bytes of one read, and returns their number: zero at the stream's end.
///
/// They pass through the stack, so that a connection that waits keeps no buffer.
async fn read_more<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> io::Result<usize> {
    // Each poll clears its chunk, and most polls find nothing: only once an answer comes is it worth a large one.
    if bytes.capacity() < FIRST_READ {
        poll_fn(|cx| poll_chunk::<_, FIRST_READ>(&mut *stream, bytes, cx)).await
    } else {
        poll_fn(|cx| poll_chunk::<_, MAX_READ>(&mut *stream, bytes, cx)).await
    }
}

fn poll_chunk<S: AsyncRead + Unpin, const SIZE: usize>(
    stream: &mut S,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut chunk = [0; SIZE];
    let count = ready!(Pin::new(stream).poll_read(cx, &mut chunk))?;
    bytes.extend_from_slice(chunk.get(..count).ok_or(io::ErrorKind::InvalidData)?);
    Poll::Ready(Ok(count))
}
