//! Process of a client: one case, one adapter, one thread for all tasks.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Context as TaskContext;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::channel::mpsc;
use futures::future::{Either, ready, select};
use futures::{FutureExt, StreamExt};
use phx_client::StreamConnector;
use phx_client::dial::HttpProxy;
use phx_client::websocket::{Compression, WebSocketConfig};
use phx_client::{
    Backoff, BoxFuture, CloseCause, Closed, Instant as RuntimeInstant, Runtime, Socket,
    SocketBuilder,
};
use serde::{Deserialize, Serialize};

use super::case::{Case, Ends};
use super::cases::find;
use super::ticker::Ticker;
use super::times::{
    ATTACK, CLOSE_TIMEOUT, CONNECT_TIMEOUT, HEARTBEAT_INTERVAL, HEARTBEAT_LIMIT, HEARTBEAT_TIMEOUT,
    PUSH_TIMEOUT, SLACK, WATCH, millis, sleep,
};
use super::users::Session;
use crate::adapters::{Adapter, AsyncStd, Smol, Tokio};
use crate::memory;

/// Arguments of a client.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// The adapter
    adapter: String,
    /// The case's name
    case: String,
    /// Where the server listens
    address: SocketAddr,
    /// Offer to compress messages, and send none compressed, since the server reads them
    #[arg(long)]
    compress: bool,
}

/// The result of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Longest time that another task was kept from running, in microseconds.
    pub(super) gap_us: u64,
    /// The same in wall-clock time, including the time of other processes.
    pub(super) gap_wall_us: u64,
    pub(super) ticks: u64,
    pub(super) peak_kib: u64,
    /// Time from the beginning of the attempt until the connection was open, in milliseconds.
    pub(super) opened_ms: Option<u64>,
    /// End of the connection or the attempt, unless the client ended it.
    pub(super) end: Option<End>,
    pub(super) disconnect_ms: u64,
    /// The user's complaint, if there is one.
    pub(super) user: Option<String>,
    pub(super) sockets_left: usize,
    pub(super) tasks_left: usize,
}

/// An end that the client reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct End {
    /// Time since the opening, or since the beginning of the attempt, in milliseconds.
    pub(super) after_ms: u64,
    pub(super) was_open: bool,
    /// Kind of the cause, and the cause.
    pub(super) kind: String,
    pub(super) cause: String,
}

/// Memory limit, far above any case's need: a client beyond it ends at once.
const MEMORY_LIMIT: usize = 1 << 30;

/// Runs a case, and prints its outcome.
///
/// # Errors
///
/// If there is no such case or adapter.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let case = find(&args.case).context("no such case")?;
    memory::limit(MEMORY_LIMIT)?;
    let outcome = match &*args.adapter {
        Tokio::NAME => play::<Tokio>(case, args),
        Smol::NAME => play::<Smol>(case, args),
        AsyncStd::NAME => play::<AsyncStd>(case, args),
        _ => bail!("no such adapter"),
    };
    println!("{}", serde_json::to_string(&outcome?)?);
    Ok(ExitCode::SUCCESS)
}

fn play<A: Adapter>(case: &Case, args: &Args) -> anyhow::Result<Outcome> {
    let mut played = None;
    A::block_on(async { played = Some(play_on::<A>(case, args).await) });
    played.context("the runtime ended")?
}

