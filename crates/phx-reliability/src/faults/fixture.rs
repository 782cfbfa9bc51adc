//! Fixture of every fault: a server process, a proxy before it, a client with a joined channel, and traffic both
//! ways.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::{Either, select};
use phx_client::{Channel, CloseCause, Closed, Messages, Push, PushCause, PushError, Socket};
use phx_testing::fault_proxy::FaultProxy;
use serde_json::json;

use super::between::Between;
use super::settings::{self, PUSH_TIMEOUT, SLACK};
use crate::adapters::Adapter;
use crate::ledger::deliveries::Deliveries;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::JoinParams;
use crate::ledger::{Report, Topic};
use crate::port::Port;
use crate::process::Process;
use crate::serve;

/// Time limit of every wait, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two messages of the server, in milliseconds.
const TICK_MS: u64 = 20;

/// The fixture, before any fault.
pub(super) struct Fixture {
    pub(super) server: Process,
    port: Port,
    /// True if the proxy's name can't be looked up.
    pub(super) name_fails: Arc<AtomicBool>,
    pub(super) proxy: FaultProxy,
    pub(super) socket: Socket,
    pub(super) room: Channel,
    messages: Messages<Numbered>,
    deliveries: Deliveries,
    closes: mpsc::UnboundedReceiver<(Instant, Closed)>,
    joins: mpsc::UnboundedReceiver<Instant>,
    rejoins: u64,
    /// The last number pushed.
    pushed: u64,
    pushes: VecDeque<(u64, Expect, Push<Numbered>)>,
    acknowledged: Vec<u64>,
    /// Start of the attempt under way, or of the next one.
    attempt_at: Instant,
}

/// Times of one adapter after a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// Time from the fault until the client reported it.
    pub(super) noticed: Option<Duration>,
    /// Time until the channel was joined again: from the report, or from the fault's end if that was later.
    pub(super) joined: Option<Duration>,
}

/// Outcomes that a push may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// It may have been on its way when the fault came: any outcome of a lost connection is right.
    Anything,
    /// It must be answered.
    Reply,
}

impl Fixture {
    /// Sets up a joined client with traffic on this adapter.
    pub(super) async fn set<A: Adapter>(
        between: Between,
        compresses: bool,
    ) -> anyhow::Result<Self> {
        let port = Port::take()?;
        let server = serve(&port).await?;
        let name_fails = Arc::<AtomicBool>::default();
        let (proxy, builder) = between.client::<A>(port.address(), &name_fails)?;
        let (tell_close, closes) = mpsc::unbounded();
        let builder = settings::apply(builder, compresses).on_close(move |closed| {
            // The receiver is gone after the end.
            let _ = tell_close.unbounded_send((Instant::now(), closed.clone()));
        });
        let socket = builder.connect_with_timeout(PATIENCE).await.context("can't connect")?;
        let agreed = socket.response_headers().get("Sec-WebSocket-Extensions").is_some();
        ensure!(agreed == compresses, "the server compresses: {agreed}");
        let params = JoinParams { tick_ms: TICK_MS, ..JoinParams::default() };
        let room = socket.channel("room:a").params(&params).create()?;
        let (tell_join, joins) = mpsc::unbounded();
        let _stays = room.on_join(move |_, _| drop(tell_join.unbounded_send(Instant::now())));
        let messages = room.on("pushed");
        room.join().await.context("can't join")?;
        let mut fixture = Fixture {
            server,
            port,
            name_fails,
            proxy,
            socket,
            room,
            messages,
            deliveries: Deliveries::default(),
            closes,
            joins,
            rejoins: 0,
            pushed: 0,
            pushes: VecDeque::new(),
            acknowledged: Vec::new(),
            attempt_at: Instant::now(),
        };
        fixture.joins.next().await.context("no join was reported")?;
        fixture.push(20, Expect::Reply);
        fixture.settle().await?;
        fixture.deliver().await?;
        Ok(fixture)
    }

    /// Makes pushes, all at once.
    pub(super) fn push(&mut self, count: usize, expect: Expect) {
        for _ in 0..count {
            self.pushed += 1;
            let push = self.room.push("Echo", &Numbered::new(0, self.pushed));
            self.pushes.push_back((self.pushed, expect, push));
        }
    }

