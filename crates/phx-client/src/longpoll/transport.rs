//! A session as a transport: its exchanges on two connections, its events as frames.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use phx_proto::longpoll::{
    Answer, Exchange, ExchangeId, ExchangeKind, Session, SessionEvent, Unanswered,
};
use phx_proto::{
    CloseCause, CloseCode, Frame, Instant, ResponseHeaders, TransportKind, TransportProperties,
};

use super::lane::{Ended, Lane, Opener, Unused};
use super::requests::Requests;
use crate::connector::{Received, Transport};
use crate::http::{self, Limits};
use crate::runtime::{BoxFuture, Clock};
use crate::turn::Turn;

/// Time after which the connection for POSTs is closed if none was sent. Cowboy closes it after 5 s, and a POST that
/// crosses the close on its way may have arrived or not.
const POST_IDLE: Duration = Duration::from_secs(4);

/// Times in a row that no connection for POSTs can be opened before the session is given up, whose polls go well.
const MAX_UNOPENED: u32 = 3;

/// The pause after the first such failure; that after the second is twice as long, and so on.
const UNOPENED_PAUSE: Duration = Duration::from_millis(100);

/// Messages that are dropped at a time while the transport closes.
const MAX_DROPPED: usize = 1024;

/// Called with the session at the transport's end.
pub(super) type AtEnd = Box<dyn FnOnce(&Session) + Send>;

/// A long-poll session as a [`Transport`].
///
/// The GET that waits for messages has one connection, which is used again as long as the server keeps it. POSTs have
/// another one, which is opened when the socket has a frame to send, and closed after 4 s without any.
pub(super) struct LongPollTransport {
    session: Session,
    /// The session's next event, taken out of it to see whether there is one.
    event: Option<SessionEvent>,
    requests: Requests,
    opener: Opener,
    polls: Lane,
    posts: Lane,
    gathering: Gathering,
    /// When the connection for POSTs is given up if it stays as it is.
    posts_end: Option<(Unused, Instant)>,
    /// Time for that connection to open. No exchange, whose deadline would count, waits for it.
    opening_timeout: Duration,
    /// Connections for POSTs in a row that couldn't be opened.
    unopened_in_row: u32,
    /// When the next one may be opened, after one that couldn't be.
    opening_due: Option<Instant>,
    /// Why the transport ends, but for the session.
    failure: Option<CloseCause>,
    /// The end that is reported once the connections are closed, which is all that remains then.
    closing: Option<CloseCause>,
    /// True while the receiving side waits. Otherwise it hasn't read all it could, and nobody reads for it.
    is_receiving: bool,
    /// The creation's number, and then the headers of its answer.
    creation: Option<ExchangeId>,
    response_headers: ResponseHeaders,
    clock: Arc<Clock>,
    /// Runs to that moment or an earlier one.
    timer: Option<(Instant, BoxFuture<()>)>,
    at_end: Option<AtEnd>,
}

/// Frames become one POST as long as more come: a POST is made by the first flush that finds no new frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathering {
    No,
    /// Since the last flush a frame came.
    New,
    /// Since the last flush none came.
    Old,
}

impl LongPollTransport {
    /// Creates the session on the server, on this connection.
    pub(super) async fn open(
        session: Session,
        requests: Requests,
        opener: Opener,
        limits: Limits,
        opening_timeout: Duration,
        clock: Clock,
        at_end: AtEnd,
    ) -> Result<Self, CloseCause> {
        let limits = Arc::new(limits);
        let polls = Lane::new(Arc::clone(&limits)).with(opener().await?);
        let mut transport = LongPollTransport {
            session,
            event: None,
            requests,
            opener,
            polls,
            posts: Lane::new(limits),
            gathering: Gathering::No,
            posts_end: None,
            opening_timeout,
            unopened_in_row: 0,
            opening_due: None,
            failure: None,
            closing: None,
            is_receiving: true,
            creation: None,
            response_headers: ResponseHeaders::default(),
            clock: Arc::new(clock),
            timer: None,
            at_end: Some(at_end),
        };
        poll_fn(|cx| transport.poll_opened(cx)).await?;
        Ok(transport)
    }

    fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.begin_turns();
        self.drive(cx);
        match self.event.take() {
            Some(SessionEvent::Opened) => Poll::Ready(Ok(())),
            Some(SessionEvent::Closed(cause)) => Poll::Ready(Err(cause)),
            _ => Poll::Pending,
        }
    }

    fn next_event(&mut self) -> Option<SessionEvent> {
        self.event.take().or_else(|| self.session.poll_event())
    }

    /// True if the server has answered for all frames.
    fn is_sent(&self) -> bool {
        self.posts.is_free() && self.session.room().is_some()
    }

    fn begin_turns(&self) {
        self.polls.turn().into_iter().chain(self.posts.turn()).for_each(Turn::begin);
    }

    /// Reads and writes all that can be, up to the session's next event.
    fn drive(&mut self, cx: &mut Context<'_>) {
        loop {
            let now = self.clock.now();
            self.start_exchanges(now);
            let mut is_done = true;
            if let Poll::Ready(ended) = self.posts.poll(cx, &self.opener) {
                self.on_ended(now, ended);
                is_done = false;
            }
            if self.is_receiving
                && let Poll::Ready(ended) = self.polls.poll(cx, &self.opener)
            {
                self.on_ended(now, ended);
                is_done = false;
            }
            for id in [self.polls.take_progress(), self.posts.take_progress()].into_iter().flatten()
            {
                self.session.handle_progress(now, id);
            }
            if let Poll::Ready(now) = self.poll_deadline(cx, now) {
                self.session.handle_timeout(now);
                is_done = false;
            }
            self.event = self.next_event();
            if is_done {
                return;
            }
        }
    }

    fn start_exchanges(&mut self, now: Instant) {
        while self.gathering == Gathering::No
            && let Some(exchange) = self.session.poll_exchange(now)
        {
            let id = exchange.id();
            match self.requests.request(&exchange) {
                Ok(request) => self.lane_of(&exchange).start(id, request),
                Err(cause) => self.session.handle_unanswered(now, id, Unanswered::Unknown(cause)),
            }
        }
    }

    fn lane_of(&mut self, exchange: &Exchange) -> &mut Lane {
        match exchange.kind() {
            ExchangeKind::Post => &mut self.posts,
            ExchangeKind::Create => {
                self.creation = Some(exchange.id());
                &mut self.polls
            }
            _ => &mut self.polls,
        }
    }

    /// Passes on what has come of an exchange.
    fn on_ended(&mut self, now: Instant, ended: Ended) {
        match ended {
            Ended::Exchange(id, Ok(answer)) => {
                self.requests.cookies.receive(&answer.head);
                let mut given = Answer::new(answer.head.status, answer.body);
                if self.creation == Some(id) {
                    self.response_headers = answer.head.response_headers();
                    given = given
                        .with_retry_after(answer.head.retry_after(SystemTime::now()))
                        .with_headers(self.response_headers.clone());
                }
                self.session.handle_answer(now, id, given);
            }
            Ended::Exchange(id, Err(failure)) => self.session.handle_unanswered(now, id, failure),
            Ended::Opening(cause) => {
                self.unopened_in_row = self.unopened_in_row.saturating_add(1);
                if self.unopened_in_row > MAX_UNOPENED {
                    self.failure = Some(cause);
                } else {
                    self.opening_due = Some(now + UNOPENED_PAUSE * self.unopened_in_row);
                }
            }
        }
    }

    /// Gives up a connection for POSTs that is idle for too long, or doesn't open in time.
    fn limit_unused_posts(&mut self, now: Instant) {
        self.posts_end = self.posts.unused().map(|unused| match self.posts_end {
            Some((before, at)) if before == unused => (unused, at),
            _ => match unused {
                Unused::Opening => (unused, now + self.opening_timeout),
                Unused::Idle => (unused, now + POST_IDLE),
            },
        });
        if let Some((unused, _)) = self.posts_end.take_if(|(_, at)| *at <= now) {
            self.posts.close();
            if unused == Unused::Opening {
                self.failure = Some(CloseCause::io("no connection for a POST in time"));
            }
        }
    }

    /// Ready at the session's deadline, or one of the lanes'.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Instant> {
        self.limit_unused_posts(now);
        // The driver prepares again after every wake.
        self.opening_due.take_if(|at| *at <= now);
        // An answer that isn't read isn't late, nor one of which more has come than a turn reads: that wakes the task.
        let has_read_all = self.polls.turn().is_none_or(Turn::may_read);
        let deadlines = [
            self.session.poll_timeout().filter(|_| self.is_receiving && has_read_all),
            self.posts_end.map(|(_, at)| at),
            self.opening_due,
        ];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            return Poll::Pending;
        };
        loop {
            let clock = &self.clock;
            if deadline <= clock.now() {
                return Poll::Ready(clock.now());
            }
            // A deadline that moves back leaves the timer alone, as with every answer.
            let timer = match &mut self.timer {
                Some((at, timer)) if *at <= deadline => timer,
                timer => {
                    let clock = Arc::clone(clock);
                    let sleep = async move { clock.sleep_until(deadline).await };
                    &mut timer.insert((deadline, Box::pin(sleep))).1
                }
            };
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }

    /// Ready once the server has answered for all frames, or the session is over. Drops what comes.
    fn poll_sent(
        &mut self,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        self.is_receiving = true;
        for _ in 0..MAX_DROPPED {
            self.gathering = Gathering::No;
            self.drive(cx);
            match self.next_event() {
                Some(SessionEvent::Closed(cause)) => return Poll::Ready(cause),
                Some(_) => {}
                None if self.failure.is_some() => return Poll::Ready(http::ended()),
                // Long-poll has no close frame. This is how a server would confirm one.
                None if self.is_sent() => return Poll::Ready(CloseCause::frame(code, reason)),
                None => return Poll::Pending,
            }
        }
        // Others run in between: an answer may have millions of messages.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Drives on behalf of the sending side, and wakes the receiving one for what came.
    fn drive_sending(&mut self, cx: &mut Context<'_>) {
        // Without receiving nothing is read of the other connection.
        self.begin_turns();
        self.drive(cx);
        if (self.event.is_some() || self.failure.is_some())
            && std::mem::replace(&mut self.is_receiving, false)
        {
            cx.waker().wake_by_ref();
        }
    }
}

