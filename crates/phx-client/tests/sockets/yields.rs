//! A driver that has more to do than one poll should asks its runtime for a yield, and wakes itself in no other way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use phx_client::{
    Attempt, BoxFuture, CloseCause, CloseCode, Connector, Frame, Instant, Received, Runtime,
    SocketBuilder, Transport,
};

use crate::common::{TestRuntime, settle};

const WAKES: usize = 100;

/// A transport that wakes its task in each poll, as one does that has spent its turn, and then is silent.
#[derive(Debug)]
struct Busy(usize);

#[derive(Debug)]
struct ToBusy;

impl Connector for ToBusy {
    fn connect(&self, _: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let transport: Pin<Box<dyn Transport>> = Box::pin(Busy(WAKES));
        Box::pin(std::future::ready(Ok(transport)))
    }
}

impl Transport for Busy {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        if let Some(left) = self.0.checked_sub(1) {
            self.0 = left;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Frame) -> Result<(), CloseCause> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: CloseCode,
        _: &str,
    ) -> Poll<CloseCause> {
        Poll::Ready(CloseCause::frame(CloseCode::NORMAL, ""))
    }
}

/// Counts the yields of tasks, and the wakes of tasks that are being polled.
#[derive(Debug)]
struct Counting {
    runtime: Arc<TestRuntime>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    yields: AtomicUsize,
    other: AtomicUsize,
}

struct Watched {
    counts: Arc<Counts>,
    is_polled: AtomicBool,
    waker: Waker,
}

impl Wake for Watched {
    fn wake(self: Arc<Self>) {
        if self.is_polled.load(Ordering::SeqCst) {
            self.counts.other.fetch_add(1, Ordering::SeqCst);
        }
        self.waker.wake_by_ref();
    }
}

impl Runtime for Counting {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        self.runtime.timer(deadline)
    }

    fn spawn(&self, mut task: BoxFuture<()>) {
        let counts = Arc::clone(&self.counts);
        self.runtime.spawn(Box::pin(std::future::poll_fn(move |cx| {
            let (counts, waker) = (Arc::clone(&counts), cx.waker().clone());
            let watched = Arc::new(Watched { counts, is_polled: AtomicBool::new(true), waker });
            let polled =
                task.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&watched))));
            watched.is_polled.store(false, Ordering::SeqCst);
            polled
        })));
    }

    fn yield_now(&self, cx: &mut Context<'_>) {
        self.counts.yields.fetch_add(1, Ordering::SeqCst);
        self.counts.other.fetch_sub(1, Ordering::SeqCst);
        cx.waker().wake_by_ref();
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_woken_while_it_is_polled_yields() {
    let counts = Arc::<Counts>::default();
    let runtime = Counting { runtime: TestRuntime::new(), counts: Arc::clone(&counts) };
    let socket = SocketBuilder::new("ws://server.test/socket")
        .runtime(runtime)
        .connector(ToBusy)
        .heartbeat_interval(Some(Duration::from_secs(3_600)))
        .connect()
        .await
        .unwrap();
    settle().await;
    let yields = counts.yields.load(Ordering::SeqCst);
    // Besides these there may be one for what connecting began.
    assert!((WAKES..=WAKES + 2).contains(&yields), "{yields}");
    assert_eq!(counts.other.load(Ordering::SeqCst), 0, "wakes that weren't yields");
    drop(socket);
}
