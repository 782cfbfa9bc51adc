//! Joins take turns: a limited number at a time, in order, and spread over time after the server rejected a burst.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::{NOTHING, Script, json, ms, quiet, quiet_but, secs};
use phx_proto::{
    ChannelId, ChannelState, CloseCause, CloseCode, Config, Instant, Params, RejoinPolicy,
    TimeoutReason,
};

fn at_a_time(joins: usize) -> Config {
    quiet_but(|config| config.max_joins_in_flight = joins)
}

/// Creates channels and joins them.
fn joining(s: &mut Script, count: usize) -> Vec<ChannelId> {
    let join = |number| {
        let channel = s.channel(&format!("room:{number}"));
        s.join(channel);
        channel
    };
    (0..count).map(join).collect()
}

fn accept(s: &mut Script, number: usize) {
    s.reply(&format!("phx_join room:{number}"), "ok", "{}");
}

#[test]
fn further_joins_wait_for_their_turn_in_order() {
    let mut s = Script::open(at_a_time(2));
    let channels = joining(&mut s, 5);
    assert_eq!(s.actions(), ["send phx_join room:0", "send phx_join room:1"]);
    for channel in channels {
        assert_eq!(s.socket.channel_state(channel), Some(ChannelState::Joining));
    }
    accept(&mut s, 1);
    assert_eq!(s.actions(), ["send phx_join room:2"]);
    s.reply("phx_join room:0", "error", "{}");
    assert_eq!(s.actions(), ["send phx_join room:3"], "whatever the answer");
    accept(&mut s, 2);
    accept(&mut s, 3);
    assert_eq!(s.actions(), ["send phx_join room:4"]);
}

/// phoenix.js sends all joins at once, and all again when they are rejected.
#[test]
fn a_hundred_are_under_way_by_default_and_rejected_ones_are_spread() {
    let mut s = Script::open(quiet_but(|config| config.rejoin_policy = RejoinPolicy::always()));
    joining(&mut s, 101);
    assert_eq!(s.actions().len(), 100);
    for number in 0..100 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 1);
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 10);
}

#[test]
fn none_at_a_time_counts_as_one() {
    let mut s = Script::open(at_a_time(0));
    joining(&mut s, 2);
    assert_eq!(s.actions(), ["send phx_join room:0"]);
    accept(&mut s, 0);
    assert_eq!(s.actions(), ["send phx_join room:1"]);
}

#[test]
fn an_attempt_has_its_time_from_its_turn_and_the_call_from_the_call() {
    let mut s = Script::open(at_a_time(1));
    joining(&mut s, 3);
    s.wait(secs(6));
    accept(&mut s, 0);
    s.forget_lines();
    // The calls have timed out after 10 s, but the second channel's attempt hasn't.
    s.wait(secs(4));
    assert_eq!(s.events(), ["join room:1: timed out", "join room:2: timed out"]);
    assert_eq!(s.actions(), NOTHING);
    s.wait(ms(5_999));
    assert_eq!(s.events(), NOTHING);
    s.wait(ms(1));
    assert_eq!(s.events(), ["room:1 join failed: timed out, retry in 1s"]);
    assert_eq!(s.actions(), ["send phx_leave room:1", "send phx_join room:2"], "its turn is free");
    accept(&mut s, 2);
    assert_eq!(s.events(), ["room:2 joined {}"], "waiting for a turn was no failure");
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:1"]);
}

#[test]
fn who_is_left_closed_or_removed_gives_its_turn_to_the_next() {
    let mut s = Script::open(at_a_time(1));
    let channels = joining(&mut s, 7);
    s.forget_lines();
    // Waiting for its turn.
    s.leave(channels[1]);
    assert!(s.remove(channels[2]));
    assert_eq!(s.actions(), NOTHING, "the server knows of neither");
    assert_eq!(s.socket.channel_state(channels[1]), Some(ChannelState::Closed));
    // Sent, without an answer.
    s.leave(channels[0]);
    assert_eq!(s.actions(), ["send phx_leave room:0", "send phx_join room:3"]);
    s.server_push("room:3", "phx_close");
    assert_eq!(s.actions(), ["send phx_join room:4"]);
    s.server_push("room:4", "phx_error");
    assert_eq!(s.actions(), ["send phx_join room:5"]);
    assert!(s.remove(channels[5]));
    assert_eq!(s.actions(), ["send phx_leave room:5", "send phx_join room:6"]);
    accept(&mut s, 6);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:4"]);
}

