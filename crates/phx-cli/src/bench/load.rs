//! The load: sockets and channels, and the pushes on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use futures::stream::{self, FuturesUnordered, StreamExt as _, TryStreamExt as _};
use phx_tokio::{
    Channel, ConnectionState, Payload, Push, PushCause, PushError, Reply, Socket, Status,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::live::{Live, Now};
use super::measure::Measured;
use super::numbers::micros;
use super::options::Options;
use super::outputs::Outputs;
use super::recorder::{ErrorClass, Recorder, StepSample};
use super::run_log::End;
use super::traffic::Traffic;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, Signal};
use crate::malformed::Watch;
use crate::session::{self, JoinParams, channel, while_open};
use crate::terminal;

/// Connections that are being opened at the same time.
const OPENING: usize = 64;

/// Largest number of a channel's unanswered pushes, with a rate.
const WAITING: usize = 1_000;

/// Number of shards of the measurement. More than the number of threads are no use.
const SHARDS: usize = 16;

/// Sockets with channels that are joined.
pub(super) struct Load<'a> {
    options: &'a Options,
    /// The number of the first channel among those of all workers.
    first: usize,
    sockets: Vec<Socket>,
    channels: Vec<Channel>,
    payload: Payload,
    opened: Arc<AtomicU64>,
    /// Time that it took to connect, and to join everything.
    connecting: Duration,
    joining: Duration,
    /// Bytes sent and received until then.
    traffic: Traffic,
}

impl<'a> Load<'a> {
    pub(super) async fn connect(options: &'a Options) -> Result<Self, Failure> {
        let started = Instant::now();
        let opened = Arc::new(AtomicU64::new(0));
        let params = options.joining.params(terminal::warning)?;
        let malformed = Watch::warning();
        let share = options.share()?;
        let sockets: Vec<Socket> = stream::iter(share.clone())
            .map(|_| async {
                let counter = Arc::clone(&opened);
                let builder =
                    malformed.on(options.connect.builder(&options.url, terminal::warning)?);
                let builder = builder.on_open(move || {
                    counter.fetch_add(1, Ordering::Relaxed);
                });
                options.connect.open(builder).await
            })
            .buffered(OPENING)
            .try_collect()
            .await?;
        let connected = Instant::now();
        let mut joins = Vec::new();
        for (number, socket) in share.clone().zip(&sockets) {
            let topics = (0..options.channels).map(move |channel| {
                let topic = options.topic.replace("{socket}", &number.to_string());
                topic.replace("{channel}", &channel.to_string())
            });
            joins.push(join(socket, topics, &params, options.joining.join_timeout));
        }
        let joined: Result<Vec<Vec<Channel>>, Failure> =
            stream::iter(joins).buffered(OPENING).try_collect().await;
        let channels = match joined {
            Ok(channels) => channels,
            Err(failure) => {
                join_all(sockets.iter().map(Socket::disconnect)).await;
                return Err(failure);
            }
        };
        let mut load = Load {
            options,
            first: share.start as usize * options.channels as usize,
            sockets,
            channels: channels.into_iter().flatten().collect(),
            payload: options.payload()?,
            opened,
            connecting: connected - started,
            joining: connected.elapsed(),
            traffic: Traffic::default(),
        };
        load.traffic = Traffic::of(&load.sockets);
        Ok(load)
    }

    /// Pushes for the time given, or until it is interrupted.
    pub(super) async fn measure(
        &self,
        outputs: Outputs,
        interrupt: &mut Interrupt,
    ) -> (Measured, Option<Signal>) {
        let recorder = Arc::new(Recorder::new(self.options.steps(), SHARDS));
        let start = Instant::now();
        let end = start + self.options.duration;
        let mut tasks = JoinSet::new();
        let count = self.options.sockets as usize * self.options.channels as usize;
        for (number, channel) in self.channels.iter().enumerate() {
            let pushing = Pushing {
                number,
                recorder: Arc::clone(&recorder),
                channel: channel.clone(),
                event: self.options.event.clone(),
                payload: self.payload.clone(),
                timeout: self.options.timeout,
                end,
            };
            let times =
                self.options.rate.map(|rate| Times::new(start, rate, self.first + number, count));
            let in_flight = self.options.in_flight as usize;
            tasks.spawn(async move {
                match times {
                    Some(times) => pushing.at_times(times).await,
                    None => pushing.back_to_back(in_flight).await,
                }
            });
        }
        let outputs = outputs.with_view(Live::start(self.options.duration, None));
        let mut measured = Measured::new(recorder.steps(), outputs);
        let interrupted = self.watch(&mut measured, &recorder, start, interrupt).await;
        let last = async { while tasks.join_next().await.is_some() {} };
        // Replies to pushes made before the end still count, unless the user interrupts.
        if interrupted.is_none() && !self.has_ended() {
            let _ = timeout(self.options.timeout, last).await;
        }
        let shortest = self.period() / 2;
        let at = start.elapsed();
        measured.sample(&recorder, at, shortest);
        measured.last_row(self.now(at));
        (measured, interrupted)
    }

    /// Takes samples until it is over.
    async fn watch(
        &self,
        measured: &mut Measured,
        recorder: &Recorder,
        start: Instant,
        interrupt: &mut Interrupt,
    ) -> Option<Signal> {
        let period = self.period();
        let mut ticks = interval_at(start + period, period);
        // A tick that is late is one sample, and not several short ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rows = measured.rows(start);
        loop {
            tokio::select! {
                biased;
                signal = interrupt.next() => return Some(signal),
                () = sleep_until(start + self.options.duration) => return None,
                () = rows.next() => measured.row(recorder, self.now(start.elapsed())),
                _ = ticks.tick() => {
                    measured.sample(recorder, start.elapsed(), Duration::from_millis(1));
                    if self.has_ended() {
                        return None;
                    }
                }
            }
        }
    }

