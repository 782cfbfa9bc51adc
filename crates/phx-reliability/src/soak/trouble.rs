//! The faults of a soak: one after another, at random, on some connections or on all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use fastrand::Rng;
use phx_client::{ByteString, CloseCode, Frame};
use phx_testing::fault_proxy::{ConnectionId, Connections, Direction, FaultProxy};
use phx_testing::{Connectivity, Refusal};

use super::host::Host;
use crate::ledger::Crash;

/// What can happen. Each gets the proxy's connections that it happens to, unless it happens to the
/// server or to connections to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cut,
    CutMidFrame,
    End,
    HalfOpen,
    Swallow,
    Stall,
    Delay,
    Garble,
    PortClosed,
    HandshakeUnanswered,
    HandshakeCut,
    HandshakeRefused,
    ServerRestarts,
    ServerDies,
    ServerCloses,
    ServerDrains,
    MalformedFrame,
    ChannelsCrash,
}

const ALL: [Kind; 18] = [
    Kind::Cut,
    Kind::CutMidFrame,
    Kind::End,
    Kind::HalfOpen,
    Kind::Swallow,
    Kind::Stall,
    Kind::Delay,
    Kind::Garble,
    Kind::PortClosed,
    Kind::HandshakeUnanswered,
    Kind::HandshakeCut,
    Kind::HandshakeRefused,
    Kind::ServerRestarts,
    Kind::ServerDies,
    Kind::ServerCloses,
    Kind::ServerDrains,
    Kind::MalformedFrame,
    Kind::ChannelsCrash,
];

/// Longer than it takes to notice, to connect and to join, on however busy a machine.
const SETTLING: Duration = Duration::from_secs(4);

/// Each way.
const MAX_LATENCY: Duration = Duration::from_millis(400);

/// The server, the proxy before it, and what was done to them.
pub(super) struct Trouble {
    host: Host,
    proxy: FaultProxy,
    rng: Rng,
    every: Duration,
    wanted: Vec<Kind>,
    /// Connections that their clients have given up after this time, and the server hasn't.
    silent: VecDeque<(Instant, ConnectionId)>,
    /// Every kind once, in random order, before any comes again.
    to_come: Vec<Kind>,
    done: BTreeMap<Kind, u64>,
}