    /// Waits for the outcomes of all pushes.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        while let Some((n, expect, push)) = self.pushes.pop_front() {
            let outcome = within(PUSH_TIMEOUT + SLACK, push).await;
            match outcome.with_context(|| format!("push {n} has no outcome"))? {
                Ok(reply) => {
                    ensure!(reply.number == n, "push {n} was answered with {reply:?}");
                    self.acknowledged.push(n);
                }
                Err(
                    PushError { cause: PushCause::Disconnected, .. }
                    | PushError { cause: PushCause::TimedOut, .. }
                    | PushError { cause: PushCause::NotSent, .. },
                ) if expect == Expect::Anything => {}
                Err(failed) => bail!("push {n}: {failed}"),
            }
        }
        Ok(())
    }

    /// Waits until a message has been delivered.
    async fn deliver(&mut self) -> anyhow::Result<()> {
        let item = within(PATIENCE, self.messages.next()).await?.context("the stream ended")?;
        self.deliveries.take(&item, |_| None);
        Ok(())
    }

    /// Waits for the next end of a connection or an attempt, which must have an expected cause.
    async fn closed(
        &mut self,
        was_open: bool,
        is_right: fn(&CloseCause) -> bool,
    ) -> anyhow::Result<Instant> {
        let end = within(PATIENCE, self.closes.next()).await.context("no end was noticed")?;
        let (at, closed) = end.context("the socket is gone")?;
        self.attempt_at = at + closed.retry_in.context("there will be no other attempt")?;
        ensure!(closed.was_open == was_open, "another end: {}", closed.cause);
        ensure!(is_right(&closed.cause), "it ended otherwise: {}", closed.cause);
        Ok(at)
    }

    /// Waits for the end of the open connection, and returns the time since `fault`.
    pub(super) async fn lost(
        &mut self,
        fault: Instant,
        is_right: fn(&CloseCause) -> bool,
    ) -> anyhow::Result<Duration> {
        Ok(self.closed(true, is_right).await?.saturating_duration_since(fault))
    }

    /// Waits for the next failed attempt, and returns its duration.
    pub(super) async fn attempt_failed(
        &mut self,
        is_right: fn(&CloseCause) -> bool,
    ) -> anyhow::Result<Duration> {
        let began = self.attempt_at;
        Ok(self.closed(false, is_right).await?.saturating_duration_since(began))
    }

    /// Joins again after a noticed fault, and checks everything.
    pub(super) async fn recover(mut self, noticed: Duration) -> anyhow::Result<Times> {
        let healed = Instant::now();
        let joined = within(PATIENCE, self.joins.next()).await.context("it wasn't joined again")?;
        let joined = joined.context("the channel is gone")?.saturating_duration_since(healed);
        self.rejoins += 1;
        self.check().await?;
        Ok(Times { noticed: Some(noticed), joined: Some(joined) })
    }

    /// Checks after the fault that no client noticed it.
    pub(super) async fn unnoticed(self) -> anyhow::Result<Times> {
        let opened = self.socket.counters().opened;
        ensure!(opened == 1, "there were {opened} connections");
        self.check().await?;
        Ok(Times::default())
    }

    /// Starts the server again after its end.
    pub(super) async fn restart_server(&mut self) -> anyhow::Result<()> {
        self.server = serve(&self.port).await?;
        Ok(())
    }

    /// Forgets the pushes that the server confirmed before it lost its state.
    pub(super) fn forget_acknowledged(&mut self) {
        self.acknowledged.clear();
    }

    /// Checks that every push has one outcome, that confirmed ones were handled, and none twice or out of order;
    /// that every message was delivered once and in order, and that each rejoin is a gap.
    async fn check(mut self) -> anyhow::Result<()> {
        self.push(20, Expect::Reply);
        self.settle().await?;
        // The present life has pushed something by then.
        while !self.deliveries.is_in_life(self.rejoins) {
            self.deliver().await.context("nothing came after the gap")?;
        }
        let report = self.room.push::<Report>("pause", &json!({}));
        let report = within(PATIENCE, report).await?.context("no report")?;
        while !self.deliveries.is_at(report.life, report.pushed) {
            let last = format!("{:?} of {report:?}", self.deliveries);
            self.deliver().await.with_context(|| format!("not all was delivered: {last}"))?;
        }
        let Deliveries { lost, doubled, gaps, .. } = self.deliveries;
        ensure!((lost, doubled) == (0, 0), "messages: {lost} lost, {doubled} doubled");
        ensure!(gaps == self.rejoins, "{gaps} gaps for {} rejoins", self.rejoins);
        let Topic { handled, doubled, out_of_order } = report.topic;
        ensure!(
            (doubled, out_of_order) == (0, 0),
            "pushes: {doubled} handled twice, {out_of_order} out of order"
        );
        let all_handled = self.acknowledged.iter().all(|n| handled.contains(*n));
        ensure!(all_handled, "a push that was confirmed wasn't handled");
        within(PATIENCE, self.socket.disconnect()).await.context("it didn't disconnect")
    }
}

async fn serve(port: &Port) -> anyhow::Result<Process> {
    let port = port.address().port();
    smol::unblock(move || serve::spawn(port)).await
}

/// Waits for `future`, up to this limit.
pub(super) async fn within<F: IntoFuture>(limit: Duration, future: F) -> anyhow::Result<F::Output> {
    let future = std::pin::pin!(future.into_future());
    match select(future, smol::Timer::after(limit)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => bail!("not within {limit:?}"),
    }
}

/// Waits, for a fault that the client must not notice.
pub(super) async fn pass(time: Duration) {
    smol::Timer::after(time).await;
}
