//! What a WebSocket of the browser has brought and the driver hasn't taken: frames, and the end.
//!
//! A browser can't be asked to read less, so what isn't taken piles up here. The inbox has a limit in bytes, beyond which
//! the connection ends.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use phx_client::{CloseCause, CloseCode, Frame};

/// Bytes that frames may hold here in any case: more than a server sends while a page draws.
const MIN_BACKLOG: usize = 4 << 20;

/// Bytes that a frame costs here beside its contents.
const OVERHEAD: usize = 64;

/// Messages of a burst are less than this apart, in milliseconds. The driver takes them together: by itself each would
/// cost two microtasks, and a dozen calls of the browser.
const BURST: f64 = 1.0;

/// Frames, and bytes of them, at which a burst is taken at once.
const MAX_BATCH_FRAMES: usize = 64;
const MAX_BATCH_BYTES: usize = 64 << 10;

/// When to wake the waiting task, after a message.
#[derive(Debug)]
pub(crate) enum Call {
    Now(Waker),
    /// After what the browser has queued, by [`Inbox::take_waker`].
    Soon,
    /// No task waits, or its wake is under way.
    Not,
}

/// Frames that wait, and how the connection stands.
#[derive(Debug)]
pub(crate) struct Inbox {
    frames: VecDeque<Frame>,
    /// Bytes of the frames that wait, and their overhead.
    bytes: usize,
    /// Largest frame, in bytes.
    max_frame: usize,
    /// True if the request offered a token, for the hint about a refusal.
    has_token: bool,
    state: State,
    waker: Option<Waker>,
    /// Time of the last message that found the task waiting, in milliseconds.
    last: f64,
    /// True while a wake that was asked for hasn't come.
    is_soon: bool,
}

#[derive(Debug)]
enum State {
    Opening,
    Open,
    Ended(CloseCause),
}

impl Inbox {
    pub(crate) fn new(max_frame: usize, has_token: bool) -> Self {
        let (frames, state) = (VecDeque::new(), State::Opening);
        let (last, is_soon) = (f64::NEG_INFINITY, false);
        Inbox { frames, bytes: 0, max_frame, has_token, state, waker: None, last, is_soon }
    }

    /// Ready when the connection is open, or has failed.
    pub(crate) fn poll_open(&mut self, cx: &Context<'_>) -> Poll<Result<(), CloseCause>> {
        match &self.state {
            State::Opening => self.wait(cx),
            State::Open => Poll::Ready(Ok(())),
            State::Ended(cause) => Poll::Ready(Err(cause.clone())),
        }
    }

    /// Takes the next frame; after the last one the end.
    pub(crate) fn poll_frame(&mut self, cx: &Context<'_>) -> Poll<Result<Frame, CloseCause>> {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= cost(frame.len());
            // A burst must not stay for the life of the connection.
            if self.frames.is_empty() {
                self.frames.shrink_to(1);
            }
            return Poll::Ready(Ok(frame));
        }
        match &self.state {
            State::Opening | State::Open => self.wait(cx),
            State::Ended(cause) => Poll::Ready(Err(cause.clone())),
        }
    }

    /// Ready when the connection has ended; frames are dropped.
    pub(crate) fn poll_end(&mut self, cx: &Context<'_>) -> Poll<CloseCause> {
        (self.frames, self.bytes) = (VecDeque::new(), 0);
        match &self.state {
            State::Opening | State::Open => self.wait(cx),
            State::Ended(cause) => Poll::Ready(cause.clone()),
        }
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The connection is open. Returns the waker to call, as the methods below do, once nothing is borrowed.
    pub(crate) fn opened(&mut self) -> Option<Waker> {
        if let State::Opening = self.state {
            self.state = State::Open;
        }
        self.waker.take()
    }

    /// Returns true if a frame of at least this many bytes may come. Otherwise the connection has ended, and its
    /// contents needn't be fetched.
    pub(crate) fn accepts(&mut self, at_least: usize) -> bool {
        if at_least > self.max_frame {
            let max = self.max_frame;
            // The words of the other adapters.
            self.end(CloseCause::io(format!("a message was larger than the limit of {max} bytes")));
        } else if self.bytes.saturating_add(cost(at_least)) > self.max_frame.max(MIN_BACKLOG)
            && !self.frames.is_empty()
        {
            self.end(CloseCause::io(
                "the program reads too slowly: the page can't hold more of what the server sends",
            ));
        }
        matches!(self.state, State::Open)
    }

    /// A frame has come. `now` reads the page's time, in milliseconds, which costs a call of the browser.
    pub(crate) fn received(&mut self, frame: Frame, now: impl FnOnce() -> f64) -> Call {
        if self.accepts(frame.len()) {
            self.bytes += cost(frame.len());
            self.frames.push_back(frame);
        }
        let is_full = self.frames.len() >= MAX_BATCH_FRAMES || self.bytes >= MAX_BATCH_BYTES;
        if is_full || !matches!(self.state, State::Open) {
            return self.call_now();
        }
        if self.is_soon || self.waker.is_none() {
            return Call::Not;
        }
        let now = now();
        let is_burst = now - std::mem::replace(&mut self.last, now) < BURST;
        if is_burst {
            self.is_soon = true;
            return Call::Soon;
        }
        self.call_now()
    }

    fn call_now(&mut self) -> Call {
        self.waker.take().map_or(Call::Not, Call::Now)
    }

    /// Returns the waker of the task that waits, if there is something for it. The wake that was asked for has come.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.is_soon = false;
        let is_ready = !self.frames.is_empty() || !matches!(self.state, State::Open);
        if is_ready { self.waker.take() } else { None }
    }

    /// The browser has reported the end, with the code and reason of a close frame, or with 1006.
    pub(crate) fn closed(&mut self, code: u16, reason: String, is_online: bool) -> Option<Waker> {
        let cause = match (&self.state, CloseCode::from_u16(code)) {
            (State::Opening, _) => CloseCause::connect_failed(self.hint(is_online)),
            (_, CloseCode::ABNORMAL) => {
                CloseCause::io("the connection ended without a close frame")
            }
            (_, code) => CloseCause::frame(code, reason),
        };
        self.end(cause);
        self.waker.take()
    }

    /// A browser doesn't say why a connection didn't open, so that pages can't explore networks.
    fn hint(&self, is_online: bool) -> &'static str {
        match (is_online, self.has_token) {
            (false, _) => "the browser is offline",
            (true, false) => {
                "the browser doesn't say why: the server can't be reached or refused the page, by its path, its \
                 `check_origin` or its `connect`"
            }
            (true, true) => {
                "the browser doesn't say why: the server can't be reached, refused the page, by its path, its \
                 `check_origin` or its `connect`, or its socket is without `auth_token: true`"
            }
        }
    }

    fn end(&mut self, cause: CloseCause) {
        if !matches!(self.state, State::Ended(_)) {
            self.state = State::Ended(cause);
        }
    }
}

