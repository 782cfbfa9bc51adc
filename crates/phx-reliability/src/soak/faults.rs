//! Faults of a soak: one after another, at random, on some connections or on all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use phx_client::{ByteString, CloseCode, Frame};
use phx_testing::fault_proxy::{ConnectionId, Connections, Direction, FaultProxy};
use phx_testing::listener::Listener;
use phx_testing::{Connectivity, UpgradeRejection};

use super::host::Host;
use super::stats::Stats;
use crate::ledger::room::Order;
use crate::matrix::is_wanted;

/// A fault: its name and its action, on all connections at its worst, or on some.
struct Fault {
    name: &'static str,
    strike: fn(&mut Faults, Blow) -> anyhow::Result<()>,
}

/// Targets, direction and size of a fault.
#[derive(Clone, Copy)]
struct Blow {
    everybody: bool,
    direction: Direction,
    bytes: u64,
}

macro_rules! faults {
    ($($name:ident |$it:ident, $blow:tt| $strike:expr;)*) => {
        &[$(Fault {
            name: stringify!($name),
            strike: |$it, $blow| {
                $strike;
                Ok(())
            },
        },)*]
    };
}

const ALL: &[Fault] = faults! {
    Cut |it, blow| it.each(blow, |some| some.cut());
    CutMidFrame |it, blow| it.each(blow, |some| some.cut_after(blow.direction, blow.bytes));
    End |it, blow| it.each(blow, |some| some.end());
    HalfOpen |it, blow| it.silence(blow, |some| some.half_open());
    Swallow |it, blow| it.silence(blow, |some| some.swallow(blow.direction));
    Stall |it, blow| it.each(blow, |some| some.stall());
    Delay |it, blow| {
        let part = if blow.everybody { 1.0 } else { it.rng.f64() };
        it.proxy.set_latency(MAX_LATENCY.mul_f64(part));
    };
    Garble |it, blow| it.each(blow, |some| some.alter_after(blow.direction, blow.bytes));
    PortClosed |it, blow| {
        it.proxy.set_connectivity(Connectivity::Offline)?;
        it.each(blow, |some| some.cut());
    };
    HandshakeUnanswered |it, blow| {
        it.proxy.set_connectivity(Connectivity::Silent)?;
        it.each(blow, |some| some.cut());
    };
    HandshakeCut |it, blow| {
        it.proxy.next().cut_after(blow.direction, blow.bytes);
        it.each(blow, |some| some.cut());
    };
    HandshakeRefused |it, blow| {
        it.at_host(|listener| (0..5).for_each(|_| listener.refuse_next(UpgradeRejection::new(503))));
        it.each(blow, |some| some.cut());
    };
    ServerRestarts |it, _| it.host.stop(true);
    ServerDies |it, _| it.host.stop(false);
    ServerCloses |it, _| {
        let code = *it.rng.choice(&[1000, 1001, 1011, 1012]).unwrap_or(&1000);
        it.at_host(|listener| listener.all().close(CloseCode::from_u16(code)));
    };
    ServerDrains |it, _| it.at_host(Listener::drain);
    MalformedFrame |it, _| {
        it.at_host(|listener| listener.all().inject(&Frame::text("[garbage")));
    };
    ChannelsCrash |it, _| it.crash_channels();
};

/// Faults of a soak that switches between WebSocket and long-poll, besides most of [`ALL`]. The first one leads to
/// long-poll, and the last one back.
const SWITCHING: &[Fault] = faults! {
    FramesVanish |it, blow| {
        it.proxy.swallow_frames(true);
        it.each(blow, |some| some.cut());
    };
    PollsFail |it, blow| {
        let polls = if blow.everybody { 100 } else { it.rng.u8(1..30) };
        it.at_host(|listener| listener.with(|server, _| {
            (0..polls).for_each(|_| server.fail_next_poll());
        }));
    };
    PollsAborted |it, _| it.at_host(Listener::abort_polls);
    PostsSlow |it, _| {
        it.at_host(|listener| listener.with(|server, _| server.delay_posts(MAX_POST_DELAY)));
    };
    SessionsBusy |it, blow| it.keep_busy(blow);
    IdleClosed |it, _| it.at_host(Listener::close_idle);
    FramesPass |it, _| {
        // A WebSocket that has lost frames ends first, since it must not go on.
        it.proxy.all().cut();
        it.proxy.swallow_frames(false);
        it.stats.retry_web_sockets();
    };
};