    /// The time between samples: a hundred or so are enough for a plot.
    fn period(&self) -> Duration {
        (self.options.duration / 100).clamp(Duration::from_millis(50), Duration::from_secs(10))
    }

    /// Returns whether every connection has ended for good.
    fn has_ended(&self) -> bool {
        self.sockets.iter().all(|socket| socket.state() == ConnectionState::Closed)
    }

    /// The moment as outputs show it.
    fn now(&self, at: Duration) -> Now {
        let states = self.sockets.iter().map(Socket::state);
        let connected = states.filter(|state| *state == ConnectionState::Open).count();
        Now { at, users: connected as u64, reconnects: self.reconnects() }
    }

    fn reconnects(&self) -> u64 {
        let opened = self.opened.load(Ordering::Relaxed);
        opened.saturating_sub(self.sockets.len() as u64)
    }

    /// What the run was. The traffic counts until now.
    pub(super) fn end_of(&self) -> End {
        End {
            before_us: Some((micros(self.connecting), micros(self.joining))),
            reconnects: self.reconnects(),
            traffic: self.traffic(),
            ended: self.has_ended(),
            ..End::default()
        }
    }

    /// Traffic of the measurement.
    fn traffic(&self) -> Traffic {
        Traffic::of(&self.sockets).since(&self.traffic)
    }

    pub(super) async fn end(self, interrupt: &mut Interrupt) {
        let goodbye = join_all(self.sockets.iter().map(Socket::disconnect));
        tokio::select! {
            _ = goodbye => {}
            _ = interrupt.next() => {}
        }
    }
}

async fn join(
    socket: &Socket,
    topics: impl Iterator<Item = String>,
    params: &JoinParams,
    patience: Duration,
) -> Result<Vec<Channel>, Failure> {
    try_join_all(topics.map(|topic| async move {
        let channel = channel(socket, &topic, params.clone(), false)?;
        let _response = while_open(socket, session::join(&channel, patience)).await?;
        Ok(channel)
    }))
    .await
}

/// The times at which a channel pushes: evenly spread over all channels.
struct Times {
    next: Instant,
    period: Duration,
}

impl Times {
    #[expect(clippy::cast_precision_loss, reason = "there aren't that many channels")]
    fn new(start: Instant, rate: f64, number: usize, count: usize) -> Self {
        let gap = 1.0 / rate;
        let next = start + Duration::from_secs_f64(gap * number as f64);
        Times { next, period: Duration::from_secs_f64(gap * count as f64) }
    }
}

/// The pushes of one channel.
struct Pushing {
    /// The channel's number, by which it has a shard of the recorder.
    number: usize,
    recorder: Arc<Recorder>,
    channel: Channel,
    event: String,
    payload: Payload,
    timeout: Duration,
    end: Instant,
}

/// A push that was made, with the times when it was due and sent.
type Made = (Instant, Instant, Result<Reply, PushError>);

impl Pushing {
    /// Pushes again after each reply.
    async fn back_to_back(&self, in_flight: usize) {
        let mut replies: FuturesUnordered<_> =
            (0..in_flight).map(|_| self.push(Instant::now())).collect();
        while let Some(made) = replies.next().await {
            let lost = matches!(made.2, Err(PushError { cause: PushCause::InvalidState(_), .. }));
            self.record(made);
            if Instant::now() < self.end && !lost {
                replies.push(self.push(Instant::now()));
            }
        }
    }

    /// Pushes on schedule, and measures from the scheduled time.
    async fn at_times(&self, mut times: Times) {
        let mut replies = FuturesUnordered::new();
        while times.next < self.end {
            tokio::select! {
                Some(made) = replies.next() => self.record(made),
                () = sleep_until(times.next), if replies.len() < WAITING => {
                    replies.push(self.push(times.next));
                    times.next += times.period;
                }
            }
        }
        while let Some(made) = replies.next().await {
            self.record(made);
        }
    }

    fn push(&self, due: Instant) -> impl Future<Output = Made> {
        let sent = Instant::now();
        let push: Push<()> =
            self.channel.push_with_timeout(self.timeout, &*self.event, self.payload.clone());
        let reply = push.reply();
        async move { (due, sent, reply.await) }
    }

    fn record(&self, (due, sent, outcome): Made) {
        let latency = sent.elapsed();
        let (bytes, error) = match outcome {
            Ok(Reply { status: Status::Ok, response, .. }) => (response.len(), None),
            Ok(reply) => (reply.response.len(), Some(ErrorClass::replied(&reply.status))),
            Err(failed) => (0, Some(ErrorClass::of_push(&failed))),
        };
        let sample = StepSample { step: 0, due, sent, latency, bytes, error };
        self.recorder.record(self.number, sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_spread_evenly() {
        let start = Instant::now();
        let times: Vec<_> = (0..4).map(|number| Times::new(start, 100.0, number, 4)).collect();
        let millis = |time: Duration| time.as_millis();
        let first: Vec<_> = times.iter().map(|times| millis(times.next - start)).collect();
        assert_eq!(first, [0, 10, 20, 30]);
        assert!(times.iter().all(|times| millis(times.period) == 40));
    }
}
