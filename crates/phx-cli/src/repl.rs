//! `phx repl`: commands to a server, line by line.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use futures::StreamExt as _;
use phx_tokio::{Payload, Push, Socket, SocketBuilder};

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::printer::{Format, Printer};
use crate::queue::{Sender, queue};
use crate::record::{Kind, Record};
use crate::session::{
    JoinParams, JoinRefs, JoinedChannel, channel_records, forward, join, report_connection,
    report_failures, while_open,
};
use crate::supabase::{Connection, Supabase};
use crate::terminal::shown;
use crate::value;

mod command;
mod completion;
mod editor;
mod history;
mod screen;

use command::{Command, HELP};
use completion::Seen;
use editor::{Editor, Typed};

/// Largest number of records that wait for the printer.
const CAPACITY: usize = 256;

/// Talk to a server line by line: join, push, leave, ping, look at the state.
///
/// `help` lists the commands. Tab completes them, and the topics and events seen so far. The history is kept for
/// the next time, except for lines that begin with a space or hold something like a token. Ctrl-C gives up what a command waits for, and clears a line that is being typed; on an empty
/// line it ends the program, as Ctrl-D does.
///
/// With --supabase topics are names of a project's channels, and pushes are broadcasts.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`, or `@FILE` that holds it; with --supabase the
    /// project's, such as `https://PROJECT.supabase.co`.
    #[arg(value_parser = value::text)]
    url: String,

    /// Neither read nor write the history of commands.
    #[arg(long)]
    no_history: bool,

    /// Print JSON payloads on several lines.
    #[arg(long)]
    pretty: bool,

    /// Limit for the answers to joins and pushes.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    timeout: Duration,

    #[command(flatten)]
    supabase: Supabase,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let seen = Seen::default();
    let (editor, screen) = Editor::start(seen.clone(), !options.no_history)?;
    let (printer, printed) =
        Printer::start_by(Format::new(false, []).pretty(options.pretty), screen.printer());
    let outcome = connected(&options, editor, seen, &printer, interrupt).await;
    printed.finish(&printer, outcome).await
}

async fn connected(
    options: &Options,
    mut editor: Editor,
    seen: Seen,
    printer: &Printer,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let refs = JoinRefs::default();
    let report = printer.hook();
    let warn = move |text: &str| report(Record::new(Kind::Warning).detail(text));
    let watched = |builder: SocketBuilder| {
        let builder = refs.watch(report_connection(builder, printer.hook()));
        malformed::records(builder, printer.hook())
    };
    let supabase = &options.supabase;
    let opening = supabase.open(&options.url, &options.connect, warn, watched);
    let connection = interrupt.guard(opening).await?;
    let socket = connection.socket().clone();
    let (records, mut received) = queue::<Record>(CAPACITY);
    let (to, events) = (printer.clone(), seen.clone());
    tokio::spawn(async move {
        while let Some(record) = received.recv().await {
            if let Some(event) = &record.event {
                events.event(event);
            }
            if to.print(record).await.is_err() {
                return;
            }
        }
    });
    let timeout = options.timeout;
    let channels = BTreeMap::new();
    let mut repl = Repl {
        socket,
        connection,
        supabase,
        channels,
        last: None,
        seen,
        refs,
        records,
        printer,
        timeout,
    };
    let outcome = repl.talk(&mut editor, interrupt).await;
    editor.end().await;
    let channels: Vec<_> = repl.channels.into_values().map(|joined| joined.channel).collect();
    options.connect.close(&repl.socket, &channels, interrupt).await;
    outcome
}

struct Repl<'a> {
    socket: Socket,
    connection: Connection,
    supabase: &'a Supabase,
    channels: BTreeMap<String, JoinedChannel>,
    /// The latest joined topic: `.` in commands.
    last: Option<String>,
    seen: Seen,
    refs: JoinRefs,
    records: Sender<Record>,
    printer: &'a Printer,
    timeout: Duration,
}