impl Trouble {
    pub(super) fn new(
        host: Host,
        seed: u64,
        every: Duration,
        only: &[String],
    ) -> anyhow::Result<Self> {
        let is_wanted = |kind: &Kind| {
            let name = format!("{kind:?}");
            only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))
        };
        let wanted: Vec<Kind> = ALL.into_iter().filter(is_wanted).collect();
        ensure!(!wanted.is_empty(), "there are no such faults; there are {ALL:?}");
        let proxy = FaultProxy::start(host.port().address())?;
        let (silent, to_come, done) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let rng = Rng::with_seed(seed);
        Ok(Trouble { host, proxy, rng, every, wanted, silent, to_come, done })
    }

    /// Where clients connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Every kind of trouble, for everybody and as bad as it gets, so that the memory has been at its
    /// peaks: once in order and once at random, since a fault finds what the one before has left.
    pub(super) fn warm_up(&mut self) -> anyhow::Result<()> {
        let mut again = ALL;
        self.rng.shuffle(&mut again);
        for kind in ALL.into_iter().chain(again) {
            let next = Instant::now() + self.every;
            self.begin(kind, true)?;
            pass(next - self.every / 2);
            self.heal()?;
            pass(next);
        }
        Ok(())
    }

    /// Makes trouble until then.
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
            if let Some(kind) = self.to_come.pop() {
                self.begin(kind, false)?;
                *self.done.entry(kind).or_default() += 1;
            }
            pass(next - self.every / 2);
            self.heal()?;
            pass(next);
        }
    }

    /// Ends all trouble and all connections, and gives the clients time to make new ones: a connection
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

    /// To everybody and as bad as it gets, or to some.
    fn begin(&mut self, kind: Kind, everybody: bool) -> anyhow::Result<()> {
        let direction = if self.rng.bool() { Direction::ToServer } else { Direction::ToClient };
        let bytes = self.rng.u64(0..500);
        match kind {
            Kind::Cut => {
                self.each(everybody, |some| some.cut());
            }
            Kind::CutMidFrame => {
                self.each(everybody, |some| some.cut_after(direction, bytes));
            }
            Kind::End => {
                self.each(everybody, |some| some.end());
            }
            Kind::HalfOpen => {
                let ids = self.each(everybody, |some| some.half_open());
                self.note_silent(ids);
            }
            Kind::Swallow => {
                let ids = self.each(everybody, |some| some.swallow(direction));
                self.note_silent(ids);
            }
            Kind::Stall => {
                self.each(everybody, |some| some.stall());
            }
            Kind::Delay => {
                let some = MAX_LATENCY.mul_f64(self.rng.f64());
                self.proxy.set_latency(if everybody { MAX_LATENCY } else { some });
            }
            Kind::Garble => {
                self.each(everybody, |some| some.alter_after(direction, bytes));
            }
            Kind::PortClosed => {
                self.proxy.set_connectivity(Connectivity::Offline)?;
                self.each(everybody, |some| some.cut());
            }
            Kind::HandshakeUnanswered => {
                self.proxy.set_connectivity(Connectivity::Silent)?;
                self.each(everybody, |some| some.cut());
            }
            Kind::HandshakeCut => {
                self.proxy.next().cut_after(direction, bytes);
                self.each(everybody, |some| some.cut());
            }
            Kind::HandshakeRefused => {
                if let Some(listener) = self.host.listener() {
                    (0..5).for_each(|_| listener.refuse_next(Refusal::new(503)));
                }
                self.each(everybody, |some| some.cut());
            }
            Kind::ServerRestarts => self.host.stop(true),
            Kind::ServerDies => self.host.stop(false),
            Kind::ServerCloses => {
                let code = *self.rng.choice(&[1000, 1001, 1011, 1012]).unwrap_or(&1000);
                if let Some(listener) = self.host.listener() {
                    listener.all().close(CloseCode::from_u16(code));
                }
            }
            Kind::ServerDrains => {
                if let Some(listener) = self.host.listener() {
                    listener.drain();
                }
            }
            Kind::MalformedFrame => {
                if let Some(listener) = self.host.listener() {
                    listener.all().inject(&Frame::text("[garbage"));
                }
            }
            Kind::ChannelsCrash => self.crash_channels(),
        }
        Ok(())
    }

    /// Does it to all connections; or to one of them, to a third, or to all; gives those.
    fn each(&mut self, everybody: bool, fault: impl Fn(Connections<'_>)) -> Vec<ConnectionId> {
        let ids = self.proxy.connections();
        let some = match self.rng.u8(0..3) {
            _ if everybody => ids.len(),
            0 => 1,
            1 => ids.len() / 3,
            _ => ids.len(),
        };
        let some = self.rng.choose_multiple(ids, some);
        some.iter().for_each(|id| fault(self.proxy.connection(*id)));
        some
    }

    fn note_silent(&mut self, ids: Vec<ConnectionId>) {
        let noticed = Instant::now() + SETTLING;
        self.silent.extend(ids.into_iter().map(|id| (noticed, id)));
    }

    /// About half of all.
    fn crash_channels(&mut self) {
        let (Some(listener), rng) = (self.host.listener(), &mut self.rng) else { return };
        listener.with(|server, now| {
            let topics = |socket| server.topics(socket).map(move |topic| (socket, topic.clone()));
            let all: Vec<(_, ByteString)> = server.sockets().flat_map(topics).collect();
            for (socket, topic) in all {
                if rng.bool() {
                    server.send(now, socket, &topic, Crash);
                }
            }
        });
    }
}

fn pass(until: Instant) {
    smol::block_on(smol::Timer::at(until));
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faults:")?;
        for (at, (kind, count)) in self.done.iter().enumerate() {
            write!(f, "{} {count} {kind:?}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
