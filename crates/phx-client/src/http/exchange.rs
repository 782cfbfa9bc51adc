//! One HTTP/1.1 connection and the exchanges on it, one at a time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use phx_proto::longpoll::Unanswered;
use phx_proto::{Bytes, CloseCause};

use super::gather::{Untaken, beginning, whole};
use super::{Body, Head, HeadError, receive_head};
use crate::dial::ByteStream;
use crate::runtime::Runtime;
use crate::turn::{Metered, Turn};

/// A request: its head, and its body.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Bytes,
}

/// Limits of answers.
pub(crate) struct Limits {
    pub(crate) max_body: usize,
    /// The cause of a larger one.
    pub(crate) too_long: fn(usize) -> CloseCause,
    /// For a body whose HTTP status isn't 2xx: its beginning is shown to people.
    pub(crate) max_refusal_body: usize,
    pub(crate) refusal_timeout: Duration,
    pub(crate) runtime: Arc<dyn Runtime>,
}

/// The whole answer to a request.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

/// The end of an exchange, and the connection if another exchange may follow on it.
pub(crate) type Exchanged = (Result<Answer, Unanswered>, Option<Connection>);

/// An open connection without an exchange.
pub(crate) struct Connection {
    stream: Duplex,
    turn: Turn,
}

impl Connection {
    /// `turn` bounds what is read and written.
    pub(crate) fn new(turn: Turn, stream: ByteStream) -> Self {
        let stream = turn.metered(stream);
        let unsent = Message::default();
        let ending = Arc::default();
        Connection { stream: Duplex { stream, unsent, sent: 0, is_flushed: true, ending }, turn }
    }

    /// The turn that bounds what is read and written.
    #[cfg(feature = "longpoll")]
    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Ready once the connection is of no use, with the cause: the server has closed it, or sent something.
    #[cfg(feature = "longpoll")]
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        let mut byte = [0];
        Poll::Ready(match ready!(Pin::new(&mut self.stream.stream).poll_read(cx, &mut byte)) {
            Ok(0) => HeadError::Ended.into_cause(),
            Ok(_) => HeadError::Malformed("comes before its request").into_cause(),
            Err(error) => HeadError::Io(error).into_cause(),
        })
    }

    /// Ends the connection in order, with TLS by its alert.
    #[cfg(feature = "longpoll")]
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What comes of it makes no difference any more.
        Pin::new(&mut self.stream.stream).poll_close(cx).map(drop)
    }

    /// Once this is true, the exchange under way gives up and ends the connection in order.
    #[cfg(feature = "longpoll")]
    pub(crate) fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stream.ending)
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(mut self, request: Message, limits: Arc<Limits>) -> Exchanged {
        self.stream.send(request);
        match self.answer(&limits).await {
            Ok((answer, is_followed)) => {
                let is_usable = is_followed && self.stream.is_flushed;
                (Ok(answer), is_usable.then_some(self))
            }
            // What the stream hasn't taken can't have been read.
            Err(cause) if self.stream.sent == 0 => (Err(Unanswered::NotRead(cause)), None),
            Err(cause) => (Err(Unanswered::Unknown(cause)), None),
        }
    }

    async fn answer(&mut self, limits: &Limits) -> Result<(Answer, bool), CloseCause> {
        let received = receive_head(&mut self.stream).await;
        let (head, buffered) = received.map_err(HeadError::into_cause)?;
        let mut body =
            Body::new(&mut self.stream, &head, buffered).map_err(HeadError::into_cause)?;
        let bytes = if (200..300).contains(&head.status) {
            let whole = whole(&mut body, &head, limits.max_body, &self.turn).await;
            whole.map_err(|error| cause(error, limits))?
        } else {
            let timer = limits.runtime.timer(limits.runtime.now() + limits.refusal_timeout);
            beginning(&mut body, &head, limits.max_refusal_body, &self.turn, timer).await
        };
        let is_followed = body.is_followed() && head.keeps_connection();
        Ok((Answer { head, body: bytes }, is_followed))
    }
}

fn cause(error: Untaken, limits: &Limits) -> CloseCause {
    match error {
        Untaken::TooLong => (limits.too_long)(limits.max_body),
        Untaken::Gzip => {
            CloseCause::io("the server's answer isn't the gzip that its head announces")
        }
        Untaken::Encoding => {
            CloseCause::io("the server's answer is in an encoding that the client didn't offer")
        }
        Untaken::Stream(error) => error.into_cause(),
    }
}

/// A stream of which each read also writes what is left of the request: a server may answer before it has read all.
struct Duplex {
    stream: Metered<ByteStream>,
    unsent: Message,
    /// Bytes of the request that the stream has taken.
    sent: usize,
    is_flushed: bool,
    ending: Arc<AtomicBool>,
}

impl Duplex {
    fn send(&mut self, request: Message) {
        (self.unsent, self.sent, self.is_flushed) = (request, 0, false);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_flushed {
            let head = self.unsent.head.len();
            let part = match self.unsent.head.get(self.sent..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => self.unsent.body.get(self.sent - head..).unwrap_or_default(),
            };
            if part.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                (self.unsent, self.is_flushed) = (Message::default(), true);
            } else {
                match ready!(Pin::new(&mut self.stream).poll_write(cx, part))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => self.sent += count.min(part.len()),
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.ending.load(Ordering::Relaxed) {
            ready!(Pin::new(&mut this.stream).poll_close(cx))?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let sending = this.poll_send(cx);
        match (Pin::new(&mut this.stream).poll_read(cx, buffer), sending) {
            // An answer that has come counts more than the rest of the request.
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (read, _) => read,
        }
    }
}
