//! `phx presence`: who is there, as a live list or line by line.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use phx_tokio::{
    Channel, ConfigError, ConnectionState, Payload, Presence, PresenceChange, PresenceChanges,
    PresenceConfig, PresenceEntry, PresenceItem, PresenceStatus, Push, Socket, SocketBuilder,
    Status,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::connect::Connect;
use crate::failure::{Failure, chain};
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::payload;
use crate::printer::{Format, Printer};
use crate::queue::{Receiver, queue};
use crate::record::{Kind, Record};
use crate::session::{Joining, join, report_connection, report_failures, while_open};
use crate::supabase::Supabase;
use crate::terminal::{self, shown};
use crate::value;

mod live;

use live::{Live, Present};

/// Limit of the live list's records from streams: all of them come from hooks, which have a separate limit.
const CAPACITY: usize = 1;

/// Time limit for the list to arrive after the join.
const PATIENCE: Duration = Duration::from_secs(3);

/// Hint for a list that doesn't arrive.
const MISSING: &str =
    "does the channel push it after the join, or has it another name (--state-event)?";

/// A meta, and the fields that an entry has beside its metas.
type Meta = Value;
type Beside = Map<String, Value>;

/// Show who is present in a topic, live.
///
/// On a terminal this is a live list, with the latest changes below it. Elsewhere, and with --lines, each change
/// is a line. With --json it is an object: kind is `presence_joined`, `presence_left` or synced (or warning,
/// failed, or one of those of `phx join`), key is who, payload is the list of metas that joined or left, and
/// present is the number of keys that are present.
///
/// Ctrl-C ends it with exit code 0.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`, or `@FILE` that holds it; with --supabase the
    /// project's, such as `https://PROJECT.supabase.co`.
    #[arg(value_parser = value::text)]
    url: String,

    /// The topic to join, or with --supabase the name of a channel.
    topic: String,

    /// Print each change as an object of JSON.
    #[arg(long)]
    json: bool,

    /// Print each change as a line, also on a terminal.
    #[arg(long, conflicts_with = "json")]
    lines: bool,

    /// Name of the event with the whole list.
    #[arg(long, value_name = "EVENT", default_value = "presence_state", value_parser = value::text)]
    state_event: String,

    /// Name of the event with the changes.
    #[arg(long, value_name = "EVENT", default_value = "presence_diff", value_parser = value::text)]
    diff_event: String,

    /// Be present yourself: push this meta after each join, as event `presence` in the form of Supabase
    /// Realtime. For a channel of your own that tracks, see --track-event.
    #[arg(long, value_name = "JSON|-", value_parser = value::text_or_stdin)]
    track: Option<String>,

    /// Push the meta of --track itself, as this event.
    #[arg(long, value_name = "EVENT", requires = "track", conflicts_with = "supabase", value_parser = value::text)]
    track_event: Option<String>,

    #[command(flatten)]
    joining: Joining,

    #[command(flatten)]
    supabase: Supabase,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let is_live = !options.json && !options.lines && io::stdout().is_terminal() && Live::works();
    if is_live {
        let mut live = Live::new(&options.supabase.topic(&options.topic));
        return connected(&options, Output::Live(&mut live), interrupt).await;
    }
    let topic = options.supabase.topic(&options.topic);
    let (printer, printed) = Printer::start(Format::new(options.json, [&*topic]));
    let outcome = connected(&options, Output::Lines(&printer), interrupt).await;
    printed.finish(&printer, outcome).await
}

impl Options {
    /// Returns the push that tracks this client: its event and payload.
    fn tracked(&self) -> Result<Option<(String, Payload)>, Failure> {
        let Some(meta) = &self.track else { return Ok(None) };
        let meta = payload::checked(meta.as_bytes().to_vec(), "--track")?;
        let Some(event) = &self.track_event else {
            let meta: Box<RawValue> =
                meta.decode().map_err(|error| Failure::usage(chain(&error)))?;
            let track = json!({ "type": "presence", "event": "track", "payload": meta });
            let track = Payload::json(&track).map_err(|error| Failure::usage(chain(&error)))?;
            return Ok(Some(("presence".to_owned(), track)));
        };
        Ok(Some((event.clone(), meta)))
    }
}

