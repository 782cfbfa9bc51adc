//! Execution of a plan.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use phx_proto::{
    ChannelId, Config, Event, Instant, Payload, RequestId, Serializer, Socket, TransportKind,
    V2Server, events,
};
use phx_recorder::{RecordingOptions, Ring, RingLimits};
use phx_testing::{ClientId, Simulation};

use super::channels::{Client, SentJoin, topic};
use super::plan::{Op, Plan, ROOMS, Settings};
use super::violation::{Rule, Violation};
use crate::ledger::Ledger;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::{JoinIs, JoinParams, server};

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Violations, in the order in which they were found.
    pub violations: Vec<Violation>,
    /// Number of faults that took effect, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Number of events that the clients emitted.
    pub events: u64,
    /// Time from when the network healed until everything was joined.
    pub recovery: Duration,
    /// Promised bound of `recovery`.
    pub recovery_bound: Duration,
    /// Hash of all frames and events: equal plans give equal digests.
    pub digest: u64,
}

/// Function that changes a client's events before they are checked.
pub type Tamper = dyn FnMut(usize, Vec<Event>) -> Vec<Event>;

/// Idle timeout of Phoenix.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct World {
    pub(super) sim: Simulation,
    pub(super) ledger: Ledger,
    pub(super) settings: Settings,
    pub(super) ids: Vec<ClientId>,
    pub(super) clients: Vec<Client>,
    /// Number of accepted pushes, which are numbered in the order of the calls.
    pub(super) pushes: u64,
    /// Owner of each push.
    pub(super) push_owners: BTreeMap<u64, Owner>,
    /// Numbers of the pushes that were sent.
    pub(super) sent: BTreeSet<u64>,
    /// Number of broadcasts to each topic.
    pub(super) broadcasts: [u64; ROOMS],
    pub(super) outcome: Outcome,
    pub(super) tamper: Option<Box<Tamper>>,
    digest: DefaultHasher,
    /// All frames and events, a line each, of a logged run.
    log: Option<Vec<String>>,
}

/// Owner of a push.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) client: usize,
    pub(super) channel: ChannelId,
    /// `None` until the core has accepted it.
    pub(super) call: Option<RequestId>,
}

/// Executes a plan, ends all faults, and checks that everything recovers.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    World::new(plan, None).run(plan)
}

/// Executes a plan. Returns the outcome, and a line for each frame and event: the time, the client's number, and the
/// frame or event.
#[must_use]
pub fn run_logged(plan: &Plan) -> (Outcome, Vec<String>) {
    let mut world = World::new(plan, None);
    world.log = Some(Vec::new());
    let outcome = world.run(plan);
    (outcome, world.log.unwrap_or_default())
}

/// Executes a plan. Returns the outcome, and for each client the recording of its session.
#[must_use]
pub fn run_recorded(plan: &Plan) -> (Outcome, Vec<Vec<u8>>) {
    let mut rings = Vec::new();
    let mut world = World::of(plan, None, |config, seed| {
        let ring = Ring::new(RingLimits::bytes(usize::MAX));
        let core = ring.record(config, seed, RecordingOptions::default());
        rings.push(ring);
        core
    });
    let outcome = world.run(plan);
    // The recordings end with the cores.
    drop(world);
    (outcome, rings.iter().map(Ring::dump).collect())
}