/// Faults that a soak which switches doesn't have: where long-poll may lose messages, the records can't distinguish the
/// effects of these from a client's fault.
const NOT_SWITCHING: [&str; 3] = ["Garble", "MalformedFrame", "ChannelsCrash"];

/// Time that slow answers to POSTs take.
const MAX_POST_DELAY: Duration = Duration::from_secs(1);

/// Time for which a session is kept busy; after 2 s its requests find it gone.
const BUSY: Duration = Duration::from_millis(2500);

/// Time within which clients notice a fault, connect and join, on a busy machine as well.
const SETTLING: Duration = Duration::from_secs(4);

/// Largest delay of each direction.
const MAX_LATENCY: Duration = Duration::from_millis(400);

/// The server, the proxy before it, and the state of their faults.
pub(super) struct Faults {
    host: Host,
    proxy: FaultProxy,
    rng: Rng,
    every: Duration,
    stats: Arc<Stats>,
    all: Vec<&'static Fault>,
    wanted: Vec<&'static Fault>,
    /// Connections that the server still holds, with the time after which their clients have given them up.
    silent: VecDeque<(Instant, ConnectionId)>,
    /// Faults that remain before each kind comes again, in random order.
    to_come: Vec<&'static Fault>,
    done: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(super) fn new(
        host: Host,
        seed: u64,
        every: Duration,
        only: &[String],
        (stats, switching): (&Arc<Stats>, bool),
    ) -> anyhow::Result<Self> {
        let all: Vec<_> = if switching {
            let others = ALL.iter().filter(|fault| !NOT_SWITCHING.contains(&fault.name));
            let (last, first) = SWITCHING.split_last().context("a list of faults")?;
            first.iter().chain(others).chain([last]).collect()
        } else {
            ALL.iter().collect()
        };
        let wanted = |fault: &&&Fault| is_wanted(only, fault.name);
        let wanted: Vec<_> = all.iter().filter(wanted).copied().collect();
        let names = || all.iter().map(|fault| fault.name).collect::<Vec<_>>().join(", ");
        ensure!(!wanted.is_empty(), "there are no such faults; there are {}", names());
        let proxy = FaultProxy::start(host.port().address())?;
        let (silent, to_come, done) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let rng = Rng::with_seed(seed);
        let stats = Arc::clone(stats);
        Ok(Faults { host, proxy, rng, every, stats, all, wanted, silent, to_come, done })
    }

    /// Returns the address to which clients connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Applies every kind of fault to all clients at its worst, so that memory has reached its peaks: once in order and
    /// once at random, since each fault meets the state that the previous one left.
    pub(super) fn warm_up(&mut self) -> anyhow::Result<()> {
        let mut again = self.all.clone();
        self.rng.shuffle(&mut again);
        for fault in self.all.clone().into_iter().chain(again) {
            let next = Instant::now() + self.every;
            self.begin(fault, true)?;
            pass(next - self.every / 2);
            self.heal()?;
            pass(next);
        }
        Ok(())
    }

    /// Makes faults until `end`.
    pub(super) fn until(&mut self, end: Instant) -> anyhow::Result<()> {
        loop {
            let next = Instant::now() + self.every;
            // Each fault ends before the next one begins.
            if next > end {
                pass(end);
                return Ok(());
            }
            if self.to_come.is_empty() {
                self.to_come.clone_from(&self.wanted);
                self.rng.shuffle(&mut self.to_come);
            }
            if let Some(fault) = self.to_come.pop() {
                self.begin(fault, false)?;
                *self.done.entry(fault.name).or_default() += 1;
            }
            pass(next - self.every / 2);
            self.heal()?;
            pass(next);
        }
    }