async fn play_on<A: Adapter>(case: &Case, args: &Args) -> anyhow::Result<Outcome> {
    let runtime = A::runtime()?;
    let ticker = Ticker::start(&runtime);
    // Then the runtime has all that it needs.
    while ticker.ticks() == 0 {
        sleep(&runtime, Duration::from_millis(1)).await;
    }
    let (sockets, allocated) = (sockets()?, memory::allocated());
    let counted = Counted { runtime: runtime.clone(), tasks: Arc::default() };
    let tasks = Arc::clone(&counted.tasks);
    let (report_end, mut ends) = mpsc::unbounded();
    let mut builder = (case.tune)(settings(builder::<A>(case, args.address), case));
    if args.compress {
        let offer = Compression::new().context_takeover(true).threshold(usize::MAX);
        builder = builder.compression(offer);
    }
    let builder = builder.runtime(counted).on_close(move |closed| {
        // The receiver is gone after the end.
        let _ = report_end.unbounded_send((Instant::now(), closed.clone()));
    });

    let mut outcome = Outcome::default();
    let socket = builder.spawn()?;
    let mut session = Session::new(&socket, case.user);
    let began = Instant::now();
    let first = first(&socket, &mut ends, sleep(&runtime, CONNECT_TIMEOUT + 2 * SLACK)).await;
    let repeats = matches!(case.ends, Ends::Repeats);
    let end = match first {
        Ok(None) => {
            let opened = Instant::now();
            outcome.opened_ms = Some(millis(opened.saturating_duration_since(began)));
            let limit = sleep(&runtime, watch_time(case));
            let mut ends = ends.filter(|_| ready(!repeats));
            let watched = Box::pin(select(ends.next(), limit));
            let watched = match select(watched, Box::pin(session.act())).await {
                Either::Left((watched, _)) => watched,
                // A user with nothing more to do waits as well.
                Either::Right((acted, watched)) => {
                    outcome.user = acted.err().map(|error| format!("{error:#}"));
                    watched.await
                }
            };
            match watched {
                Either::Left((end, _)) => end.map(|end| (opened, end)),
                Either::Right(_) => None,
            }
        }
        Ok(Some(_)) if repeats => {
            sleep(&runtime, WATCH).await;
            None
        }
        Ok(Some(end)) => Some((began, end)),
        Err(error) => {
            outcome.user = Some(format!("{error:#}"));
            None
        }
    };
    outcome.end =
        end.map(|(from, (at, closed))| End::new(at.saturating_duration_since(from), &closed));

    let asked = Instant::now();
    let disconnected = socket.disconnect();
    drop(select(disconnected, sleep(&runtime, ATTACK_OVER)).await);
    outcome.disconnect_ms = millis(asked.elapsed());
    if outcome.user.is_none() {
        outcome.user = session.settle(&runtime).await.err().map(|error| format!("{error:#}"));
    }
    drop(session);
    drop(socket);
    outcome.peak_kib = (memory::peak().saturating_sub(allocated) / 1024) as u64;

    let (gone, ticks) = (Instant::now() + SLACK, ticker.ticks());
    while Instant::now() < gone {
        // The Arc here is no task.
        outcome.tasks_left = Arc::strong_count(&tasks).saturating_sub(1);
        outcome.sockets_left = self::sockets()?.saturating_sub(sockets);
        // Wait for the tick that shows what the end did to other tasks.
        if (outcome.tasks_left, outcome.sockets_left) == (0, 0) && ticker.ticks() > ticks {
            break;
        }
        sleep(&runtime, Duration::from_millis(5)).await;
    }
    outcome.gap_us = ticker.longest().as_micros().try_into().unwrap_or(u64::MAX);
    outcome.gap_wall_us = ticker.longest_wall().as_micros().try_into().unwrap_or(u64::MAX);
    outcome.ticks = ticker.ticks();
    Ok(outcome)
}

/// Returns the end of the first attempt to connect, unless it opens.
async fn first(
    socket: &Socket,
    ends: &mut mpsc::UnboundedReceiver<(Instant, Closed)>,
    limit: BoxFuture<()>,
) -> anyhow::Result<Option<(Instant, Closed)>> {
    match select(select(Box::pin(socket.wait_connected()), ends.next()), limit).await {
        Either::Left((Either::Left((Ok(()), _)), _)) => Ok(None),
        // The hook may have been called before.
        Either::Left((Either::Left((Err(failed), ended)), _)) => {
            let end = ended.now_or_never().flatten();
            Ok(Some(end.with_context(|| failed.to_string())?))
        }
        Either::Left((Either::Right((end, _)), _)) => Ok(Some(end.context("no end will come")?)),
        Either::Right(_) => bail!("nothing came of the attempt"),
    }
}

