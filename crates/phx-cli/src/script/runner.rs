//! Runs the steps of a script, and prints the records in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use phx_tokio::{
    Channel, ConnectionState, JoinCause, JoinError, Payload, PushError, Reply, Socket,
    SocketBuilder, Status,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::history::{History, Search};
use crate::connect::Connect;
use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::printer::Printer;
use crate::queue::{Receiver, Sender, queue};
use crate::record::{Kind, Record};
use crate::scenario::{
    Address, Content, Cursor, Expect, Next, Pattern, Present, Program, Step, Task, Unfilled,
    Unsaved, User,
};
use crate::session::{
    JoinParams, JoinRefs, JoinedChannel, accepted, channel_records, forward, report_connection,
    report_failures, topic_records, while_open,
};
use crate::supabase::{self, Supabase};
use crate::terminal::{self, shown};

/// Largest number of records that wait for the printer.
const CAPACITY: usize = 256;

/// State of a running script.
pub(super) struct Runner {
    supabase: Arc<Supabase>,
    connect: Arc<Connect>,
    url: Option<String>,
    printer: Printer,
    history: History,
    records: Sender<Record>,
    happened: Receiver<Record>,
    connection: Option<Connection>,
    /// True once the connection has ended for good.
    is_over: watch::Receiver<bool>,
    channels: BTreeMap<String, JoinedChannel>,
    presences: BTreeMap<String, Present>,
    refs: JoinRefs,
    user: User,
}

/// Connection, which may have ended, with the settings to connect again.
struct Connection {
    to: supabase::Connection,
    address: Address,
    /// True once a step has printed its opening.
    is_announced: Arc<AtomicBool>,
    /// True once a step has ended it.
    is_left: bool,
}

/// Step whose outcome a record is.
struct Origin {
    line: u64,
    id: Option<Value>,
}

impl Origin {
    fn mark(&self, record: Record) -> Record {
        let record = record.more("line", self.line);
        match &self.id {
            Some(id) => record.more("id", id.clone()),
            None => record,
        }
    }
}

impl Runner {
    pub(super) fn new(
        supabase: Supabase,
        connect: Connect,
        url: Option<String>,
        printer: Printer,
    ) -> Self {
        let (records, happened) = queue(CAPACITY);
        Runner {
            supabase: Arc::new(supabase),
            connect: Arc::new(connect),
            url,
            printer,
            history: History::default(),
            records,
            happened,
            connection: None,
            is_over: watch::channel(false).1,
            channels: BTreeMap::new(),
            presences: BTreeMap::new(),
            refs: JoinRefs::default(),
            user: User::new(0, fastrand::u64(..)),
        }
    }

    /// Runs a program; the error has the line of the step that failed.
    pub(super) async fn run(&mut self, program: &Program) -> Result<(), (u64, Failure)> {
        let mut cursor = Cursor::default();
        while let Some(next) = cursor.next(program, &mut self.user.rng, Instant::now()) {
            match next {
                Next::Step(step, _) => {
                    self.perform(step).await.map_err(|failure| (step.line, failure))?;
                }
                Next::Pass(due) => {
                    self.user.set_pass(cursor.pass());
                    let due = due.unwrap_or_else(Instant::now);
                    // A loop may have no step that waits.
                    let waited = self.during(async {
                        sleep_until(due).await;
                        yield_now().await;
                    });
                    waited.await.map_err(|failure| (0, failure))?;
                }
                Next::LoopEnded => self.user.set_pass(cursor.pass()),
                // A script performs one step after another.
                Next::AtOnce(..) | Next::GroupEnded(..) => {}
            }
        }
        Ok(())
    }

