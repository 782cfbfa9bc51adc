//! One user of a load, who performs the scenario's steps and records them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use litemap::LiteMap;
use phx_tokio::{
    ByteString, Channel, ConnectCause, ConnectError, JoinCause, JoinError, Payload, Push, Reply,
    Socket, Status,
};
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep_until, timeout};

use super::at_once;
use super::inbox::{Inbox, Place};
use super::liveview::LiveView;
use super::shared::{Connection, Shared};
use super::stop::{Ended, Stop};
use crate::bench::recorder::{ErrorClass, StepSample};
use crate::scenario::{
    Address, Content, Cursor, Expect, Live, Next, Passes, Pattern, Present, Step, Task, Unfilled,
    Unsaved, User as State,
};
use crate::terminal;

/// Why a step has no outcome to count as a success.
enum Failed {
    /// The step is counted as failed, and the next one is performed.
    Step(ErrorClass),
    /// The step is counted as failed, and the pass ends.
    Pass(ErrorClass),
    /// The user was asked to stop; nothing is counted.
    Stopped,
}

impl Failed {
    const fn step(word: &'static str) -> Self {
        Failed::Step(ErrorClass::new(word))
    }

    const fn pass(word: &'static str) -> Self {
        Failed::Pass(ErrorClass::new(word))
    }
}

/// A user with its connection.
pub(super) struct User<'a> {
    shared: &'a Shared,
    state: State,
    cursor: Cursor,
    stop: &'a mut Stop,
    /// When the schedule wants the next step, if there is one.
    due: Option<Instant>,
    connection: Option<Arc<Connection<'a>>>,
    channels: Channels,
    /// Those of the user, in a pass that runs at the same time as others.
    shared_channels: Option<&'a Channels>,
    /// The messages that a `wait` looks at, if the scenario has one, and from which on.
    inbox: Option<Arc<Inbox>>,
    place: Place,
    /// What is known of live views, once there is a step about them.
    live: Option<Box<LiveView>>,
}

type Channels = LiteMap<ByteString, Joined>;

/// A channel that was joined.
struct Joined {
    channel: Channel,
    /// Those present there, if the scenario asks for them.
    present: Option<Present>,
}

/// Performs the scenario once as the user with this number, whose first step is due at a time.
pub(super) async fn pass(
    shared: &Shared,
    number: u64,
    due: Option<Instant>,
    stop: &mut Stop,
) -> Ended {
    let mut user = User {
        shared,
        state: State::new(number, shared.seed),
        cursor: Cursor::default(),
        stop,
        due,
        connection: None,
        channels: LiteMap::with_capacity(1),
        shared_channels: None,
        inbox: shared.has_waits.then(Arc::default),
        place: Place::default(),
        live: None,
    };
    let ended = user.perform_all().await;
    user.disconnect().await;
    ended
}

