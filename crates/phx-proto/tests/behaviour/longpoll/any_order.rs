//! Whatever the server answers and whenever: what must always hold.

use std::collections::VecDeque;
use std::time::Duration;

use phx_proto::longpoll::{
    Answer, Exchange, ExchangeKind, Session, SessionConfig, SessionEvent, TokenPlace, Unanswered,
};
use phx_proto::{CloseCause, Endpoint, Frame, Instant};
use proptest::prelude::*;

use super::drive::{CREATED, HELLO, LATE, NO_CONTENT, READ, UNKNOWN, push};

#[derive(Clone, Debug)]
enum Step {
    /// One of the exchanges under way is answered.
    Answer {
        which: usize,
        status: u16,
        body: String,
    },
    Fail {
        which: usize,
        is_read: bool,
    },
    Pass(u64),
    Back(u64),
    ToTimeout,
    Send(usize),
    Read(usize),
    /// An answer to an exchange that isn't under way any more.
    Stale {
        body: String,
    },
}

fn body() -> impl Strategy<Value = String> {
    let known = [
        CREATED,
        HELLO,
        NO_CONTENT,
        READ,
        LATE,
        UNKNOWN,
        r#"{"status":410}"#,
        r#"{"status":403}"#,
        "<html>",
        r#"{"messages":[1,"[2]",{}],"status":200}"#,
        r#"{"messages":[],"status":200}"#,
        r#"{"messages":["#,
        "",
        r#"{"messages":{},"status":204}"#,
        r#"{"status":204,"token":null}"#,
    ];
    prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => r#"\{"messages":\[("\PC{0,5}",?){0,3}\],"status":[0-9]{1,4}\}?"#,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![12 => Just(200), 2 => Just(500), 1 => any::<u16>()];
    prop_oneof![
        8 => (0_usize..2, status, body()).prop_map(|(which, status, body)| Step::Answer { which, status, body }),
        2 => (0_usize..2, any::<bool>()).prop_map(|(which, is_read)| Step::Fail { which, is_read }),
        2 => (0_u64..12_000).prop_map(Step::Pass),
        1 => (0_u64..12_000).prop_map(Step::Back),
        3 => Just(Step::ToTimeout),
        3 => (1_usize..120).prop_map(Step::Send),
        3 => (0_usize..9).prop_map(Step::Read),
        1 => body().prop_map(|body| Step::Stale { body }),
    ]
}

/// A driver that checks everything.
struct Checked {
    session: Session,
    now: Instant,
    under_way: Vec<Exchange>,
    old: VecDeque<Exchange>,
    sent: u64,
    /// Lines of POSTs that may have been read, in order.
    arrived: Vec<String>,
    /// The body that the server certainly didn't read, which is the only one that may come again.
    unread: Option<Vec<u8>>,
    is_closed: bool,
    is_open: bool,
    /// The outputs as text.
    log: String,
}

impl Checked {
    fn new(place: TokenPlace) -> Self {
        let request = Endpoint::default().request("2.0.0");
        let session = Session::new(&request, SessionConfig::default(), place);
        let (under_way, old) = (Vec::new(), VecDeque::new());
        Checked {
            session,
            now: Instant::EPOCH,
            under_way,
            old,
            sent: 0,
            arrived: Vec::new(),
            unread: None,
            is_closed: false,
            is_open: false,
            log: String::new(),
        }
    }

    /// Makes the exchanges. An input never makes more than two.
    fn exchanges(&mut self) {
        for count in 0.. {
            let Some(exchange) = self.session.poll_exchange(self.now) else { break };
            assert!(count < 2, "{exchange:?}");
            assert!(!self.is_closed, "an exchange after the end");
            self.log += &format!("{} {} {exchange:?}\n", exchange.method(), exchange.target());
            let is_post = exchange.kind() == ExchangeKind::Post;
            if is_post {
                assert!(!exchange.body().is_empty() && exchange.body().len() <= 7_900_000);
                assert!(exchange.body().split(|byte| *byte == b'\n').count() <= 100);
                assert!(!exchange.body().ends_with(b"\n"));
                if let Some(unread) = self.unread.take() {
                    assert_eq!(unread, exchange.body().to_vec(), "what wasn't read comes first");
                }
            }
            self.under_way.push(exchange);
            let posts = self.under_way.iter().filter(|it| it.kind() == ExchangeKind::Post).count();
            assert!(posts <= 1 && self.under_way.len() - posts <= 1, "{:?}", self.under_way);
        }
    }

    fn take(&mut self, which: usize) -> Option<Exchange> {
        let which = which.checked_rem(self.under_way.len())?;
        let exchange = self.under_way.remove(which);
        self.old.push_back(exchange.clone());
        Some(exchange)
    }

    fn post_ended(&mut self, exchange: &Exchange, was_read: bool) {
        if exchange.kind() != ExchangeKind::Post {
            return;
        }
        if was_read {
            let text = String::from_utf8(exchange.body().to_vec()).unwrap();
            self.arrived.extend(text.split('\n').map(str::to_owned));
        } else {
            self.unread = Some(exchange.body().to_vec());
        }
    }