    /// Performs one step.
    async fn perform(&mut self, step: &Step) -> Result<(), Failure> {
        let origin = Origin { line: step.line, id: step.id.clone() };
        let task = step.fill(&self.user.variables).map_err(unfilled)?;
        match task.map_topic(|topic| self.supabase.topic(topic)) {
            Task::Connect(address) => self.connect(&origin, address).await,
            Task::Join { topic, params, replace, expect } => {
                self.socket()?;
                self.supabase.params(JoinParams::Fixed(params.clone()))?;
                let joined = JoinedChannel::new(params, |params| match &mut self.connection {
                    Some(connection) => connection.to.channel(&topic, params, replace),
                    None => Err(unconnected()),
                })?;
                let answer = self.join(&origin, joined, expect, step.timeout).await?;
                self.save(step, answer.as_ref())
            }
            Task::Params { topic, params } => {
                self.supabase.params(JoinParams::Fixed(params.clone()))?;
                self.joined(&topic)?.set_params(params);
                Ok(())
            }
            Task::Push { topic, event, payload, expect } => {
                self.socket()?;
                let channel = self.joined(&topic)?.channel.clone();
                let (Content::Json(payload) | Content::Binary(payload)) = payload;
                let (sent, payload) = self.supabase.pushed(&event, payload)?;
                if expect == Expect::None {
                    let sent = channel.push_without_reply_with_timeout(step.timeout, sent, payload);
                    let sent = self.while_open(timeout(step.timeout, sent)).await?;
                    return Ok(
                        sent.map_err(|_| Failure::timed_out("the push wasn't sent in time"))??
                    );
                }
                let push = channel.push_with_timeout(step.timeout, sent, payload);
                let push: phx_tokio::Push<()> = push.accepted()?;
                let reply = self.while_open(push.reply()).await?;
                let answer = self.replied(&origin, &channel, &event, expect, reply).await?;
                self.save(step, Some(&answer))
            }
            Task::Leave { topic } => {
                self.socket()?;
                self.joined(&topic)?;
                self.presences.remove(&*topic);
                if let Some(JoinedChannel { channel, .. }) = self.channels.remove(&*topic) {
                    let left = self.while_open(channel.leave_with_timeout(step.timeout)).await?;
                    left?;
                    let record = Record::new(Kind::Left).topic(channel.topic());
                    self.print(origin.mark(record)).await?;
                }
                Ok(())
            }
            Task::Listen { topic } => {
                let messages = topic_records(self.socket()?, &topic).map(self.supabase.read());
                tokio::spawn(forward(messages, self.records.clone()));
                Ok(())
            }
            Task::Wait(pattern) => {
                let record = self.wait(&pattern, step.timeout).await?;
                self.save(step, record.payload.as_ref())
            }
            Task::Presence { topic, key, at_least } => {
                self.socket()?;
                self.joined(&topic)?;
                let present = self.presences.get(&*topic).cloned();
                let present = present.ok_or_else(|| Failure::usage("it isn't joined"))?;
                let reached = present.reaches(key.as_deref(), at_least);
                let reached = self.while_open(timeout(step.timeout, reached)).await?;
                let patience = humantime::format_duration(step.timeout);
                let place = shown(&topic);
                let expected = match key {
                    Some(_) => {
                        format!("expected the key to be present on {place} within {patience}")
                    }
                    None => {
                        format!("expected {at_least} to be present on {place} within {patience}")
                    }
                };
                reached.map_err(|_| Failure::timed_out(expected))?.ok_or(Failure::ended())
            }
            Task::Sleep { least, most } => {
                let time = self.user.between(least, most);
                self.during(sleep(time)).await
            }
            Task::Set(values) => Ok(self.user.set(&values).map_err(unsaved)?),
            Task::Live(_) => Err(Failure::usage(
                "steps of live views are performed by `phx bench --scenario` only",
            )),
            Task::Data(table, order) => {
                self.user.take_row(&table, order);
                Ok(())
            }
            Task::Ping => {
                let socket = self.socket()?.clone();
                let round_trip = self.while_open(socket.ping()).await?;
                let round_trip = round_trip.map_err(|failed| Failure::ping(&socket, &failed))?;
                let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
                self.print(origin.mark(Record::new(Kind::Pong).more("round_trip_us", micros))).await
            }
            Task::Disconnect => {
                let socket = self.socket()?.clone();
                self.during(socket.disconnect()).await?;
                if let Some(connection) = &mut self.connection {
                    connection.is_left = true;
                }
                self.print(origin.mark(Record::new(Kind::Disconnected).detail("as asked for")))
                    .await
            }
        }
    }

    /// Sets the variables that a step takes from its answer.
    fn save(&mut self, step: &Step, answer: Option<&Payload>) -> Result<(), Failure> {
        let saved = match answer {
            Some(answer) => step.save(answer, &mut self.user.variables),
            None if step.save.is_empty() => Ok(()),
            None => Err(Unsaved::NotFound),
        };
        saved.map_err(unsaved)
    }