impl Repl<'_> {
    /// Reads and runs commands until the end.
    async fn talk(
        &mut self,
        editor: &mut Editor,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        loop {
            let typed = tokio::select! {
                typed = editor.next() => typed,
                _ = interrupt.next() => return Ok(()),
                () = self.printer.closed() => return Err(Failure::OutputClosed),
            };
            let line = match typed {
                Typed::Line(line) => line,
                Typed::End => return Ok(()),
                Typed::Failed(error) => return Err(Failure::failed(error)),
            };
            let done = match Command::parse(&line, self.last.as_deref()) {
                Ok(None) => continue,
                Ok(Some(Command::Quit)) => return Ok(()),
                Ok(Some(command)) => tokio::select! {
                    done = self.obey(command) => done,
                    _ = interrupt.next() => Err(Failure::failed("given up")),
                },
                Err(why) => Err(Failure::usage(why)),
            };
            if let Err(failure) = done {
                let Some(text) = failure.text() else { return Err(failure) };
                self.printer.print(Record::new(Kind::Failed).detail(text)).await?;
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Join { topic, params, replace } => self.join(topic, params, replace).await,
            Command::Params(topic, params) => {
                self.supabase.params(JoinParams::Fixed(params.clone()))?;
                self.joined(&topic)?.set_params(params);
                Ok(())
            }
            Command::Leave(topic) => {
                let topic = self.supabase.topic(&topic);
                let channel = self.joined(&topic)?.channel.clone();
                let left = channel.leave_with_timeout(self.timeout).await;
                self.channels.remove(&topic);
                left?;
                self.printer.print(Record::new(Kind::Left).topic(channel.topic())).await
            }
            Command::Push(topic, event, payload) => {
                let channel = self.joined(&topic)?.channel.clone();
                self.seen.event(&event);
                let (sent, payload) = self.supabase.pushed(&event, payload)?;
                let push: Push<()> = channel.push_with_timeout(self.timeout, sent, payload);
                let reply = while_open(&self.socket, async { Ok(push.reply().await?) }).await?;
                self.printer.print(Record::reply(channel.topic(), &event, &reply)).await
            }
            Command::Send(topic, event, payload) => {
                let channel = &self.joined(&topic)?.channel;
                self.seen.event(&event);
                let (sent, payload) = self.supabase.pushed(&event, payload)?;
                let push: Push<()> = channel.push_with_timeout(self.timeout, sent, payload);
                Ok(push.detach()?)
            }
            Command::Ping => {
                let round_trip = self.socket.ping().await;
                let round_trip =
                    round_trip.map_err(|failed| Failure::ping(&self.socket, &failed))?;
                let text = format!("after {:.3} ms", round_trip.as_secs_f64() * 1e3);
                self.printer.print(Record::new(Kind::Pong).detail(text)).await
            }
            Command::State => self.printer.say(self.state()).await,
            Command::Connect => {
                let connected = self.socket.connect().with_timeout(self.timeout).await;
                Ok(connected?)
            }
            Command::Disconnect => {
                self.socket.disconnect().await;
                self.printer.print(Record::new(Kind::Disconnected).detail("as asked for")).await
            }
            Command::Help => self.printer.say(HELP.to_owned()).await,
            // The loop handles it.
            Command::Quit => Ok(()),
        }
    }

    async fn join(&mut self, topic: String, params: Payload, replace: bool) -> Result<(), Failure> {
        let topic = self.supabase.topic(&topic);
        self.supabase.params(JoinParams::Fixed(params.clone()))?;
        let old = self.channels.get(&topic).map(|joined| &joined.channel);
        if !replace && old.is_some_and(|channel| channel.close_cause().is_none()) {
            let text = format!("`{topic}` is joined already: `replace {topic}` joins anew");
            return Err(Failure::usage(text));
        }
        let joined =
            JoinedChannel::new(params, |params| self.connection.channel(&topic, params, replace))?;
        self.channels.remove(&topic);
        let channel = &joined.channel;
        let messages = channel_records(channel, &self.refs).map(self.supabase.read());
        let records = self.records.clone();
        report_failures(channel, move |record| records.send_now(record));
        self.refs.expect(channel.topic());
        let response = while_open(&self.socket, join(channel, self.timeout)).await?;
        let record = Record::new(Kind::Joined).topic(channel.topic()).answer(&response);
        self.printer.print(record).await?;
        tokio::spawn(forward(messages, self.records.clone()));
        self.seen.topic(&topic);
        self.channels.insert(topic.clone(), joined);
        self.last = Some(topic);
        Ok(())
    }

    fn joined(&self, topic: &str) -> Result<&JoinedChannel, Failure> {
        let joined = self.channels.get(&self.supabase.topic(topic));
        joined.ok_or_else(|| Failure::usage(format!("`{topic}` isn't joined: `join {topic}`")))
    }

    fn state(&self) -> String {
        let counters = self.socket.counters();
        let mut text = format!(
            "{}  {:?}  {} frames sent, {} received",
            self.socket.endpoint(),
            self.socket.state(),
            counters.frames_sent,
            counters.frames_received,
        );
        for (topic, joined) in &self.channels {
            text.push_str(&format!("\n{}  {:?}", shown(topic), joined.channel.state()));
        }
        text
    }
}