/// Pushes after each join, and reports a push that fails.
fn push_after_joins(
    channel: &Channel,
    event: String,
    payload: Payload,
    report: impl Fn(Record) + Clone + Send + Sync + 'static,
) {
    let pushing = channel.clone();
    let _stays = channel.on_join(move |_, _| {
        let push: Push<()> = pushing.push(&*event, payload.clone());
        let (topic, event, report) = (pushing.topic().clone(), event.clone(), report.clone());
        tokio::spawn(async move {
            let failure = match push.reply().await {
                Ok(reply) if reply.status == Status::Ok => return,
                Ok(reply) => Failure::replied(&topic, &event, &reply),
                Err(failed) => failed.into(),
            };
            report(Record::new(Kind::Failed).detail(failure.text().unwrap_or_default()));
        });
    });
}

/// The output of changes.
enum Output<'a> {
    Live(&'a mut Live),
    Lines(&'a Printer),
}

async fn connected(
    options: &Options,
    output: Output<'_>,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let (hook, reported) = queue::<Record>(CAPACITY);
    let is_live = matches!(output, Output::Live(_));
    let report: Arc<dyn Fn(Record) + Send + Sync> = match &output {
        Output::Lines(printer) => Arc::new(printer.hook()),
        Output::Live(_) => Arc::new(move |record| hook.send_now(record)),
    };
    let hook = || {
        let report = Arc::clone(&report);
        move |record| report(record)
    };
    // Warnings written over a live list would break its lines.
    let shown = Arc::clone(&report);
    let warn = move |text: &str| {
        if is_live {
            shown(Record::new(Kind::Warning).detail(text));
        } else {
            terminal::warning(text);
        }
    };
    let params = options.supabase.params(options.joining.params(warn.clone())?)?;
    let watched = |mut builder: SocketBuilder| {
        if !is_live {
            builder = malformed::warn(report_connection(builder, hook()));
        }
        if options.json || is_live {
            builder = malformed::records(builder, hook());
        }
        builder
    };
    let track = options.tracked()?;
    let unusable = |error: ConfigError| Failure::usage(error.to_string());
    let mut config = PresenceConfig::default();
    config.state_event = (&*options.state_event).into();
    config.diff_event = (&*options.diff_event).into();
    config.validate().map_err(unusable)?;
    let opening = options.supabase.open(&options.url, &options.connect, warn, watched);
    let mut connection = interrupt.guard(opening).await?;
    let socket = connection.socket().clone();
    let mut channels = Vec::new();
    let outcome = async {
        let channel = connection.channel_with_presence(&options.topic, params)?;
        channels.push(channel.clone());
        let presence = channel.presence_with(config).map_err(unusable)?;
        let changes = presence.changes();
        report_failures(&channel, hook());
        if let Some((event, payload)) = track {
            push_after_joins(&channel, event, payload, hook());
        }
        let joined = join(&channel, options.joining.join_timeout);
        let response = interrupt.guard(while_open(&socket, joined)).await?;
        if let Output::Lines(printer) = &output {
            let joined = Record::new(Kind::Joined).topic(channel.topic()).answer(&response);
            printer.print(joined).await?;
        }
        let with_refs = options.json;
        let mut watching = Watching {
            socket: &socket,
            channel: &channel,
            presence,
            output,
            with_refs,
            state_event: &options.state_event,
            patience: PATIENCE.min(options.joining.join_timeout),
        };
        watching.run(changes, reported, interrupt).await
    }
    .await;
    options.connect.close(&socket, &channels, interrupt).await;
    outcome
}

struct Watching<'a> {
    socket: &'a Socket,
    channel: &'a Channel,
    presence: Presence<Meta, Beside>,
    output: Output<'a>,
    /// True to show the server's refs of the metas.
    with_refs: bool,
    /// The name of the event with the whole list.
    state_event: &'a str,
    /// Time limit for the list to arrive.
    patience: Duration,
}