    /// Waits for a future, and prints the records in between.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(record) = self.happened.recv() => self.print(record).await?,
                () = self.printer.closed() => return Err(Failure::OutputClosed),
                done = &mut work => return Ok(done),
            }
        }
    }

    /// Waits as `during` does, for a future that depends on the server.
    async fn while_open<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let socket = self.socket()?.clone();
        self.during(while_open(&socket, work.map(Ok))).await?
    }

    /// Prints that a line failed, which ends the script.
    pub(super) async fn failed(&mut self, line: u64, failure: Failure) -> Failure {
        if let Some(text) = failure.text() {
            let record = Record::new(Kind::Failed).detail(text).more("line", line);
            // The step has failed, even if the printer fails too.
            let _ = self.print(record).await;
            return failure.at(&format!("line {line}"));
        }
        failure
    }

    /// Leaves and disconnects.
    pub(super) async fn end(mut self, interrupt: &mut Interrupt) {
        if let Some(connection) = self.connection.take() {
            let channels: Vec<_> =
                self.channels.into_values().map(|joined| joined.channel).collect();
            self.connect.close(connection.to.socket(), &channels, interrupt).await;
        }
    }

    /// Connects; after the end of a connection to the same address its channels join again.
    async fn connect(&mut self, origin: &Origin, address: Address) -> Result<(), Failure> {
        let options = Arc::clone(&self.connect);
        let is_ended = |last: &Connection| last.to.socket().state() == ConnectionState::Closed;
        if !self.connection.as_ref().is_none_or(is_ended) {
            return Err(Failure::usage("`connect` again needs a `disconnect` before it"));
        }
        let is_same = |last: &mut Connection| address.is_empty() || address == last.address;
        if let Some(last) = self.connection.take_if(is_same) {
            let socket = last.to.socket().clone();
            last.is_announced.store(false, Ordering::Relaxed);
            self.connection = Some(Connection { is_left: false, ..last });
            let connecting = socket.connect().with_timeout(options.connect_timeout());
            let connected = self.during(connecting).await?;
            connected?;
        } else {
            self.channels.clear();
            self.presences.clear();
            self.connection = None;
            let url = address.url.as_deref().map(str::to_owned).or_else(|| self.url.clone());
            let url = url.ok_or(Failure::usage("`connect` needs a `url`, or `--url`"))?;
            let is_announced = Arc::new(AtomicBool::new(false));
            let (over, is_over) = watch::channel(false);
            let (refs, records) = (self.refs.clone(), self.records.clone());
            let watched = |builder| {
                let builder = address.settle(builder);
                report(builder, &refs, records, Arc::clone(&is_announced), over)
            };
            let supabase = Arc::clone(&self.supabase);
            let opening = supabase.open(&url, &options, terminal::warning, watched);
            let to = self.during(opening).await??;
            self.connection = Some(Connection { to, address, is_announced, is_left: false });
            self.is_over = is_over;
        }
        self.print(origin.mark(Record::new(Kind::Connected))).await
    }

    async fn join(
        &mut self,
        origin: &Origin,
        joined: JoinedChannel,
        expect: Expect,
        patience: Duration,
    ) -> Result<Option<Payload>, Failure> {
        let channel = joined.channel.clone();
        let messages = channel_records(&channel, &self.refs).map(self.supabase.read());
        let records = self.records.clone();
        report_failures(&channel, move |record| records.send_now(record));
        let topic = channel.topic().clone();
        self.refs.expect(&topic);
        let present = Present::on(&channel);
        let answer = self.while_open(channel.join_with_timeout(patience)).await?;
        let record = Record::new(Kind::Joined).topic(&topic).reference(self.refs.of(&topic));
        match accepted(answer) {
            Ok(response) => {
                self.print(origin.mark(record.answer(&response))).await?;
                self.channels.insert(topic.to_string(), joined);
                self.presences.insert(topic.to_string(), present);
                tokio::spawn(forward(messages, self.records.clone()));
                match expect {
                    Expect::Error => {
                        let text = "expected the server to reject the join, and it accepted";
                        Err(Failure::Error(
                            Code::Rejected,
                            format!("join of `{}`: {text}", shown(&topic)),
                        ))
                    }
                    _ => Ok(response.ok()),
                }
            }
            Err(JoinError { cause: JoinCause::Rejected { status, response, .. }, .. })
                if expect != Expect::Ok =>
            {
                let record = Record { kind: Kind::Rejected, ..record }.payload(&response);
                self.print(origin.mark(record.more("status", status.as_str()))).await?;
                Ok(Some(response))
            }
            Err(failed) => Err(failed.into()),
        }
    }

    async fn replied(
        &mut self,
        origin: &Origin,
        channel: &Channel,
        event: &str,
        expect: Expect,
        reply: Result<Reply, PushError>,
    ) -> Result<Payload, Failure> {
        let topic = channel.topic();
        let reply = reply?;
        self.print(origin.mark(Record::reply(topic, event, &reply))).await?;
        let is_expected = match expect {
            Expect::Ok => reply.status == Status::Ok,
            Expect::Error => reply.status != Status::Ok,
            Expect::Any | Expect::None => true,
        };
        if is_expected {
            return Ok(reply.response);
        }
        let expected = if expect == Expect::Ok { "expected ok" } else { "expected an error" };
        Err(Failure::replied(topic, event, &reply).at(expected))
    }

    async fn wait(&mut self, pattern: &Pattern, patience: Duration) -> Result<Record, Failure> {
        let deadline = Instant::now() + patience;
        let mut search = Search::new(pattern);
        loop {
            if let Some(record) = self.history.find(&mut search) {
                return Ok(record);
            }
            let mut is_over = self.is_over.clone();
            tokio::select! {
                biased;
                Some(record) = self.happened.recv() => self.print(record).await?,
                // Without a connection there was no end, and the sender is gone.
                Ok(_) = is_over.wait_for(|is_over| *is_over) => return self.find_last(search).await,
                () = sleep_until(deadline) => {
                    return Err(Failure::timed_out(self.missing(pattern, patience)));
                }
            }
        }
    }

    /// Returns the text for a pattern without a match.
    fn missing(&self, pattern: &Pattern, patience: Duration) -> String {
        let patience = humantime::format_duration(patience);
        format!("expected {pattern} within {patience}; {}", self.history.summary())
    }

    /// Searches the records that had come when the connection ended, and those of the forwarding tasks.
    async fn find_last(&mut self, mut search: Search<'_>) -> Result<Record, Failure> {
        let mut is_all = false;
        while !is_all {
            // The tasks run before this continues, since they were woken before the report of the end.
            yield_now().await;
            is_all = true;
            while let Some(record) = self.happened.try_recv() {
                self.print(record).await?;
                is_all = false;
            }
            if let Some(record) = self.history.find(&mut search) {
                return Ok(record);
            }
        }
        Err(Failure::ended())
    }

    async fn print(&mut self, record: Record) -> Result<(), Failure> {
        self.history.add(record.clone());
        self.printer.print(record).await
    }

    fn socket(&self) -> Result<&Socket, Failure> {
        let connection = self.connection.as_ref().filter(|connection| !connection.is_left);
        let socket = connection.map(|connection| connection.to.socket());
        socket.ok_or_else(unconnected)
    }

    fn joined(&self, topic: &str) -> Result<&JoinedChannel, Failure> {
        let joined = self.channels.get(topic);
        joined.ok_or_else(|| Failure::usage(format!("`{topic}` isn't joined")))
    }
}

