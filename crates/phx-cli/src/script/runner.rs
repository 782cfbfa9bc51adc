//! Runs the steps of a script, and prints what happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use phx_tokio::{Channel, JoinFailed, PushFailed, Reply, Socket, Status};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::history::{History, Search};
use super::step::{Expect, Pattern, Step, Task};
use crate::connect::Connect;
use crate::failure::Failure;
use crate::farewell::farewell;
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::printer::Printer;
use crate::queue::{Receiver, Sender, queue};
use crate::record::{Kind, Record};
use crate::session::{
    JoinRefs, accepted, channel, forward, forward_topics, report_connection, report_failures,
    topic_filter, while_open,
};
use crate::terminal;

/// Records that wait to be printed, at most.
const CAPACITY: usize = 256;

/// A script being performed.
pub(super) struct Runner {
    connect: Arc<Connect>,
    url: Option<String>,
    printer: Printer,
    history: History,
    records: Sender<Record>,
    happened: Receiver<Record>,
    socket: Option<Socket>,
    /// Whether the connection has ended, and none is made again.
    is_over: watch::Receiver<bool>,
    channels: BTreeMap<String, Channel>,
    refs: JoinRefs,
}

/// Which step something is the outcome of.
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
    pub(super) fn new(connect: Connect, url: Option<String>, printer: Printer) -> Self {
        let (records, happened) = queue(CAPACITY);
        Runner {
            connect: Arc::new(connect),
            url,
            printer,
            history: History::default(),
            records,
            happened,
            socket: None,
            is_over: watch::channel(false).1,
            channels: BTreeMap::new(),
            refs: JoinRefs::default(),
        }
    }

    /// Does one step.
    pub(super) async fn perform(&mut self, line: u64, step: Step) -> Result<(), Failure> {
        let origin = Origin { line, id: step.id };
        match step.task {
            Task::Connect { url, params, headers, auth_token } => {
                let url = url.or_else(|| self.url.clone());
                let url = url.ok_or(Failure::usage("`connect` needs a `url`, or `--url`"))?;
                let mut builder = self.connect.builder(&url, terminal::warning)?;
                for (name, value) in &params {
                    builder = builder.param(name, value);
                }
                for (name, value) in &headers {
                    builder = builder.header(name, value);
                }
                if let Some(token) = &auth_token {
                    builder = builder.auth_token(token);
                }
                self.connect(&origin, builder, &url).await
            }
            Task::Join { topic, params, expect } => {
                let channel = channel(self.socket()?, &topic, params)?;
                self.join(&origin, channel, expect, step.timeout).await
            }
            Task::Push { topic, event, payload, expect } => {
                let channel = self.channel(&topic)?.clone();
                let push = channel.push_with_timeout(step.timeout, &*event, payload);
                let push: phx_tokio::Push<()> = push
                    .accepted()
                    .map_err(|refused| Failure::push(&topic, &event, &refused.into()))?;
                if expect == Expect::None {
                    // It was accepted.
                    let _ = push.detach();
                    return Ok(());
                }
                let reply = self.while_open(push.reply()).await?;
                self.replied(&origin, &channel, &event, expect, reply).await
            }
            Task::Leave { topic } => {
                self.channel(&topic)?;
                let channel = self.channels.remove(&topic);
                if let Some(channel) = channel {
                    let left = self.while_open(channel.leave_with_timeout(step.timeout)).await?;
                    left.map_err(|failed| Failure::TimedOut(format!("{topic}: {failed}")))?;
                    let record = Record::new(Kind::Left).topic(channel.topic());
                    self.print(origin.mark(record)).await?;
                }
                Ok(())
            }
            Task::Listen { topic } => {
                let messages = self.socket()?.topic_messages(topic_filter(&topic));
                tokio::spawn(forward_topics(messages, topic, self.records.clone()));
                Ok(())
            }
            Task::Wait(pattern) => self.wait(&pattern, step.timeout).await,
            Task::Sleep(time) => self.during(sleep(time)).await,
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
                self.socket = None;
                self.channels.clear();
                self.print(origin.mark(Record::new(Kind::Disconnected).detail("as asked for")))
                    .await
            }
        }
    }

    /// Waits for a future, and prints what happens in between.
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

    /// The same, for what waits for the server.
    async fn while_open<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let socket = self.socket()?.clone();
        self.during(while_open(&socket, work.map(Ok))).await?
    }

    /// Prints that a line failed, which ends the script.
    pub(super) async fn failed(&mut self, line: u64, failure: Failure) -> Failure {
        if let Some(text) = failure.text() {
            let record = Record::new(Kind::Failed).detail(text).more("line", line);
            // Whether or not it can be printed it has failed.
            let _ = self.print(record).await;
            return failure.at(&format!("line {line}"));
        }
        failure
    }

    /// Leaves and disconnects.
    pub(super) async fn end(mut self, interrupt: &mut Interrupt) {
        if let Some(socket) = self.socket.take() {
            let channels: Vec<_> = self.channels.into_values().collect();
            farewell(&socket, &channels, interrupt).await;
        }
    }

    async fn connect(
        &mut self,
        origin: &Origin,
        builder: phx_tokio::SocketBuilder,
        url: &str,
    ) -> Result<(), Failure> {
        if self.socket.is_some() {
            return Err(Failure::usage("`connect` again needs a `disconnect` before it"));
        }
        let records = self.records.clone();
        let was_open = Arc::new(AtomicBool::new(false));
        let builder = report_connection(self.refs.watch(builder), move |record| {
            // The first time is the outcome of the step.
            if record.kind != Kind::Connected || was_open.swap(true, Ordering::Relaxed) {
                records.send_now(record);
            }
        });
        let malformed = self.records.clone();
        let builder = malformed::records(builder, move |record| malformed.send_now(record));
        let builder = malformed::warn(builder);
        let (over, is_over) = watch::channel(false);
        // Behind the others, so that what they report is there when it is over.
        let builder = builder.on_close(move |end| {
            over.send_replace(end.retry_in.is_none());
        });
        let opening = Arc::clone(&self.connect);
        let socket = self.during(opening.open(builder, url)).await??;
        self.socket = Some(socket);
        self.is_over = is_over;
        self.print(origin.mark(Record::new(Kind::Connected))).await
    }

    async fn join(
        &mut self,
        origin: &Origin,
        channel: Channel,
        expect: Expect,
        patience: Duration,
    ) -> Result<(), Failure> {
        let messages = channel.incoming();
        let records = self.records.clone();
        report_failures(&channel, move |record| records.send_now(record));
        let topic = channel.topic().clone();
        self.refs.expect(&topic);
        let joined = self.while_open(channel.join_with_timeout(patience)).await?;
        let record = Record::new(Kind::Joined).topic(&topic).reference(self.refs.of(&topic));
        match accepted(joined) {
            Ok(response) => {
                self.print(origin.mark(record.answer(&response))).await?;
                self.channels.insert(topic.to_string(), channel.clone());
                tokio::spawn(forward(channel, messages, self.refs.clone(), self.records.clone()));
                match expect {
                    Expect::Error => Err(Failure::Rejected(format!("{topic} was joined"))),
                    _ => Ok(()),
                }
            }
            Err(JoinFailed::Rejected { status, response, .. }) if expect != Expect::Ok => {
                let record = Record { kind: Kind::Rejected, ..record }.payload(&response);
                self.print(origin.mark(record.more("status", status.as_str()))).await
            }
            Err(failed) => Err(Failure::join(&topic, &failed)),
        }
    }

    async fn replied(
        &mut self,
        origin: &Origin,
        channel: &Channel,
        event: &str,
        expect: Expect,
        reply: Result<Reply, PushFailed>,
    ) -> Result<(), Failure> {
        let topic = channel.topic();
        let reply = reply.map_err(|failed| Failure::push(topic, event, &failed))?;
        self.print(origin.mark(Record::reply(topic, event, &reply))).await?;
        let is_expected = match expect {
            Expect::Ok => reply.status == Status::Ok,
            Expect::Error => reply.status != Status::Ok,
            Expect::Any | Expect::None => true,
        };
        if is_expected {
            return Ok(());
        }
        Err(Failure::replied(topic, event, &reply.status, &reply.response))
    }

    async fn wait(&mut self, pattern: &Pattern, patience: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        let mut search = Search::new(pattern);
        while !self.history.find(&mut search) {
            let mut is_over = self.is_over.clone();
            tokio::select! {
                biased;
                Some(record) = self.happened.recv() => self.print(record).await?,
                // Without a connection there never was an end of it, and the sender is gone.
                Ok(_) = is_over.wait_for(|is_over| *is_over) => return self.find_last(search).await,
                () = sleep_until(deadline) => {
                    return Err(Failure::TimedOut("what was waited for didn't come".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Looks through what had come when the connection ended, and what those who forward it hold.
    async fn find_last(&mut self, mut search: Search<'_>) -> Result<(), Failure> {
        let mut is_all = false;
        while !is_all {
            // They run before this goes on, since they were woken before the end was reported.
            yield_now().await;
            is_all = true;
            while let Some(record) = self.happened.try_recv() {
                self.print(record).await?;
                is_all = false;
            }
            if self.history.find(&mut search) {
                return Ok(());
            }
        }
        Err(Failure::ended())
    }

    async fn print(&mut self, record: Record) -> Result<(), Failure> {
        self.history.add(record.clone());
        self.printer.print(record).await
    }

    fn socket(&self) -> Result<&Socket, Failure> {
        self.socket.as_ref().ok_or(Failure::usage("there is no connection: `connect` comes first"))
    }

    fn channel(&self, topic: &str) -> Result<&Channel, Failure> {
        let channel = self.channels.get(topic);
        channel.ok_or_else(|| Failure::Usage(format!("`{topic}` isn't joined")))
    }
}