#[test]
fn params_are_asked_for_when_it_is_the_channels_turn() {
    let mut s = Script::open(at_a_time(1));
    for topic in ["room:0", "room:1", "room:2"] {
        let channel = s.channel_with(topic, Params::OnRequest).unwrap();
        s.join(channel);
    }
    assert_eq!(s.actions(), ["params room:0"]);
    s.make_params("room:0", Some(json("{}")));
    assert_eq!(s.actions(), ["send phx_join room:0"], "it keeps its turn");
    accept(&mut s, 0);
    assert_eq!(s.actions(), ["params room:1"]);
    s.make_params("room:1", None);
    assert_eq!(s.actions(), ["params room:2"]);
    s.stuck = true;
    s.make_params("room:2", Some(json("{}")));
    s.wait(secs(1));
    assert_eq!(s.actions(), NOTHING, "a join that the transport hasn't taken is under way too");
    s.stuck = false;
    assert_eq!(s.actions(), ["send phx_join room:2"]);
}

#[test]
fn the_end_of_the_connection_ends_all_turns() {
    let mut s = Script::open(at_a_time(2));
    joining(&mut s, 5);
    accept(&mut s, 0);
    for end in [Script::lost, |s: &mut Script| assert!(s.reconnect_now())] {
        end(&mut s);
        s.wait(secs(2));
        s.forget_lines();
        s.opened();
        let joins = s.actions();
        assert_eq!(joins[..1], ["send phx_join room:0"], "in the order in which they were made");
        s.wait(secs(3));
    }
    s.disconnect();
    let transport = s.transport();
    s.closed_on(transport, CloseCause::frame(CloseCode::NORMAL, ""));
    s.wait(secs(12));
    assert_eq!(s.socket.poll_timeout(), None);
    s.forget_lines();
    s.connect();
    s.opened();
    assert_eq!(s.actions().len(), 3, "a connection and two joins");
}

/// Two connections in a row that end during joins aren't chance, unless the server restarts, which it reports with
/// another code.
#[test]
fn connections_that_end_with_joins_unanswered_spread_the_next_ones() {
    let frame = |code| CloseCause::frame(CloseCode::from_u16(code), "");
    let lost = CloseCause::io("");
    for (ends, at_once) in [
        (vec![lost.clone()], 5),
        (vec![frame(1012)], 5),
        (vec![frame(1008)], 1),
        (vec![frame(4000)], 1),
        (vec![lost.clone(), frame(1000)], 1),
        (vec![lost.clone(), lost], 1),
    ] {
        let mut s = Script::open(quiet());
        joining(&mut s, 5);
        for end in ends.clone() {
            s.closed(end);
            s.wait_for_timeout();
            s.forget_lines();
            s.opened();
        }
        assert_eq!(s.actions().len(), at_once, "{ends:?}");
        s.wait(secs(1));
        for number in 0..5 {
            accept(&mut s, number);
        }
        s.wait(secs(3));
        s.lost();
        s.wait_for_timeout();
        s.forget_lines();
        s.opened();
        assert_eq!(s.actions().len(), 5, "all were joined when this one ended");
    }
}

/// A server with a rate limit of joins: it rejects the others, or ends the connection.
struct Limiter {
    joins: VecDeque<Instant>,
    closes: bool,
}

impl Limiter {
    const PER_SECOND: usize = 20;

    fn new(closes: bool) -> Self {
        Limiter { joins: VecDeque::new(), closes }
    }

    /// Returns true if this join exceeds the rate. Rejected joins count as well.
    fn is_too_much(&mut self, now: Instant) -> bool {
        self.joins.push_back(now);
        self.joins.retain(|at| now.saturating_duration_since(*at) < secs(1));
        self.joins.len() > Self::PER_SECOND
    }

