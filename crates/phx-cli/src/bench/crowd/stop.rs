//! The request to a user to stop, and how it ended.

use futures::FutureExt as _;
use tokio::sync::oneshot;

/// The request to a user to stop: the sender was dropped.
#[derive(Debug)]
pub(super) struct Stop {
    dropped: oneshot::Receiver<()>,
    is_asked: bool,
}

impl Stop {
    pub(super) fn new() -> (oneshot::Sender<()>, Self) {
        let (asks, dropped) = oneshot::channel();
        (asks, Stop { dropped, is_asked: false })
    }

    /// Waits for the request. Cancel-safe.
    pub(super) async fn asked(&mut self) {
        if !self.is_asked {
            let _ = (&mut self.dropped).await;
            self.is_asked = true;
        }
    }

    pub(super) fn is_asked(&mut self) -> bool {
        self.asked().now_or_never().is_some()
    }
}

/// How a pass of the scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All its steps were performed.
    Whole,
    /// A step failed without which the others make no sense.
    Failed,
    /// The user was asked to stop.
    Stopped,
}