impl Transport for LongPollTransport {
    fn response_headers(&self) -> ResponseHeaders {
        self.response_headers.clone()
    }

    fn properties(&self) -> TransportProperties {
        TransportKind::LongPoll.properties()
    }

    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        let this = self.get_mut();
        let mut event = this.next_event();
        if event.is_none() {
            this.is_receiving = true;
            this.drive(cx);
            event = this.next_event();
        }
        this.is_receiving = false;
        Poll::Ready(match event {
            Some(SessionEvent::Frame(frame)) => {
                if let Some(turn) = this.polls.turn() {
                    turn.give_back(frame.len());
                }
                Ok(Received::Frame(frame))
            }
            Some(SessionEvent::Closed(cause)) => Err(cause),
            // The last kind: the session opened before there was a transport.
            Some(_) => Ok(Received::Gap),
            None => match this.failure.take() {
                Some(cause) => Err(cause),
                None => {
                    this.is_receiving = true;
                    this.begin_turns();
                    return Poll::Pending;
                }
            },
        })
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let this = self.get_mut();
        this.drive_sending(cx);
        if this.session.room().is_some() && this.posts.is_ready(cx) {
            this.unopened_in_row = 0;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn prepare_send(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.get_mut();
        if this.opening_due.is_none()
            && this.session.room().is_some()
            && this.posts.prepare(&this.opener)
        {
            this.drive_sending(cx);
            // Mostly it isn't open yet, and wakes then.
            if this.posts.is_ready(cx) {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn capacity(&self) -> usize {
        self.session.room().unwrap_or_default()
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        let this = self.get_mut();
        this.gathering = Gathering::New;
        // It has been ready.
        let sent = this.session.send(frame);
        sent.map_err(|_| CloseCause::io("a frame came while another one was being sent"))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let this = self.get_mut();
        if this.gathering == Gathering::New && this.session.room().is_some() {
            // Tasks that run before the next flush may have more for the same POST.
            this.gathering = Gathering::Old;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.gathering = Gathering::No;
        this.drive_sending(cx);
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        let this = self.get_mut();
        this.begin_turns();
        let cause = match this.closing.take() {
            Some(cause) => cause,
            None => ready!(this.poll_sent(cx, code, reason)),
        };
        let closed = [this.polls.poll_close(cx), this.posts.poll_close(cx)];
        if closed.iter().any(Poll::is_pending) {
            this.closing = Some(cause);
            return Poll::Pending;
        }
        Poll::Ready(cause)
    }
}

/// Shows neither messages nor tokens, and of the headers the names only.
impl fmt::Debug for LongPollTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongPollTransport")
            .field("session", &self.session)
            .field("response_headers", &self.response_headers)
            .finish_non_exhaustive()
    }
}

impl Drop for LongPollTransport {
    fn drop(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end(&self.session);
        }
    }
}