    fn read(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.session.poll_event() else { break };
            assert!(!self.is_closed, "{event:?} after the end");
            self.log += &format!("{event:?}\n");
            match event {
                SessionEvent::Opened => assert!(!std::mem::replace(&mut self.is_open, true)),
                SessionEvent::Closed(_) => self.is_closed = true,
                SessionEvent::Frame(_) | SessionEvent::Gap => assert!(self.is_open),
                other => panic!("{other:?}"),
            }
        }
        self.exchanges();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Answer { which, status, body } => {
                let Some(exchange) = self.take(*which) else { return };
                let is_unread =
                    *status == 200 && matches!(&**body, UNKNOWN | CREATED | r#"{"status":410}"#);
                self.post_ended(&exchange, !is_unread);
                let answer = Answer::new(*status, body.clone());
                self.session.handle_answer(self.now, exchange.id(), answer);
            }
            Step::Fail { which, is_read } => {
                let Some(exchange) = self.take(*which) else { return };
                self.post_ended(&exchange, *is_read);
                let cause = CloseCause::io("reset");
                let unanswered =
                    if *is_read { Unanswered::Unknown(cause) } else { Unanswered::NotRead(cause) };
                self.session.handle_unanswered(self.now, exchange.id(), unanswered);
            }
            Step::Pass(millis) => {
                self.now = self.now + Duration::from_millis(*millis);
                self.session.handle_timeout(self.now);
            }
            Step::Back(millis) => {
                let since = self.now.since_epoch().saturating_sub(Duration::from_millis(*millis));
                self.session.handle_timeout(Instant::from_epoch(since));
            }
            Step::ToTimeout => {
                let Some(until) = self.session.poll_timeout() else { return };
                assert!(until >= self.now || self.is_closed, "a timeout in the past");
                self.now = self.now.max(until);
                self.session.handle_timeout(self.now);
                assert!(self.session.poll_timeout().is_none_or(|next| next > until));
            }
            Step::Send(count) => {
                for _ in 0..*count {
                    let has_room = self.session.room().is_some();
                    let refused = self.session.send(push(self.sent)).is_err();
                    assert!(!refused || !has_room);
                    if refused {
                        break;
                    }
                    self.sent += 1;
                }
            }
            Step::Read(count) => self.read(*count),
            Step::Stale { body } => {
                let Some(exchange) = self.old.pop_front() else { return };
                self.session.handle_answer(self.now, exchange.id(), Answer::new(200, body.clone()));
            }
        }
        self.exchanges();
    }

    fn end(&mut self) {
        self.read(usize::MAX);
        // Order kept, none twice, none left out.
        let expected: Vec<_> = (0..).map(push).take(self.arrived.len()).collect();
        let arrived = self.arrived.iter().map(|line| Frame::text(line.clone()));
        assert!(arrived.eq(expected), "{:?}", self.arrived);
        if self.is_closed {
            assert_eq!((self.session.poll_timeout(), self.session.room()), (None, None));
        }
    }
}

proptest! {
    #[test]
    fn one_poll_and_one_post_in_order_and_none_twice(
        steps in prop::collection::vec(step(), 0..60),
        is_opened in prop::bool::weighted(0.9),
        place in prop::sample::select(vec![TokenPlace::Unknown, TokenPlace::Header, TokenPlace::Query]),
    ) {
        let run = || {
            let mut checked = Checked::new(place);
            checked.exchanges();
            if is_opened {
                checked.step(&Step::Answer { which: 0, status: 200, body: CREATED.to_owned() });
            }
            steps.iter().for_each(|step| checked.step(step));
            checked.end();
            checked.log
        };
        prop_assert_eq!(run(), run(), "equal inputs give equal outputs");
    }

    /// A server that answers everything at once, without messages: the session doesn't spin.
    #[test]
    fn exchanges_in_a_second_are_bounded(
        bodies in prop::collection::vec(
            prop::sample::select(vec![(200, NO_CONTENT), (200, UNKNOWN), (500, ""), (200, LATE), (0, ""), (1, "")]), 1..8,
        ),
    ) {
        let mut checked = Checked::new(TokenPlace::Unknown);
        checked.exchanges();
        checked.step(&Step::Answer { which: 0, status: 200, body: CREATED.to_owned() });
        let (mut polls, mut bodies) = (Vec::new(), bodies.into_iter().cycle());
        while checked.now < Instant::EPOCH + Duration::from_secs(60) && polls.len() < 1_000 {
            checked.read(usize::MAX);
            if let Some(poll) = checked.under_way.first() {
                assert_eq!(poll.kind(), ExchangeKind::Poll);
                polls.push(checked.now);
                let (status, body) = bodies.next().unwrap();
                checked.step(&match status {
                    0 | 1 => Step::Fail { which: 0, is_read: status == 1 },
                    status => Step::Answer { which: 0, status, body: body.to_owned() },
                });
            } else if checked.session.poll_timeout().is_some() {
                checked.step(&Step::ToTimeout);
            } else {
                break;
            }
        }
        for (number, poll) in polls.iter().enumerate() {
            let within = polls[number..].iter().take_while(|at| at.saturating_duration_since(*poll) < Duration::from_secs(1));
            prop_assert!(within.count() <= 15, "{polls:?}");
        }
        prop_assert!(polls.len() <= 100, "{} polls in a minute", polls.len());
    }
}
