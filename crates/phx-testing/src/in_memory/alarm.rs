//! Task that wakes a network at its next deadline.

use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use phx_client::{BoxFuture, Runtime};

use super::exchange::Exchange;

/// Ends when all links and connections are gone.
pub(super) struct Alarm {
    exchange: Weak<Exchange>,
    timer: Option<BoxFuture<()>>,
}

impl Alarm {
    pub(super) fn new(exchange: Weak<Exchange>) -> Self {
        Alarm { exchange, timer: None }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(exchange) = self.exchange.upgrade() else {
            return Poll::Ready(());
        };
        let Some(deadline) = exchange.pass_time(cx.waker()) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.insert(exchange.runtime().timer(deadline));
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