    /// Answers frames until this number of channels are joined, and returns the time.
    fn joins_all(&mut self, s: &mut Script, count: usize) -> Duration {
        let start = s.now;
        let is_joined = |s: &Script, number| {
            let channel = s.socket.channel_of(&format!("room:{number}")).unwrap();
            s.socket.channel_state(channel) == Some(ChannelState::Joined)
        };
        while !(0..count).all(|number| is_joined(s, number)) {
            assert!(s.now.saturating_duration_since(start) < secs(60), "it takes too long");
            let actions = s.actions();
            for action in &actions {
                if action.starts_with("connect ") {
                    s.opened();
                } else if let Some(topic) = action.strip_prefix("send phx_join ") {
                    self.answer(s, topic);
                }
            }
            if actions.is_empty() {
                s.wait_for_timeout();
            }
        }
        s.now.saturating_duration_since(start)
    }

    fn answer(&mut self, s: &mut Script, topic: &str) {
        let words = format!("phx_join {topic}");
        if !s.socket.is_connected() {
            // The connection ended before this was read.
        } else if !self.is_too_much(s.now) {
            s.reply(&words, "ok", "{}");
        } else if self.closes {
            self.joins.clear();
            s.closed(CloseCause::frame(CloseCode::from_u16(1008), "too many joins"));
        } else {
            s.reply(&words, "error", r#"{"reason":"too many joins"}"#);
        }
    }
}

pub(crate) fn always() -> Config {
    let mut config = Config::default();
    config.heartbeat_interval = None;
    config.rejoin_policy = RejoinPolicy::always();
    config
}

#[test]
fn fifty_channels_are_joined_within_ten_seconds_by_a_server_that_takes_twenty_a_second() {
    for (seed, closes) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut s = Script::with_seed(always(), seed);
        joining(&mut s, 50);
        s.connect();
        let took = Limiter::new(closes).joins_all(&mut s, 50);
        assert!(took <= secs(10), "joins, closes {closes}, seed {seed}: {took:?}");
        s.wait(secs(60));
        // And again.
        s.lost();
        let took = Limiter::new(closes).joins_all(&mut s, 50);
        assert!(took <= secs(10), "rejoins, closes {closes}, seed {seed}: {took:?}");
    }
}

#[test]
fn many_more_are_joined_as_fast_as_the_server_takes_them() {
    for (seed, closes) in (0..5).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut s = Script::with_seed(always(), seed);
        joining(&mut s, 400);
        s.connect();
        let took = Limiter::new(closes).joins_all(&mut s, 400);
        assert!(took <= secs(55), "closes {closes}, seed {seed}: {took:?}");
    }
}

/// Creates a connected socket with channels that rejoin after a lost connection.
fn rejoining(count: usize) -> Script {
    let mut s = Script::open(quiet());
    joining(&mut s, count);
    for number in 0..count {
        accept(&mut s, number);
    }
    s.reconnect();
    s
}

#[test]
fn fewer_than_five_rejections_within_a_second_spread_nothing() {
    let mut s = rejoining(20);
    for number in 0..4 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 4, "all at once, by their schedules");
    for number in 4..8 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 4);
}

#[test]
fn after_five_they_are_ten_a_second_and_more_with_each_that_is_accepted() {
    let mut s = rejoining(20);
    for number in 0..20 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:0"]);
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::NextJoin));
    s.wait(ms(99));
    assert_eq!(s.actions(), NOTHING);
    s.wait(ms(1));
    assert_eq!(s.actions(), ["send phx_join room:1"]);
    for number in 0..8 {
        s.wait(ms(200));
        accept(&mut s, number);
    }
    s.wait_for_timeout();
    s.forget_lines();
    // Eight more in eight seconds than eighty.
    assert!(s.next_timeout().unwrap() < ms(92), "{:?}", s.next_timeout());
    // A channel that was accepted and then crashes alone doesn't wait long.
    s.wait(secs(20));
    s.forget_lines();
    s.server_push("room:0", "phx_error");
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:0"]);
}

#[test]
fn no_limit_spreads_nothing() {
    let mut config = always();
    config.max_joins_in_flight = usize::MAX;
    config.rejoin = config.rejoin.with_jitter_percent(0);
    let mut s = Script::open(config);
    joining(&mut s, 300);
    assert_eq!(s.actions().len(), 300);
    for number in 0..300 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 300);
    for _ in 0..2 {
        s.reconnect_now();
        s.lost();
        s.wait(secs(2));
        s.opened();
    }
}