/// Executes a plan, and lets `tamper` change events before they are checked: a test of the checker.
#[must_use]
pub fn run_tampered(plan: &Plan, tamper: Box<Tamper>) -> Outcome {
    World::new(plan, Some(tamper)).run(plan)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

impl World {
    fn new(plan: &Plan, tamper: Option<Box<Tamper>>) -> Self {
        World::of(plan, tamper, Socket::new)
    }

    fn of(
        plan: &Plan,
        tamper: Option<Box<Tamper>>,
        mut core: impl FnMut(Config, u64) -> Socket,
    ) -> Self {
        let ledger = Ledger::default();
        let mut sim = Simulation::new(server(&ledger, IDLE_TIMEOUT));
        let (mut ids, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..plan.clients.max(1) {
            let id = sim.client_by(plan.settings.config(), &mut core);
            if plan.settings.long_poll {
                sim.set_transport(id, TransportKind::LongPoll);
            }
            let client = Client::default();
            let joins = client.joins.clone();
            sim.on_params(id, move |_| match joins.next() {
                JoinIs::WithoutParams => None,
                is => Payload::json(&JoinParams { is, ..JoinParams::default() }).ok(),
            });
            ids.push(id);
            clients.push(client);
        }
        World {
            sim,
            ledger,
            settings: plan.settings.clone(),
            ids,
            clients,
            pushes: 0,
            push_owners: BTreeMap::new(),
            sent: BTreeSet::new(),
            broadcasts: [0; ROOMS],
            outcome: Outcome {
                recovery_bound: plan.settings.recovery_bound(),
                ..Outcome::default()
            },
            tamper,
            digest: DefaultHasher::new(),
            log: None,
        }
    }

    fn run(&mut self, plan: &Plan) -> Outcome {
        let run = catch_unwind(AssertUnwindSafe(|| {
            for step in &plan.steps {
                self.pass(Duration::from_millis(step.after));
                let client = step.client % self.clients.len().max(1);
                self.act(client, &step.op);
                self.collect();
            }
            self.finish();
        }));
        if let Err(panic) = run {
            self.violation(Rule::NoPanic, said(&*panic));
        }
        self.outcome.digest = self.digest.finish();
        std::mem::take(&mut self.outcome)
    }

    pub(super) fn now(&self) -> Duration {
        self.sim.now().since_epoch()
    }

    /// Runs a function with a client's core.
    pub(super) fn with<T>(
        &mut self,
        client: usize,
        f: impl FnOnce(&mut Socket, Instant) -> T,
    ) -> T {
        self.sim.with(self.ids[client], f)
    }

    /// Advances the time, and checks each event at the moment at which it happens.
    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.sim.now() + duration;
        while self.sim.step(until) {
            self.collect();
        }
        self.sim.advance(until.saturating_duration_since(self.sim.now()));
        self.collect();
    }

    /// Checks the frames and events of the clients.
    pub(super) fn collect(&mut self) {
        for number in 0..self.clients.len() {
            self.note_frames(number);
            let id = self.ids[number];
            let frames = self.sim.socket(id).counters().frames_received;
            if frames != self.clients[number].pulse.frames {
                let now = self.now();
                let pulse = &mut self.clients[number].pulse;
                (pulse.frames, pulse.heard) = (frames, now);
            }
            let mut events = self.sim.events(id);
            if let Some(tamper) = &mut self.tamper {
                events = tamper(number, events);
            }
            for event in events {
                self.note(number, &event);
                self.outcome.events += 1;
                self.check_event(number, event);
            }
            self.check_states(number);
        }
        self.check_received();
    }

    /// Adds a frame or an event to the digest.
    fn note(&mut self, client: usize, what: &impl Debug) {
        let line = format!("{:?} {client} {what:?}", self.now());
        line.hash(&mut self.digest);
        if let Some(log) = &mut self.log {
            log.push(line);
        }
    }

    fn note_frames(&mut self, number: usize) {
        for frame in self.sim.frames_sent(self.ids[number]) {
            self.note(number, frame.as_bytes());
            let Ok(sent) = V2Server.decode(frame.clone()) else { continue };
            let connection = self.sim.socket(self.ids[number]).counters().opened;
            if sent.event == events::HEARTBEAT {
                let now = self.now();
                let pulse = &mut self.clients[number].pulse;
                match pulse.pings.checked_sub(1) {
                    Some(fewer) => pulse.pings = fewer,
                    None => pulse.beat = now,
                }
            }
            if sent.event != events::JOIN {
                if let Some(push) = Numbered::read(&sent.payload) {
                    self.check_sent(number, push.number, connection);
                }
            } else if let Some(room) = (0..ROOMS).find(|room| *topic(*room) == *sent.topic)
                && let Some(join_ref) = sent.join_ref
            {
                self.clients[number].joins_sent[room].push(SentJoin {
                    join_ref,
                    frame,
                    connection,
                });
            }
        }
    }

    pub(super) fn violation(&mut self, rule: Rule, what: impl Into<String>) {
        let violation = Violation { rule, at: self.now(), what: what.into() };
        self.outcome.violations.push(violation);
    }

    /// Records a violation unless `holds`.
    pub(super) fn ensure<T: Into<String>>(
        &mut self,
        holds: bool,
        rule: Rule,
        what: impl FnOnce() -> T,
    ) {
        if !holds {
            self.violation(rule, what());
        }
    }

    fn act(&mut self, client: usize, op: &Op) {
        self.note(client, op);
        self.act_as_user(client, op);
        self.act_as_fault(client, op);
    }
}