impl Watching<'_> {
    async fn run(
        &mut self,
        mut changes: PresenceChanges<Meta, Beside>,
        mut reported: Receiver<Record>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let mut status = self.socket.status();
        let mut silence = pin!(sleep(self.patience));
        let mut is_silent = matches!(self.output, Output::Lines(_));
        self.draw(None)?;
        loop {
            let closed = async {
                match &self.output {
                    Output::Lines(printer) => printer.closed().await,
                    Output::Live(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = interrupt.next() => return Ok(()),
                () = closed => return Err(Failure::OutputClosed),
                Some(record) = reported.recv() => self.draw(Some(record))?,
                item = changes.next() => match item {
                    Some(item) => self.changed(item).await?,
                    None => return Err(Failure::failed("the server closed the channel")),
                },
                () = &mut silence, if is_silent => {
                    is_silent = false;
                    self.missing_state().await?;
                }
                state = status.next() => {
                    if matches!(state, None | Some(ConnectionState::Closed)) {
                        return Err(Failure::ended());
                    }
                    self.draw(None)?;
                }
            }
        }
    }

    /// Redraws the live list, with one more change if there is one.
    fn draw(&mut self, change: Option<Record>) -> Result<(), Failure> {
        let Output::Live(live) = &mut self.output else { return Ok(()) };
        if let Some(change) = change {
            live.remember(change);
        }
        let is_synced = self.presence.status() != PresenceStatus::Pending;
        live.show(&present(&self.presence), is_synced, self.socket.state())
    }

    /// Warns that no list has arrived.
    async fn missing_state(&self) -> Result<(), Failure> {
        match &self.output {
            Output::Lines(printer) if self.presence.status() == PresenceStatus::Pending => {
                let patience = humantime::format_duration(self.patience);
                let text =
                    format!("within {patience} no `{}` came: {MISSING}", shown(self.state_event));
                let record = Record::new(Kind::Warning).topic(self.channel.topic()).detail(text);
                printer.print(record).await
            }
            _ => Ok(()),
        }
    }

    async fn changed(&mut self, item: PresenceItem<Meta, Beside>) -> Result<(), Failure> {
        let record = Record::new(Kind::Synced).topic(self.channel.topic());
        let record = match item {
            PresenceItem::Change(PresenceChange::Joined { key, before, joined }) => {
                if before.is_some_and(|before| has_all(&before, &joined)) {
                    return Ok(());
                }
                let metas = metas(&joined, self.with_refs);
                Record { kind: Kind::PresenceJoined, ..record }.key(&key).payload(&metas)
            }
            PresenceItem::Change(PresenceChange::Left { key, left, .. }) => {
                let metas = metas(&left, self.with_refs);
                Record { kind: Kind::PresenceLeft, ..record }.key(&key).payload(&metas)
            }
            PresenceItem::Change(_) => record,
            PresenceItem::Lagged(count) => Record { kind: Kind::Lagged, ..record }
                .detail(format!("too slow: {count} changes lost"))
                .more("count", count),
            PresenceItem::Refused(_) => Record { kind: Kind::Errored, ..record }
                .detail("something came that isn't a presence"),
            PresenceItem::Gap => Record { kind: Kind::Errored, ..record }
                .detail("messages were lost: changes may be missing until the next join"),
            _ => return Ok(()),
        };
        let count = self.presence.len();
        match &self.output {
            Output::Lines(printer) => {
                let record = match record.kind {
                    Kind::Synced => record.detail(format!("{count} present")),
                    _ => record,
                };
                printer.print(record.more("present", count)).await
            }
            Output::Live(_) => self.draw(Some(record)),
        }
    }
}

/// Returns true if all of these metas were there before, as with a diff that repeats the state.
fn has_all(before: &PresenceEntry<Meta, Beside>, joined: &PresenceEntry<Meta, Beside>) -> bool {
    joined.metas().all(|meta| before.metas().any(|old| old.phx_ref() == meta.phx_ref()))
}

/// Returns the metas as a JSON array, with or without the server's refs.
fn metas(entry: &PresenceEntry<Meta, Beside>, with_refs: bool) -> Payload {
    let metas = entry.metas().map(|meta| {
        let mut data = meta.data().clone();
        if let (false, Some(fields)) = (with_refs, data.as_object_mut()) {
            fields.retain(|name, _| name != "phx_ref" && name != "phx_ref_prev");
        }
        data
    });
    let metas: Vec<Value> = metas.collect();
    Payload::json(&metas).unwrap_or_default()
}

fn present(presence: &Presence<Meta, Beside>) -> Vec<Present> {
    presence.list().iter().map(|(key, entry)| (key.clone(), metas(entry, false))).collect()
}