    /// Ends all faults and all connections, and gives the clients time to reconnect. A connection keeps the buffers of
    /// its peaks, and one that only the client has given up still exists on the server.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.heal()?;
        self.proxy.all().cut();
        self.proxy.swallow_frames(false);
        // The server would keep silent connections until its idle timeout.
        self.host.stop(false);
        self.host.listen()?;
        pass(Instant::now() + SETTLING);
        Ok(())
    }

    /// Ends the faults that don't end by themselves.
    pub(super) fn heal(&mut self) -> anyhow::Result<()> {
        self.proxy.set_connectivity(Connectivity::Online)?;
        self.proxy.all().resume();
        self.proxy.set_latency(Duration::ZERO);
        // Otherwise the server would hold more and more of them.
        let noticed = self.silent.partition_point(|(at, _)| *at <= Instant::now());
        for (_, id) in self.silent.drain(..noticed) {
            self.proxy.connection(id).cut();
        }
        self.host.listen()?;
        self.at_host(|listener| listener.with(|server, _| server.heal_long_poll()));
        Ok(())
    }

    fn begin(&mut self, fault: &Fault, everybody: bool) -> anyhow::Result<()> {
        let direction = if self.rng.bool() { Direction::ToServer } else { Direction::ToClient };
        let bytes = self.rng.u64(0..500);
        (fault.strike)(self, Blow { everybody, direction, bytes })
    }

    fn at_host(&self, fault: impl FnOnce(&Listener)) {
        self.host.listener().map(fault);
    }

    /// Applies a fault to all connections, or to one, a third or all of them at random.
    fn each(&mut self, blow: Blow, fault: impl Fn(Connections<'_>)) {
        let some = self.some(blow);
        some.into_iter().for_each(|id| fault(self.proxy.connection(id)));
    }

    /// As [`each`](Self::each), for faults that the clients notice by the silence, and the server doesn't.
    fn silence(&mut self, blow: Blow, fault: impl Fn(Connections<'_>)) {
        let noticed = Instant::now() + SETTLING;
        for id in self.some(blow) {
            fault(self.proxy.connection(id));
            self.silent.push_back((noticed, id));
        }
    }

    fn some(&mut self, blow: Blow) -> Vec<ConnectionId> {
        let ids = self.proxy.connections();
        let some = match self.rng.u8(0..3) {
            _ if blow.everybody => ids.len(),
            0 => 1,
            1 => ids.len() / 3,
            _ => ids.len(),
        };
        self.rng.choose_multiple(ids, some)
    }

    /// Keeps about half of all sessions busy, or all.
    fn keep_busy(&mut self, blow: Blow) {
        let (Some(listener), rng) = (self.host.listener(), &mut self.rng) else { return };
        listener.with(|server, now| {
            let sockets: Vec<_> = server.sockets().collect();
            for socket in sockets {
                if blow.everybody || rng.bool() {
                    server.keep_busy(now, socket, BUSY);
                }
            }
        });
    }

    /// Crashes about half of all channels.
    fn crash_channels(&mut self) {
        let (Some(listener), rng) = (self.host.listener(), &mut self.rng) else { return };
        listener.with(|server, now| {
            let topics = |socket| server.topics(socket).map(move |topic| (socket, topic.clone()));
            let all: Vec<(_, ByteString)> = server.sockets().flat_map(topics).collect();
            for (socket, topic) in all {
                if rng.bool() {
                    server.send(now, socket, &topic, Order::Crash);
                }
            }
        });
    }
}

fn pass(until: Instant) {
    smol::block_on(smol::Timer::at(until));
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done: Vec<_> =
            self.done.iter().map(|(fault, count)| format!("{count} {fault}")).collect();
        write!(f, "faults: {}", done.join(", "))
    }
}