fn cost(len: usize) -> usize {
    len.saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    const MAX: usize = 8 << 20;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn open() -> Inbox {
        let mut inbox = Inbox::new(MAX, false);
        inbox.opened();
        inbox
    }

    /// Receives a frame long after the one before.
    fn receive(inbox: &mut Inbox, frame: Frame) -> Option<Waker> {
        let millis = if inbox.last.is_finite() { inbox.last + 10.0 } else { 0.0 };
        match inbox.received(frame, || millis) {
            Call::Now(waker) => Some(waker),
            Call::Not => None,
            Call::Soon => panic!("it isn't a burst"),
        }
    }

    fn wait(inbox: &mut Inbox) {
        assert!(inbox.poll_frame(&Context::from_waker(Waker::noop())).is_pending());
    }

    fn take(inbox: &mut Inbox) -> Poll<Result<Frame, CloseCause>> {
        inbox.poll_frame(&Context::from_waker(Waker::noop()))
    }

    fn cause(inbox: &mut Inbox) -> CloseCause {
        match take(inbox) {
            Poll::Ready(Err(cause)) => cause,
            other => panic!("{other:?}"),
        }
    }

    fn has_ended(inbox: &Inbox) -> bool {
        matches!(inbox.state, State::Ended(_))
    }

    fn bytes(len: usize) -> Frame {
        Frame::binary(vec![0; len])
    }

    #[test]
    fn frames_come_in_order_and_the_end_after_them() {
        let mut inbox = open();
        for text in ["a", "b"] {
            receive(&mut inbox, Frame::text(text));
        }
        inbox.closed(1012, "restart".to_owned(), true);
        assert_eq!(take(&mut inbox), Poll::Ready(Ok(Frame::text("a"))));
        assert_eq!(take(&mut inbox), Poll::Ready(Ok(Frame::text("b"))));
        assert_eq!(cause(&mut inbox), CloseCause::frame(CloseCode::RESTART, "restart"));
        receive(&mut inbox, Frame::text("late"));
        assert_eq!(cause(&mut inbox).code(), CloseCode::RESTART, "nothing comes after the end");
    }

    #[test]
    fn a_task_is_woken_once_for_each_wait() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let mut inbox = Inbox::new(MAX, false);
        assert!(inbox.poll_open(&cx).is_pending());
        inbox.opened().unwrap().wake();
        assert_eq!(inbox.poll_open(&cx), Poll::Ready(Ok(())));
        assert!(receive(&mut inbox, bytes(1)).is_none());
        assert!(inbox.poll_frame(&cx).is_ready());
        assert!(inbox.poll_frame(&cx).is_pending());
        receive(&mut inbox, bytes(1)).unwrap().wake();
        assert!(receive(&mut inbox, bytes(1)).is_none());
        assert!(inbox.poll_end(&cx).is_pending(), "the frames are dropped");
        inbox.closed(1005, String::new(), true).unwrap().wake();
        assert_eq!(inbox.poll_end(&cx), Poll::Ready(CloseCause::frame(CloseCode::NO_STATUS, "")));
        assert_eq!(woken.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_connection_that_never_opened_has_a_hint() {
        for (has_token, is_online, expected) in [
            (false, true, "check_origin"),
            (true, true, "auth_token: true"),
            (false, false, "the browser is offline"),
            (true, false, "the browser is offline"),
        ] {
            let mut inbox = Inbox::new(MAX, has_token);
            inbox.closed(1006, String::new(), is_online);
            let Poll::Ready(Err(cause)) = inbox.poll_open(&Context::from_waker(Waker::noop()))
            else {
                panic!("it goes on");
            };
            assert!(matches!(cause, CloseCause::ConnectFailed { .. }), "{cause}");
            assert!(cause.to_string().contains(expected), "{cause}");
        }
    }

    #[test]
    fn an_end_without_a_close_frame_is_a_lost_connection() {
        let mut inbox = open();
        inbox.closed(1006, String::new(), true);
        assert!(matches!(cause(&mut inbox), CloseCause::Io { .. }));
    }

    #[test]
    fn a_frame_over_the_limit_ends_the_connection_and_is_not_kept() {
        let mut inbox = open();
        assert!(inbox.accepts(MAX));
        assert!(!inbox.accepts(MAX + 1));
        assert!(has_ended(&inbox));
        assert!(cause(&mut inbox).to_string().contains("larger than the limit of 8388608 bytes"));

        let mut inbox = open();
        receive(&mut inbox, bytes(MAX + 1));
        assert!(has_ended(&inbox) && inbox.frames.is_empty());
    }

    #[test]
    fn what_is_not_taken_is_bounded_in_bytes() {
        for (len, max) in [(0, MAX), (100, MAX), (1 << 20, MAX), (100, 1_000)] {
            let mut inbox = Inbox::new(max, false);
            inbox.opened();
            let mut count = 0;
            while !has_ended(&inbox) {
                receive(&mut inbox, bytes(len));
                count += 1;
                assert!(inbox.bytes <= max.max(MIN_BACKLOG), "{len}");
            }
            assert!(count * (len + OVERHEAD) > max.max(MIN_BACKLOG) - len, "{len}: {count}");
            // What was accepted before is still read.
            for _ in 1..count {
                assert!(matches!(take(&mut inbox), Poll::Ready(Ok(_))));
            }
            assert!(cause(&mut inbox).to_string().contains("reads too slowly"));
            assert_eq!(inbox.bytes, 0);
        }
    }

    #[test]
    fn one_frame_of_the_limit_fits_whatever_it_costs() {
        let mut inbox = open();
        receive(&mut inbox, bytes(MAX));
        assert!(!has_ended(&inbox));
        assert!(matches!(take(&mut inbox), Poll::Ready(Ok(_))));
    }

    #[test]
    fn a_burst_is_taken_together_and_its_first_message_at_once() {
        let mut inbox = open();
        wait(&mut inbox);
        assert!(matches!(inbox.received(bytes(1), || 5.0), Call::Now(_)));
        assert!(take(&mut inbox).is_ready());
        wait(&mut inbox);
        assert!(matches!(inbox.received(bytes(1), || 5.5), Call::Soon));
        assert!(matches!(inbox.received(bytes(1), || 5.5), Call::Not), "it is under way");
        assert!(inbox.take_waker().is_some());
        assert!(inbox.take_waker().is_none(), "once");
        while take(&mut inbox).is_ready() {}
        assert!(inbox.take_waker().is_none(), "there is nothing to take");
        assert!(matches!(inbox.received(bytes(1), || 7.0), Call::Now(_)), "after a pause");
    }

    #[test]
    fn a_long_burst_is_taken_in_parts() {
        for (len, count) in [(0, MAX_BATCH_FRAMES), (MAX_BATCH_BYTES, 1)] {
            let mut inbox = open();
            wait(&mut inbox);
            receive(&mut inbox, bytes(0));
            assert!(take(&mut inbox).is_ready());
            wait(&mut inbox);
            let calls = (0..count).map(|_| inbox.received(bytes(len), || 0.0));
            assert_eq!(calls.filter(|call| matches!(call, Call::Now(_))).count(), 1, "{len}");
        }
    }

    #[test]
    fn the_end_waits_for_no_burst() {
        let mut inbox = open();
        wait(&mut inbox);
        receive(&mut inbox, bytes(0));
        assert!(take(&mut inbox).is_ready());
        wait(&mut inbox);
        assert!(matches!(inbox.received(bytes(1), || 0.0), Call::Soon));
        assert!(inbox.closed(1000, String::new(), true).is_some());
    }
}
