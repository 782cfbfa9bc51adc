//! The limited rate of joins ends when the server accepts them again.

use std::time::Duration;

use crate::common::{Script, ms, quiet, reply, secs};
use crate::turns::always;
use phx_proto::{
    Action, ChannelId, ChannelState, CloseCause, CloseCode, Frame, Instant, Payload, SendReason,
    Serializer, Socket, TransportId, V2Server,
};

/// A socket whose server answers each join after 10 ms.
struct Busy {
    socket: Socket,
    now: Instant,
    transport: Option<TransportId>,
    channels: Vec<ChannelId>,
    joins: Vec<Frame>,
}

impl Busy {
    fn new(channels: usize, seed: u64) -> Self {
        let mut socket = Socket::new(always(), seed);
        let now = Instant::EPOCH;
        let join = |number| {
            let channel = socket.channel(format!("room:{number}"), Payload::empty()).unwrap();
            socket.join(now, channel, None).unwrap();
            channel
        };
        let channels = (0..channels).map(join).collect();
        socket.connect(now);
        Busy { socket, now, transport: None, channels, joins: Vec::new() }
    }

    fn all_joined(&self) -> bool {
        let is_joined = |id| self.socket.channel_state(id) == Some(ChannelState::Joined);
        self.channels.iter().all(|id| is_joined(*id))
    }

    /// Runs until all channels are joined, or up to the limit. Returns the time.
    fn run(&mut self, limit: Duration, mut accepts: impl FnMut(Duration) -> bool) -> Duration {
        let start = self.now;
        loop {
            let elapsed = self.now.saturating_duration_since(start);
            for join in std::mem::take(&mut self.joins) {
                self.answer(&join, accepts(elapsed));
            }
            self.act();
            while self.socket.poll_event().is_some() {}
            if elapsed >= limit || self.all_joined() {
                return elapsed;
            }
            self.now = self.now + ms(10);
            self.socket.handle_timeout(self.now);
        }
    }

    fn answer(&mut self, join: &Frame, accepted: bool) {
        let join = V2Server.decode(join.clone()).unwrap();
        let frame = reply(&join, if accepted { "ok" } else { "error" }, Payload::empty());
        self.socket.handle_frame(self.now, self.transport.unwrap(), frame);
    }

    fn act(&mut self) {
        while let Some(action) = self.socket.poll_action() {
            match action {
                Action::Connect { transport, .. } => {
                    self.transport = Some(transport);
                    self.socket.handle_opened(self.now, transport);
                }
                Action::Send { frame, why: SendReason::Join(_), .. } => self.joins.push(frame),
                _ => {}
            }
        }
    }
}

#[test]
fn a_server_that_was_busy_is_joined_within_thirty_seconds() {
    for (count, busy) in [
        (1_000, ms(0)),
        (1_000, ms(500)),
        (1_000, secs(2)),
        (1_000, secs(5)),
        (10_000, ms(500)),
        (10_000, secs(2)),
    ] {
        for seed in 0..3 {
            let took = Busy::new(count, seed).run(secs(600), |elapsed| elapsed >= busy);
            assert!(took <= secs(30), "{count} channels, busy for {busy:?}, seed {seed}: {took:?}");
        }
    }
}

/// Joins accepted before the server became busy limit the rate, but not for ever.
#[test]
fn a_server_that_becomes_busy_in_between_twice_is_joined_within_a_minute() {
    for seed in 0..3 {
        let accepts = |elapsed: Duration| {
            let busy = |from| elapsed >= from && elapsed < from + secs(2);
            !busy(ms(0)) && !busy(secs(6))
        };
        let took = Busy::new(5_000, seed).run(secs(600), accepts);
        assert!(took <= secs(60), "seed {seed}: {took:?}");
    }
}

/// Creates a connected socket with two hundred channels that join at a limited rate.
fn paced() -> Busy {
    let mut busy = Busy::new(200, 1);
    busy.act();
    let end = CloseCause::frame(CloseCode::from_u16(1011), "");
    busy.socket.handle_closed(busy.now, busy.transport.unwrap(), end);
    busy.joins.clear();
    let took = busy.run(secs(60), |_| true);
    assert!(took >= secs(5) && took < secs(30), "these are spread: {took:?}");
    busy
}

#[test]
fn a_connection_that_ended_long_ago_slows_nothing_down() {
    for idle in [secs(5), secs(3_600)] {
        let mut busy = paced();
        for reconnect in 0..4 {
            busy.now = busy.now + idle;
            busy.socket.handle_timeout(busy.now);
            busy.act();
            assert!(busy.socket.reconnect_now(busy.now));
            let took = busy.run(secs(60), |_| true);
            assert!(took <= ms(200), "idle for {idle:?}, reconnect {reconnect}: {took:?}");
        }
    }
}

#[test]
fn what_the_client_itself_ended_counts_against_no_server() {
    let ends: [fn(&mut Script); 2] = [
        |s| assert!(s.reconnect_now()),
        |s| {
            s.disconnect();
            s.closed(CloseCause::frame(CloseCode::NORMAL, ""));
            s.connect();
        },
    ];
    for end in ends {
        let mut s = Script::open(quiet());
        for number in 0..5 {
            let channel = s.channel(&format!("room:{number}"));
            s.join(channel);
        }
        for _ in 0..3 {
            end(&mut s);
            s.forget_lines();
            s.opened();
            assert_eq!(s.actions().len(), 5, "all at once");
        }
        // A lost connection between two requested ends isn't the second in a row.
        for _ in 0..2 {
            s.lost();
            s.wait_for_timeout();
            s.forget_lines();
            s.opened();
            assert_eq!(s.actions().len(), 5, "all at once");
            end(&mut s);
            s.opened();
        }
    }
}

/// An unrequested end counts, whether the driver or the core noticed it.
#[test]
fn connections_that_die_with_joins_unanswered_count_too() {
    let mut config = quiet();
    config.heartbeat_interval = Some(secs(2));
    config.heartbeat_timeout = secs(2);
    let mut s = Script::open(config);
    for number in 0..5 {
        let channel = s.channel(&format!("room:{number}"));
        s.join(channel);
    }
    for joins in [5, 1] {
        while s.socket.is_connected() {
            s.wait_for_timeout();
        }
        while !s.actions().iter().any(|action| action.starts_with("connect ")) {
            s.wait_for_timeout();
        }
        s.opened();
        let sent = s.actions();
        let sent = sent.iter().filter(|action| action.starts_with("send phx_join")).count();
        assert_eq!(sent, joins);
    }
}
