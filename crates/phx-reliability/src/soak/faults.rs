//! The faults of a soak: one after another, at random, on some connections or on all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use fastrand::Rng;
use phx_client::{ByteString, CloseCode, Frame};
use phx_testing::fault_proxy::{ConnectionId, Connections, Direction, FaultProxy};
use phx_testing::listener::Listener;
use phx_testing::{Connectivity, UpgradeRejection};

use super::host::Host;
use crate::ledger::room::Order;
use crate::matrix::is_wanted;

/// A fault: its name and its action, on all connections and as bad as it gets, or on some.
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

/// Longer than it takes to notice, to connect and to join, on however busy a machine.
const SETTLING: Duration = Duration::from_secs(4);

/// Largest delay of each direction.
const MAX_LATENCY: Duration = Duration::from_millis(400);

/// The server, the proxy before it, and what was done to them.
pub(super) struct Faults {
    host: Host,
    proxy: FaultProxy,
    rng: Rng,
    every: Duration,
    wanted: Vec<&'static Fault>,
    /// Connections that their clients have given up after this time, and the server hasn't.
    silent: VecDeque<(Instant, ConnectionId)>,
    /// Every kind once, in random order, before any comes again.
    to_come: Vec<&'static Fault>,
    done: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(super) fn new(
        host: Host,
        seed: u64,
        every: Duration,
        only: &[String],
    ) -> anyhow::Result<Self> {
        let wanted: Vec<_> = ALL.iter().filter(|fault| is_wanted(only, fault.name)).collect();
        let names = || ALL.iter().map(|fault| fault.name).collect::<Vec<_>>().join(", ");
        ensure!(!wanted.is_empty(), "there are no such faults; there are {}", names());
        let proxy = FaultProxy::start(host.port().address())?;
        let (silent, to_come, done) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let rng = Rng::with_seed(seed);
        Ok(Faults { host, proxy, rng, every, wanted, silent, to_come, done })
    }

    /// Returns the address to which clients connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Strikes with every kind of fault, on all clients and at its worst, so that the memory has been at its peaks:
    /// once in order and once at random, since each fault meets the state that the one before has left.
    pub(super) fn warm_up(&mut self) -> anyhow::Result<()> {
        let mut again: Vec<_> = ALL.iter().collect();
        self.rng.shuffle(&mut again);
        for fault in ALL.iter().chain(again) {
            let next = Instant::now() + self.every;
            self.begin(fault, true)?;
            pass(next - self.every / 2);
            self.heal()?;
            pass(next);
        }
        Ok(())
    }

    /// Makes faults until then.
    pub(super) fn until(&mut self, end: Instant) -> anyhow::Result<()> {
        loop {
            let next = Instant::now() + self.every;
            // Between two faults there is a time without any.
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

    /// Ends all faults and all connections, and gives the clients time to make new ones: a connection
    /// keeps the buffers that its peaks needed for as long as it lives, and one that was given up
    /// without the server's knowledge lives on there.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.heal()?;
        self.proxy.all().cut();
        // Connections that fell silent would stay with the server for as long as it waits for them.
        self.host.stop(false);
        self.host.listen()?;
        pass(Instant::now() + SETTLING);
        Ok(())
    }

    /// Ends what doesn't end by itself.
    pub(super) fn heal(&mut self) -> anyhow::Result<()> {
        self.proxy.set_connectivity(Connectivity::Online)?;
        self.proxy.all().resume();
        self.proxy.set_latency(Duration::ZERO);
        // They would pile up.
        let noticed = self.silent.partition_point(|(at, _)| *at <= Instant::now());
        for (_, id) in self.silent.drain(..noticed) {
            self.proxy.connection(id).cut();
        }
        self.host.listen()
    }

    fn begin(&mut self, fault: &Fault, everybody: bool) -> anyhow::Result<()> {
        let direction = if self.rng.bool() { Direction::ToServer } else { Direction::ToClient };
        let bytes = self.rng.u64(0..500);
        (fault.strike)(self, Blow { everybody, direction, bytes })
    }

    fn at_host(&self, fault: impl FnOnce(&Listener)) {
        self.host.listener().map(fault);
    }

    /// Does it to all connections; or to one of them, to a third, or to all.
    fn each(&mut self, blow: Blow, fault: impl Fn(Connections<'_>)) {
        let some = self.some(blow);
        some.into_iter().for_each(|id| fault(self.proxy.connection(id)));
    }

    /// The same; clients notice that nothing comes any more, and the server doesn't.
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

    /// About half of all.
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