fn unfilled(why: Unfilled) -> Failure {
    Failure::usage(match why {
        Unfilled::NoValue(name) => {
            format!("`{name}` has no value: expected a `set`, `data` or `save` of it before")
        }
        Unfilled::TooLarge => "the values of its variables are too large".to_owned(),
    })
}

fn unsaved(why: Unsaved) -> Failure {
    Failure::failed(match why {
        Unsaved::NotJson => "`save` needs an answer, and it isn't JSON",
        Unsaved::NotFound => "a pointer of `save` finds nothing in the answer",
        Unsaved::TooLarge => "the value of a variable is too large",
    })
}

fn unconnected() -> Failure {
    Failure::usage("there is no connection: `connect` comes first")
}

/// Reports the connection's records, and its final end.
fn report(
    builder: SocketBuilder,
    refs: &JoinRefs,
    records: Sender<Record>,
    is_announced: Arc<AtomicBool>,
    over: watch::Sender<bool>,
) -> SocketBuilder {
    let malformed = records.clone();
    let builder = report_connection(refs.watch(builder), move |record| {
        // The first opening is the outcome of the step.
        if record.kind != Kind::Connected || is_announced.swap(true, Ordering::Relaxed) {
            records.send_now(record);
        }
    });
    let builder = malformed::records(builder, move |record| malformed.send_now(record));
    let over = Arc::new(over);
    let opened = Arc::clone(&over);
    // Added last, so that the records of the others come before the end.
    malformed::warn(builder)
        .on_open(move || {
            opened.send_replace(false);
        })
        .on_close(move |end| {
            over.send_replace(end.retry_in.is_none());
        })
}
