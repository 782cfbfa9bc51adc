//! The session: what the driver feeds and polls.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;

use bytes::Bytes;

use super::answer::Body;
use super::batch::{self, Batch};
use super::config::SessionConfig;
use super::exchange::{Answer, Exchange, ExchangeId, Unanswered};
use super::messages::Messages;
use super::poll::{Polling, UnderWay};
use super::post::Posting;
use super::target::Target;
use super::token::{Place, Token, TokenPlace};
use crate::close::{AnswerCause, CloseCause, ExchangeKind, LongPollCause, UpgradeRejection};
use crate::{Frame, Instant, Request};

/// Times that the request for a session is made again which the server certainly didn't read.
const MAX_CREATIONS: u32 = 3;

/// Answers of any size whose messages aren't read yet, at most. With two, the next poll is under way while one is read.
const MAX_ANSWERS: usize = 2;

/// Bytes of unread answers up to which there may be more of them, so that the session is polled while a slow reader
/// reads: the server ends one that isn't polled for 15 s.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// One long-poll session on a server: a transport for a [`Socket`](crate::Socket).
///
/// After every input and every event, poll [`poll_exchange`](Self::poll_exchange) until there is none, and
/// [`poll_event`](Self::poll_event) when the reader can take an event. See the [module](super).
///
/// `Debug` shows the state, and no secrets.
pub struct Session {
    config: SessionConfig,
    target: Option<Target>,
    known_place: TokenPlace,
    phase: Phase,
    events: VecDeque<Queued>,
    unread: Unread,
    next_id: u64,
    /// The latest time that was given: time that runs backwards stands still.
    now: Instant,
}

enum Phase {
    Creating { under_way: Option<ExchangeId>, unread: u32 },
    Open(Box<Open>),
    Closed,
}

struct Open {
    token: Token,
    poll: Polling,
    post: Posting,
    batch: Batch,
}

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The session was created.
    Opened,
    /// The server sent this frame.
    Frame(Frame),
    /// The server sent messages here that are lost, or may have; the session goes on.
    Gap,
    /// The session ended, or wasn't created. The last event.
    Closed(CloseCause),
}

/// The answers whose messages aren't all read.
#[derive(Default)]
struct Unread {
    answers: usize,
    bytes: usize,
}

enum Queued {
    Opened,
    Gap,
    Messages(Messages),
    Closed(CloseCause),
}

impl Session {
    /// A session at the long-poll transport beside the WebSocket that `request` is for. `place` is what
    /// [`token_place`](Self::token_place) said of the socket's last session.
    #[must_use]
    pub fn new(request: &Request, config: SessionConfig, place: TokenPlace) -> Self {
        let mut session = Session {
            config,
            target: None,
            known_place: place,
            phase: Phase::Creating { under_way: None, unread: 0 },
            events: VecDeque::new(),
            unread: Unread::default(),
            next_id: 0,
            now: Instant::EPOCH,
        };
        match Target::new(request) {
            Ok(target) => session.target = Some(target),
            Err(cause) => session.close(cause),
        }
        session
    }

    /// The next HTTP request to make. At most one GET and one POST are under way.
    pub fn poll_exchange(&mut self, now: Instant) -> Option<Exchange> {
        let now = self.see(now);
        let id = ExchangeId(self.next_id);
        let target = self.target.as_ref()?;
        let exchange = match &mut self.phase {
            Phase::Creating { under_way: under_way @ None, .. } => {
                *under_way = Some(id);
                Exchange::new(id, ExchangeKind::Create, target.creation(), Bytes::new())
            }
            Phase::Open(open) => {
                let place = open.token.place();
                if open.poll.is_due() && self.unread.may_grow(self.config.max_answer_bytes) {
                    open.poll.start(now, id, place, &self.config);
                    let head = target.of_session(&open.token, None);
                    Exchange::new(id, ExchangeKind::Poll, head, Bytes::new())
                } else {
                    let body = open.next_body()?;
                    let head = target.of_session(&open.token, Some(body.content_type));
                    let exchange = Exchange::new(id, ExchangeKind::Post, head, body.bytes.clone());
                    open.post.start(now, id, place, body, &self.config);
                    exchange
                }
            }
            Phase::Creating { .. } | Phase::Closed => return None,
        };
        self.next_id = self.next_id.saturating_add(1);
        Some(exchange)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        loop {
            if let Queued::Messages(messages) = self.events.front_mut()? {
                match messages.next() {
                    Some(Ok(frame)) => return Some(SessionEvent::Frame(frame)),
                    // The others of its answer are good.
                    Some(Err(_)) => return Some(SessionEvent::Gap),
                    None => {}
                }
            }
            match self.events.pop_front()? {
                Queued::Opened => return Some(SessionEvent::Opened),
                Queued::Gap => return Some(SessionEvent::Gap),
                Queued::Closed(cause) => return Some(SessionEvent::Closed(cause)),
                Queued::Messages(messages) => self.unread.remove(&messages),
            }
        }
    }