impl User<'_> {
    /// Performs the steps up to the end of the program, or of the pass that this is.
    async fn perform_all(&mut self) -> Ended {
        let shared = self.shared;
        loop {
            if self.stop.is_asked() {
                return Ended::Stopped;
            }
            let now = Instant::now();
            match self.cursor.next(&shared.program, &mut self.state.rng, now) {
                None => return Ended::Whole,
                Some(Next::Step(step, name)) => {
                    if let Some(ended) = self.perform_and_record(step, name, now).await {
                        return ended;
                    }
                }
                Some(Next::Pass(due)) => {
                    self.state.set_pass(self.cursor.pass());
                    if let Some(due) = due
                        && Box::pin(self.wait_until(due)).await == Ended::Stopped
                    {
                        return Ended::Stopped;
                    }
                    // A loop may have no step that waits.
                    consume_budget().await;
                }
                Some(Next::AtOnce(passes, lanes)) => {
                    self.cursor.leave(&shared.program);
                    match self.perform_at_once(passes, lanes).await {
                        Ended::Whole => {}
                        early => return early,
                    }
                }
                Some(Next::LoopEnded) => self.state.set_pass(self.cursor.pass()),
                Some(Next::GroupEnded(name, began)) => {
                    let latency = began.elapsed();
                    self.shared.recorder.record(
                        self.shard(),
                        StepSample {
                            step: name,
                            due: began,
                            sent: began,
                            latency,
                            bytes: 0,
                            error: None,
                        },
                    );
                }
            }
        }
    }

    /// Waits for the time of a pass.
    async fn wait_until(&mut self, due: Instant) -> Ended {
        self.due = Some(due);
        tokio::select! {
            () = sleep_until(due) => Ended::Whole,
            () = self.stop.asked() => Ended::Stopped,
        }
    }

    /// Performs the passes of a loop, some at the same time. In a box of a named type, since passes perform steps as well.
    fn perform_at_once(&mut self, passes: Passes, lanes: usize) -> BoxFuture<'_, Ended> {
        // The first pass is due when the loop is.
        let passes = Mutex::new((passes, self.due.take()));
        let seed = self.state.rng.u64(..);
        Box::pin(async move {
            let User { shared, state, stop, connection, channels, inbox, .. } = self;
            let (state, connection, channels, inbox) = (&*state, &*connection, &*channels, &*inbox);
            at_once::run(lanes, stop, async |mut stop: Stop| {
                loop {
                    let (next, first_due) = {
                        let mut passes = passes.lock().unwrap_or_else(PoisonError::into_inner);
                        let (passes, due) = &mut *passes;
                        (passes.next(&shared.program, Instant::now()), due.take())
                    };
                    let Some((cursor, due)) = next else { return Ended::Whole };
                    let mut pass = User {
                        shared,
                        state: state.in_pass(cursor.pass(), seed),
                        cursor,
                        stop: &mut stop,
                        due: first_due,
                        connection: connection.clone(),
                        channels: LiteMap::new(),
                        shared_channels: Some(channels),
                        inbox: inbox.clone(),
                        place: Place::default(),
                        live: None,
                    };
                    if let Some(due) = due
                        && pass.wait_until(due).await == Ended::Stopped
                    {
                        return Ended::Stopped;
                    }
                    // Of messages that come from now on, also if the pass waited for its time.
                    pass.place = inbox.as_ref().map_or_else(Place::default, |inbox| inbox.end());
                    consume_budget().await;
                    let ended = pass.perform_all().await;
                    if ended != Ended::Whole {
                        return ended;
                    }
                }
            })
            .await
        })
    }

    async fn perform_and_record(
        &mut self,
        step: &Step,
        name: usize,
        sent: Instant,
    ) -> Option<Ended> {
        let is_measured = is_measured(&step.task);
        let due = if is_measured { self.due.take() } else { None };
        let outcome = self.perform(step).await;
        let latency = sent.elapsed();
        let (bytes, error, ended) = match outcome {
            Ok(bytes) => (bytes, None, None),
            Err(Failed::Step(class)) => (0, Some(class), None),
            Err(Failed::Pass(class)) => (0, Some(class), Some(Ended::Failed)),
            Err(Failed::Stopped) => return Some(Ended::Stopped),
        };
        if is_measured || error.is_some() {
            let due = due.unwrap_or(sent);
            let sample = StepSample { step: name, due, sent, latency, bytes, error };
            self.shared.recorder.record(self.shard(), sample);
        }
        ended
    }

    /// Performs a step, and returns the bytes of the server's answer.
    async fn perform(&mut self, step: &Step) -> Result<usize, Failed> {
        let task = step.fill(&self.state.variables).map_err(|why| match why {
            Unfilled::NoValue(_) => Failed::pass("a variable has no value"),
            Unfilled::TooLarge => Failed::pass("variables too large"),
        })?;
        match task {
            // Each user holds a future as large as the largest of its steps. Those that are large are in boxes, which are gone
            // with the step.
            Task::Connect(address) => Box::pin(self.connect(&address, step)).await.map(|()| 0),
            Task::Join { topic, params, replace, expect } => {
                let answer = Box::pin(self.join(topic, params, replace, expect, step)).await?;
                self.save(step, &answer)
            }
            Task::Push { topic, event, payload, expect } => {
                let channel = &self.joined(&topic)?.channel;
                let (Content::Json(payload) | Content::Binary(payload)) = payload;
                if expect == Expect::None {
                    // It ends when the connection has taken the frame, so that a loop waits for a connection that is slow.
                    let push =
                        channel.push_without_reply_with_timeout(step.timeout, event, payload);
                    let sent = Box::pin(self.within(step, push)).await?;
                    sent.map_err(|failed| Failed::Step(ErrorClass::of_push(&failed)))?;
                    return Ok(0);
                }
                let push: Push<()> = channel.push_with_timeout(step.timeout, event, payload);
                let reply = push.reply().await;
                let reply = reply.map_err(|failed| Failed::Step(ErrorClass::of_push(&failed)))?;
                self.replied(step, expect, &reply)
            }
            Task::Leave { topic } => {
                let joined = self.channels.remove(&topic).ok_or(Failed::step("not joined"))?;
                let left = joined.channel.leave_with_timeout(step.timeout).await;
                left.map(|()| 0).map_err(|_| Failed::step("timed out"))
            }
            Task::Wait(pattern) => Box::pin(self.wait(&pattern, step)).await,
            Task::Presence { topic, key, at_least } => {
                let present = self.joined(&topic)?.present.clone();
                let present = present.ok_or(Failed::step("not joined"))?;
                let reached = present.reaches(key.as_deref(), at_least);
                let reached = Box::pin(self.within(step, reached)).await?;
                reached.map(|()| 0).ok_or(Failed::step("channel closed"))
            }
            Task::Sleep { least, most } => {
                let wake = Instant::now() + self.state.between(least, most);
                tokio::select! {
                    () = sleep_until(wake) => Ok(0),
                    () = self.stop.asked() => Err(Failed::Stopped),
                }
            }
            Task::Ping => {
                let pinged = timeout(step.timeout, self.socket()?.ping()).await;
                match pinged {
                    Ok(Ok(_)) => Ok(0),
                    Ok(Err(_)) => Err(Failed::step("disconnected")),
                    Err(_) => Err(Failed::step("timed out")),
                }
            }
            Task::Disconnect => {
                self.socket()?;
                self.disconnect().await;
                Ok(0)
            }
            Task::Set(values) => {
                let set = self.state.set(&values).map(|()| 0);
                set.map_err(|_| Failed::pass("variables too large"))
            }
            Task::Data(table, order) => {
                self.state.take_row(&table, order);
                Ok(0)
            }
            Task::Live(live) => Box::pin(self.perform_live(live, step)).await,
            // Refused before the load began.
            Task::Params { .. } | Task::Listen { .. } => Err(Failed::pass("not performed")),
        }
    }

    async fn connect(&mut self, address: &Address, step: &Step) -> Result<(), Failed> {
        if self.connection.is_some() {
            return Err(Failed::pass("connected already"));
        }
        let shared = self.shared;
        let url = address.url.as_deref().unwrap_or(&shared.options.url);
        let builder = shared.options.connect.builder(url, terminal::warning);
        let builder = builder.map_err(|_| Failed::pass("the URL can't be used"))?;
        let opened = Arc::clone(&shared.opened);
        let builder = address.settle(builder);
        let builder = match &self.live {
            Some(live) => live.settle(builder),
            None => builder,
        };
        let mut builder = shared.malformed.on(builder).on_open(move || {
            opened.fetch_add(1, Ordering::Relaxed);
        });
        if let Some(inbox) = &self.inbox {
            let inbox = Arc::clone(inbox);
            builder = builder.on_message(move |message| inbox.add(message));
        }
        let socket = builder.spawn().map_err(|failed| Failed::Pass(class_of_connect(&failed)))?;
        match socket.wait_connected().with_timeout(step.timeout).await {
            Ok(()) => {
                shared.connected.fetch_add(1, Ordering::Relaxed);
                self.connection = Some(Arc::new(Connection::new(socket, shared)));
                Ok(())
            }
            Err(failed) => {
                socket.disconnect().await;
                Err(Failed::Pass(class_of_connect(&failed)))
            }
        }
    }

    async fn join(
        &mut self,
        topic: ByteString,
        params: Payload,
        replace: bool,
        expect: Expect,
        step: &Step,
    ) -> Result<Payload, Failed> {
        let failed = |failed: &JoinError| Failed::Pass(ErrorClass::of_join(failed));
        let builder = self.socket()?.channel(topic.clone()).params(params);
        let builder = if replace { builder.replace() } else { builder };
        let channel = builder.create().map_err(|error| failed(&error))?;
        let present = self.shared.has_presence.then(|| Present::on(&channel));
        match (channel.join_with_timeout(step.timeout).await, expect) {
            (Ok(_), Expect::Error) => Err(Failed::step("joined")),
            (Ok(response), _) => {
                self.channels.insert(topic, Joined { channel, present });
                Ok(response)
            }
            (
                Err(JoinError { cause: JoinCause::Rejected { response, .. }, .. }),
                Expect::Error | Expect::Any,
            ) => Ok(response),
            (Err(error), _) => Err(failed(&error)),
        }
    }

    /// Performs a step of a live view. One without which there is no view ends the pass if it fails.
    async fn perform_live(&mut self, live: Live, step: &Step) -> Result<usize, Failed> {
        let (patience, url) = (step.timeout, &*self.shared.options.url);
        let view = self.live.get_or_insert_default();
        let connection = self.connection.as_ref().ok_or(Failed::pass("not connected"));
        let socket = connection.map(|connection| &connection.socket);
        let answer = match live {
            Live::Page { path } => {
                let builder = self.shared.options.connect.builder(url, terminal::warning);
                let http = builder.ok().and_then(|builder| builder.http_client().ok());
                let http = http.ok_or(Failed::pass("the URL can't be used"))?;
                let fetched = view.fetch(&http.with_timeout(patience), url, &path).await;
                return fetched.map_err(Failed::Pass);
            }
            Live::Mount => view.mount(socket?, patience).await.map_err(Failed::Pass),
            Live::Navigate { path } => {
                view.navigate(socket?, url, &path, patience).await.map_err(Failed::Pass)
            }
            Live::Click { kind, event, value, cid } => {
                let answer = view.event(&kind, &event, &value, cid, patience).await;
                answer.map_err(Failed::Step)
            }
            Live::Form { event, fields, target, cid } => {
                let answer = view.form(&event, &fields, target.as_deref(), cid, patience).await;
                answer.map_err(Failed::Step)
            }
            Live::Patch { path } => view.patch(url, &path, patience).await.map_err(Failed::Step),
            Live::Upload { size } => {
                return view.upload(socket?, size, patience).await.map_err(Failed::Step);
            }
        };
        self.save(step, &answer?)
    }

    fn replied(&mut self, step: &Step, expect: Expect, reply: &Reply) -> Result<usize, Failed> {
        let is_ok = reply.status == Status::Ok;
        match expect {
            Expect::Ok if !is_ok => Err(Failed::Step(ErrorClass::replied(&reply.status))),
            Expect::Error if is_ok => Err(Failed::Step(ErrorClass::replied(&reply.status))),
            _ => self.save(step, &reply.response),
        }
    }

    async fn wait(&mut self, pattern: &Pattern, step: &Step) -> Result<usize, Failed> {
        self.socket()?;
        let inbox = self.inbox.clone().ok_or(Failed::step("not performed"))?;
        let mut place = self.place;
        let found = self.within(step, inbox.find(pattern, &mut place)).await;
        self.place = place;
        if self.shared_channels.is_none() {
            inbox.drop_before(place);
        }
        let received = found?;
        self.save(step, &received.payload)
    }

    /// Waits for a future within the step's time, unless the user is asked to stop.
    async fn within<T>(&mut self, step: &Step, work: impl Future<Output = T>) -> Result<T, Failed> {
        tokio::select! {
            biased;
            done = timeout(step.timeout, work) => done.map_err(|_| Failed::step("timed out")),
            () = self.stop.asked() => Err(Failed::Stopped),
        }
    }

    /// Sets the variables that a step takes from its answer, and returns the answer's bytes.
    fn save(&mut self, step: &Step, answer: &Payload) -> Result<usize, Failed> {
        let saved = step.save(answer, &mut self.state.variables);
        saved.map(|()| answer.len()).map_err(|why| match why {
            Unsaved::NotJson => Failed::step("the answer isn't JSON"),
            Unsaved::NotFound => Failed::step("a pointer finds nothing"),
            Unsaved::TooLarge => Failed::step("variables too large"),
        })
    }

    async fn disconnect(&mut self) {
        self.channels = LiteMap::new();
        if let Some(live) = &mut self.live {
            live.disconnect();
        }
        if let Some(connection) = self.connection.take() {
            connection.socket.disconnect().await;
        }
    }

    fn socket(&self) -> Result<&Socket, Failed> {
        let connection = self.connection.as_ref().ok_or(Failed::pass("not connected"))?;
        Ok(&connection.socket)
    }

    fn joined(&self, topic: &ByteString) -> Result<&Joined, Failed> {
        let shared = || self.shared_channels?.get(topic);
        self.channels.get(topic).or_else(shared).ok_or(Failed::step("not joined"))
    }

    /// The user's shard of the recorder.
    fn shard(&self) -> usize {
        usize::try_from(self.state.number).unwrap_or_default()
    }
}

/// Returns whether the time of a step is that of the server.
fn is_measured<T, J>(task: &Task<T, J>) -> bool {
    !matches!(task, Task::Sleep { .. } | Task::Set(_) | Task::Data(..))
}

fn class_of_connect(failed: &ConnectError) -> ErrorClass {
    ErrorClass::new(match &failed.cause {
        ConnectCause::TimedOut { last: None, .. } => "timed out",
        ConnectCause::Endpoint(_) | ConnectCause::Config(_) => "the URL can't be used",
        _ => "can't connect",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a user holds beside its connection.
    fn size_of_pass<'a, F: Future>(
        _pass: impl Fn(&'a Shared, u64, Option<Instant>, &'a mut Stop) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// A hundred thousand users are a hundred thousand of these.
    #[test]
    fn a_user_is_small() {
        let size = size_of_pass(pass);
        assert!(size <= 800, "{size} bytes");
    }
}