/// Returns the time for which the client watches a connection that doesn't end.
fn watch_time(case: &Case) -> Duration {
    match case.ends {
        // It takes long to arrive.
        Ends::Stays if case.is_large() => 2 * WATCH,
        Ends::Stays | Ends::Repeats => WATCH,
        _ if case.is_large() => ATTACK,
        _ => HEARTBEAT_INTERVAL + HEARTBEAT_LIMIT + 2 * SLACK,
    }
}

/// A `disconnect` that waits for the end of the attack has failed anyway.
const ATTACK_OVER: Duration = Duration::from_secs(8);

fn builder<A: Adapter>(case: &Case, address: SocketAddr) -> SocketBuilder {
    let mut config = WebSocketConfig::default();
    config.refusal_timeout = CONNECT_TIMEOUT / 2;
    if case.proxy {
        let proxy = HttpProxy::new(A::tcp(), address.ip().to_string(), address.port());
        let connector = StreamConnector::new(proxy).with_config(config);
        A::socket("ws://behind.invalid/socket").connector(connector)
    } else {
        let connector = StreamConnector::new(A::tcp()).with_config(config);
        A::socket(&format!("ws://{address}/socket")).connector(connector)
    }
}

fn settings(builder: SocketBuilder, case: &Case) -> SocketBuilder {
    // While a frame arrives, no other frame can.
    let patience = if case.is_large() { ATTACK } else { Duration::ZERO };
    builder
        .heartbeat_interval(Some(HEARTBEAT_INTERVAL))
        .heartbeat_timeout(HEARTBEAT_TIMEOUT + patience)
        .heartbeat_limit(HEARTBEAT_LIMIT + patience)
        .connect_timeout(CONNECT_TIMEOUT)
        .close_timeout(CLOSE_TIMEOUT)
        .push_timeout(PUSH_TIMEOUT)
        .join_timeout(PUSH_TIMEOUT)
        // There is one connection, unless the case says otherwise.
        .reconnect(Backoff::steps([Duration::from_secs(60)]))
        .rejoin(Backoff::steps([Duration::from_millis(20)]))
}

impl End {
    fn new(after: Duration, closed: &Closed) -> Self {
        End {
            after_ms: millis(after),
            was_open: closed.was_open,
            kind: kind(&closed.cause).to_owned(),
            cause: closed.cause.to_string(),
        }
    }
}

fn kind(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Frame { .. } => "frame",
        CloseCause::Io { .. } | CloseCause::ConnectFailed { .. } => "lost",
        CloseCause::UpgradeRejected(_) => "refused",
        CloseCause::Proxy(_) => "proxy",
        CloseCause::Compression(_) => "compression",
        CloseCause::ConnectTimedOut => "connect timed out",
        CloseCause::HeartbeatTimedOut => "heartbeat timed out",
        CloseCause::Suspended => "slept",
        _ => "other",
    }
}

/// Returns the number of this process's open sockets, as Linux shows them.
fn sockets() -> anyhow::Result<usize> {
    let open = std::fs::read_dir("/proc/self/fd").context("open files are only shown by Linux")?;
    let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Ok(links.filter(|link| link.to_string_lossy().starts_with("socket:")).count())
}

/// Runtime that counts the client's tasks.
#[derive(Clone, Debug)]
struct Counted<R> {
    runtime: R,
    tasks: Arc<()>,
}

impl<R: Runtime> Runtime for Counted<R> {
    fn now(&self) -> RuntimeInstant {
        self.runtime.now()
    }

    fn timer(&self, deadline: RuntimeInstant) -> BoxFuture<()> {
        self.runtime.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let counted = Arc::clone(&self.tasks);
        self.runtime.spawn(Box::pin(async move {
            task.await;
            drop(counted);
        }));
    }

    fn yield_now(&self, cx: &mut TaskContext<'_>) {
        self.runtime.yield_now(cx);
    }
}