    /// The moment to call [`handle_timeout`](Self::handle_timeout) at.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            // The socket's own timeout for attempts to connect bounds the creation.
            Phase::Creating { .. } | Phase::Closed => None,
            Phase::Open(open) => open.poll.timeout().into_iter().chain(open.post.timeout()).min(),
        }
    }

    /// The place where this server reads the token, for the socket's next session.
    #[must_use]
    pub fn token_place(&self) -> TokenPlace {
        match &self.phase {
            Phase::Open(open) => open.token.confirmed().unwrap_or(self.known_place),
            Phase::Creating { .. } | Phase::Closed => self.known_place,
        }
    }

    /// Bytes that the next POST can still take, and at least one frame of any size: so few that it has places for as many
    /// short lines. `None` if no frame should be sent now: the session isn't open, a POST is under way or must be sent
    /// again, or the next one is full.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        match &self.phase {
            Phase::Open(open) if open.post.is_idle() => open.batch.room(),
            Phase::Creating { .. } | Phase::Open(_) | Phase::Closed => None,
        }
    }

    /// Takes a frame for the next POST, which the next [`poll_exchange`](Self::poll_exchange) makes. One beyond the
    /// [`room`](Self::room) waits for the POST after it.
    ///
    /// # Errors
    ///
    /// The frame, if the session isn't open, or a POST is under way or must be sent again.
    pub fn send(&mut self, frame: Frame) -> Result<(), Frame> {
        if !matches!(&self.phase, Phase::Open(open) if open.post.is_idle()) {
            return Err(frame);
        }
        if frame.is_empty() {
            // The server takes an empty body for a broken frame, and lets the session die.
            self.close(CloseCause::LongPoll(LongPollCause::EmptyFrame));
        } else if let Phase::Open(open) = &mut self.phase {
            open.batch.push(frame);
        }
        Ok(())
    }

    /// The server answered this exchange. An answer to another one than those under way changes nothing.
    pub fn handle_answer(&mut self, now: Instant, id: ExchangeId, answer: Answer) {
        let now = self.see(now);
        let handled = match self.under_way(id) {
            None => return,
            Some(_) if answer.body.len() > self.config.max_answer_bytes => {
                let max = self.config.max_answer_bytes;
                Err(CloseCause::LongPoll(LongPollCause::answer_too_large(max)))
            }
            Some(ExchangeKind::Create) => self.on_creation(answer),
            Some(ExchangeKind::Poll) => self.on_poll(now, answer),
            Some(ExchangeKind::Post) => self.on_post(now, answer),
        };
        self.close_on(handled);
    }

    /// This exchange has no answer. The call changes nothing if the exchange is not under way.
    pub fn handle_unanswered(&mut self, now: Instant, id: ExchangeId, unanswered: Unanswered) {
        let now = self.see(now);
        let kind = self.under_way(id);
        let handled = match (&mut self.phase, kind, unanswered) {
            (_, None, _) => return,
            (Phase::Creating { under_way, unread }, _, Unanswered::NotRead(cause)) => {
                *under_way = None;
                *unread = unread.saturating_add(1);
                if *unread > MAX_CREATIONS { Err(cause) } else { Ok(()) }
            }
            (Phase::Open(open), Some(ExchangeKind::Poll), Unanswered::NotRead(cause)) => {
                open.poll.on_failure(now, cause)
            }
            (Phase::Open(open), Some(ExchangeKind::Poll), Unanswered::Unknown(cause)) => {
                // Bandit gives the messages to a request whose client has gone.
                gap(&mut self.events);
                open.poll.on_failure(now, cause)
            }
            (Phase::Open(open), _, Unanswered::NotRead(cause)) => {
                open.poll.on_post_answered();
                open.post.on_not_read(now, cause)
            }
            // The frames of a POST may have arrived. To the socket they are sent ones of a connection that ended.
            (_, _, Unanswered::Unknown(cause)) | (Phase::Closed, _, Unanswered::NotRead(cause)) => {
                Err(cause)
            }
        };
        self.close_on(handled);
    }

    /// Bytes of this exchange went out or came: its time for the answer begins again, within six times that for the whole.
    /// Without such reports a large body has no more time than a small one.
    pub fn handle_progress(&mut self, now: Instant, id: ExchangeId) {
        let now = self.see(now);
        if let Phase::Open(open) = &mut self.phase {
            open.poll.on_progress(now, id, &self.config);
            open.post.on_progress(now, id, &self.config);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.see(now);
        let Phase::Open(open) = &mut self.phase else { return };
        let handled = open.poll.on_timeout(now).and_then(|()| open.post.on_timeout(now));
        self.close_on(handled);
    }

    fn on_creation(&mut self, answer: Answer) -> Result<(), CloseCause> {
        let invalid = |cause| invalid(ExchangeKind::Create, cause);
        if answer.status != 200 {
            return Err(self.rejected(answer.status, answer));
        }
        let body = Body::read(answer.body.clone()).map_err(invalid)?;
        match body.status() {
            410 => {
                let token = Token::new(&body.token().map_err(invalid)?, self.known_place);
                let (poll, post, batch) = (Polling::new(), Posting::new(), Batch::default());
                self.phase = Phase::Open(Box::new(Open { token, poll, post, batch }));
                self.events.push_back(Queued::Opened);
                Ok(())
            }
            status @ 300.. => Err(self.rejected(status, answer)),
            status => Err(unexpected(ExchangeKind::Create, status)),
        }
    }

    /// The same refusal as of a WebSocket, so that policies needn't know the transport.
    fn rejected(&self, status: u16, answer: Answer) -> CloseCause {
        let body = answer.body.get(..self.config.max_refusal_body).unwrap_or(&answer.body);
        let rejection = UpgradeRejection::new(status)
            .with_retry_after(answer.retry_after)
            .with_headers(answer.headers)
            .with_body(Bytes::copy_from_slice(body));
        CloseCause::UpgradeRejected(rejection)
    }

    fn on_poll(&mut self, now: Instant, answer: Answer) -> Result<(), CloseCause> {
        let Phase::Open(open) = &mut self.phase else { return Ok(()) };
        let Some(poll) = open.poll.under_way() else { return Ok(()) };
        let invalid = |cause| invalid(ExchangeKind::Poll, cause);
        let body = match answer.status {
            200 => Body::read(answer.body).map_err(invalid)?,
            // A binary message that isn't UTF-8, for one: all messages of the answer are lost, the session lives.
            status @ 500.. => {
                gap(&mut self.events);
                return open.poll.on_failure(now, unexpected(ExchangeKind::Poll, status));
            }
            status => return Err(unexpected(ExchangeKind::Poll, status)),
        };
        match body.status() {
            status @ (200 | 204) => {
                let messages = match body.messages() {
                    Ok(messages) => Some(messages).filter(|messages| !messages.is_empty()),
                    Err(AnswerCause::NoMessages) if status == 204 => None,
                    Err(cause) => return Err(invalid(cause)),
                };
                open.on_found(now, poll, messages.is_some());
                if let Some(messages) = messages {
                    self.unread.add(&messages);
                    self.events.push_back(Queued::Messages(messages));
                }
                Ok(())
            }
            410 => open.on_unknown(now, poll.place),
            status => Err(unexpected(ExchangeKind::Poll, status)),
        }
    }

    fn on_post(&mut self, now: Instant, answer: Answer) -> Result<(), CloseCause> {
        let next_poll = ExchangeId(self.next_id);
        let Phase::Open(open) = &mut self.phase else { return Ok(()) };
        let Some((_, place)) = open.post.under_way() else { return Ok(()) };
        if answer.status != 200 {
            return Err(unexpected(ExchangeKind::Post, answer.status));
        }
        let body = Body::read(answer.body).map_err(|cause| invalid(ExchangeKind::Post, cause))?;
        match body.status() {
            200 => {
                open.token.confirm(place);
                open.post.on_read();
                open.poll.on_posted();
                Ok(())
            }
            408 => {
                open.token.confirm(place);
                open.post.on_late(next_poll);
                open.poll.on_late_post(now.saturating_add(self.config.busy_timeout));
                Ok(())
            }
            410 => open.on_post_unknown(now),
            status => Err(unexpected(ExchangeKind::Post, status)),
        }
    }

    /// The kind of the exchange with this number, if it is under way.
    fn under_way(&self, id: ExchangeId) -> Option<ExchangeKind> {
        match &self.phase {
            Phase::Creating { under_way, .. } => {
                under_way.is_some_and(|create| create == id).then_some(ExchangeKind::Create)
            }
            Phase::Open(open) => {
                let is_poll = open.poll.under_way().is_some_and(|poll| poll.id == id);
                let is_post = || open.post.under_way().is_some_and(|(post, _)| post == id);
                if is_poll {
                    Some(ExchangeKind::Poll)
                } else {
                    is_post().then_some(ExchangeKind::Post)
                }
            }
            Phase::Closed => None,
        }
    }

    fn close_on(&mut self, handled: Result<(), CloseCause>) {
        if let Err(cause) = handled {
            self.close(cause);
        }
    }

    /// Nothing follows: no exchange, no timeout. What was received before is still read.
    fn close(&mut self, cause: CloseCause) {
        self.known_place = self.token_place();
        self.phase = Phase::Closed;
        self.events.push_back(Queued::Closed(cause));
    }

    fn see(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

impl Open {
    /// A poll found the session.
    fn on_found(&mut self, now: Instant, poll: UnderWay, has_messages: bool) {
        self.token.confirm(poll.place);
        self.post.on_found(poll.id, has_messages);
        self.poll.on_answer(now, poll, !has_messages);
    }

    /// The server didn't know the token of a poll in this place.
    fn on_unknown(&mut self, now: Instant, place: Place) -> Result<(), CloseCause> {
        if self.token.is_unknown(place) {
            self.poll.ask_again();
            self.post.on_new_place();
        } else if self.post.may_keep_busy() {
            self.poll.wait_for_post();
        } else if self.token.is_confirmed() {
            return self.poll.on_unknown(now);
        } else {
            return Err(CloseCause::LongPoll(LongPollCause::Gone));
        }
        Ok(())
    }

    /// The server didn't know the token of the POST, and so didn't read it.
    fn on_post_unknown(&mut self, now: Instant) -> Result<(), CloseCause> {
        let is_confirmed = self.token.is_confirmed();
        if self.poll.is_behind_post() && !is_confirmed {
            return Err(CloseCause::LongPoll(LongPollCause::Gone));
        }
        let place = self.token.place();
        // While the first poll asks in the header, its answer decides where the POST goes.
        self.post.on_unknown(now, place, is_confirmed || place == Place::Query)?;
        self.poll.on_post_answered();
        Ok(())
    }

    fn next_body(&mut self) -> Option<batch::Body> {
        match self.post.take_again() {
            None if self.post.is_idle() => self.batch.take(),
            body => body,
        }
    }
}

impl Unread {
    fn add(&mut self, messages: &Messages) {
        self.answers = self.answers.saturating_add(1);
        self.bytes = self.bytes.saturating_add(messages.size());
    }

    fn remove(&mut self, messages: &Messages) {
        self.answers = self.answers.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(messages.size());
    }

    /// Returns `true` if another answer of up to `max` bytes may come. Together they are never more than two of those.
    fn may_grow(&self, max: usize) -> bool {
        self.answers < MAX_ANSWERS || self.bytes < MAX_UNREAD_BYTES.min(max)
    }
}

/// One gap for all that is lost in the same place.
fn gap(events: &mut VecDeque<Queued>) {
    if !matches!(events.back(), Some(Queued::Gap)) {
        events.push_back(Queued::Gap);
    }
}

fn invalid(request: ExchangeKind, cause: AnswerCause) -> CloseCause {
    CloseCause::LongPoll(LongPollCause::invalid_answer(request, cause))
}

fn unexpected(request: ExchangeKind, status: u16) -> CloseCause {
    CloseCause::LongPoll(LongPollCause::status(request, status))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Creating { .. } => "Creating",
            Phase::Open(_) => "Open",
            Phase::Closed => "Closed",
        };
        f.debug_struct("Session")
            .field("phase", &format_args!("{phase}"))
            .field("token_place", &self.token_place())
            .field("events", &self.events.len())
            .field("timeout", &self.poll_timeout())
            .finish_non_exhaustive()
    }
}
