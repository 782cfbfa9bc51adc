//! `phx serve`: a server for experiments, without Elixir.

use std::future::pending;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::builder::EnumValueParser;
use clap::{Args, ValueEnum};
use phx_supabase::Broadcast;
use phx_supabase::testing;
use phx_testing::listener::{CompressionFault, Listener};
use phx_testing::{HttpServer, UpgradeRejection};
use phx_tokio::Payload;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::supabase;
use crate::terminal;
use crate::typed::lines;
use crate::value;

mod app;
mod command;

use app::{Application, Service};
use command::{Command, HELP};

/// Largest number of lines of the log that wait for standard error.
const LOG_CAPACITY: usize = 64;

/// Serve a demo application, with faults on command.
///
/// The first line of the output is the URL. WebSocket and long-poll share it. Topics:
///
/// `room:*` has the events `new_msg` (to all, with a reply `{"id": n}`), echo (a reply with the payload), fail (an
/// error reply), shout (to all), whisper (to the others), stop and crash. The param `name` of a join makes it
/// present under that name; `{"reject": true}` is rejected.
///
/// `clock:*` sends tick every second, or every `interval_ms` of the join's params.
///
/// Lines on standard input are faults; `help` lists them. Each channel that crashes is a line on standard error.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The port; 0 for a free one.
    #[arg(long, default_value_t = 4000, value_parser = value::number::<u16, 0, 65_535>)]
    port: u16,

    /// The address to listen on. One that other machines can reach gets a warning.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = value::address)]
    host: IpAddr,

    /// Refuse connections without this token, as the auth token or the param `token`.
    #[arg(long, value_name = "TOKEN", env = "PHX_SERVE_TOKEN", hide_env_values = true, value_parser = value::text)]
    token: Option<String>,

    /// Serve Supabase Realtime instead, as a project with this key: broadcast and presence in any channel. The output
    /// is the project's URL. Any access token is valid, and any channel can be joined.
    #[arg(long, value_name = "KEY", conflicts_with = "token", value_parser = value::text)]
    supabase: Option<String>,

    /// Reset all connections at this interval.
    #[arg(long, value_name = "TIME", value_parser = value::time)]
    drop_every: Option<Duration>,

    /// Delay of everything, in each direction.
    #[arg(long, value_name = "TIME", value_parser = value::time)]
    latency: Option<Duration>,

    /// Compress messages (permessage-deflate) for clients that offer it.
    #[arg(long)]
    compress: bool,

    /// The web server to imitate, where compression or long-poll depend on it.
    #[arg(long, value_name = "NAME", default_value = "bandit", value_parser = value::OneOf(EnumValueParser::<WebServer>::new()))]
    http_server: WebServer,

    /// Number of attempts to connect that are first answered with 503.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = value::number::<u32, 0, 4_294_967_295>)]
    refuse_first: u32,
}

/// Web servers below Phoenix.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WebServer {
    Bandit,
    Cowboy,
}

impl From<WebServer> for HttpServer {
    fn from(server: WebServer) -> Self {
        match server {
            WebServer::Bandit => HttpServer::Bandit,
            WebServer::Cowboy => HttpServer::Cowboy,
        }
    }
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let address = SocketAddr::new(options.host, options.port);
    let (log, mut crashes) = channel(LOG_CAPACITY);
    let application = match options.supabase.clone() {
        Some(key) => Application::Supabase { key },
        None => Application::Demo { token: options.token.clone() },
    };
    let service = Service { http_server: options.http_server.into(), compresses: options.compress };
    let mut serving = Serving::start(address, application, service, log).await?;
    serving.set_latency(options.latency.unwrap_or_default());
    for _ in 0..options.refuse_first {
        serving.listener.refuse_next(UpgradeRejection::new(503));
    }
    say(&serving.url())?;
    if !options.host.to_canonical().is_loopback() {
        terminal::warning(&format!(
            "{address} can be reached from other machines: this server is for tests, and doesn't \
             withstand a network that you don't trust"
        ));
    }
    if io::stdin().is_terminal() {
        terminal::say("Ctrl-C ends it; `help` lists the faults on command");
    }
    let mut lines = lines(|| Box::new(io::stdin().lock()));
    let mut drops = options.drop_every.map(|period| {
        let mut drops = interval_at(tokio::time::Instant::now() + period, period);
        drops.set_missed_tick_behavior(MissedTickBehavior::Delay);
        drops
    });
    loop {
        let drop_now = async {
            match &mut drops {
                Some(drops) => drops.tick().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.next() => break,
            _ = drop_now => serving.listener.all().cut(),
            Some(line) = crashes.recv() => terminal::say(&line),
            Some(Ok(line)) = lines.recv() => {
                let done = tokio::select! {
                    done = serving.obey(&line) => done?,
                    _ = interrupt.next() => break,
                };
                match done {
                    Some(text) => say(&text)?,
                    None => break,
                }
            }
        }
    }
    serving.listener.stop().await;
    while let Ok(line) = crashes.try_recv() {
        terminal::say(&line);
    }
    Ok(())
}

/// A listener and its settings.
struct Serving {
    listener: Listener,
    application: Application,
    service: Service,
    log: Sender<String>,
    latency: Duration,
}

impl Serving {
    async fn start(
        address: SocketAddr,
        application: Application,
        service: Service,
        log: Sender<String>,
    ) -> Result<Self, Failure> {
        let server = app::server(application.clone(), service, log.clone());
        let listener = Listener::bind_to(address, server).await;
        let listener = listener
            .map_err(|error| Failure::usage(format!("can't listen on {address}: {error}")))?;
        Ok(Serving { listener, application, service, log, latency: Duration::ZERO })
    }

    /// The URL that clients take: the socket's, or the project's.
    fn url(&self) -> String {
        match self.application {
            Application::Demo { .. } => self.listener.url().to_owned(),
            Application::Supabase { .. } => format!("http://{}", self.listener.address()),
        }
    }

    /// Sends an event to all who joined the topic, or a broadcast to all in the channel.
    fn broadcast(&self, topic: String, event: String, payload: Payload) {
        match self.application {
            Application::Demo { .. } => self.listener.broadcast(topic, event, payload),
            Application::Supabase { .. } => {
                let broadcast = Broadcast::new(event, payload);
                for topic in supabase::rooms(&topic) {
                    self.listener
                        .with(|server, now| testing::broadcast(server, now, &topic, &broadcast));
                }
            }
        }
    }

    fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
        self.listener.set_latency(latency);
    }

    /// Runs a command line and returns the answer; `None` if the line ends the server.
    async fn obey(&mut self, line: &str) -> Result<Option<String>, Failure> {
        let command = match Command::parse(line) {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(Some(String::new())),
            Err(why) => return Ok(Some(format!("not done: {why}"))),
        };
        let connections = self.listener.with(|server, _| server.sockets().count());
        let all = self.listener.all();
        Ok(Some(match command {
            Command::Drop => {
                all.cut();
                format!("dropped {connections} connections")
            }
            Command::Stall => {
                all.stall();
                format!("stalled {connections} connections")
            }
            Command::HalfOpen => {
                all.half_open();
                format!("{connections} connections are half open")
            }
            Command::Resume => {
                all.resume();
                format!("resumed {connections} connections")
            }
            Command::Close(code) => {
                all.close(code);
                format!("closed {connections} connections with code {code}")
            }
            Command::Drain => {
                self.listener.drain();
                format!("drained {connections} connections")
            }
            Command::Latency(latency) => {
                self.set_latency(latency);
                format!("latency {}", humantime::format_duration(latency))
            }
            Command::Connectivity(connectivity) => {
                self.listener.set_connectivity(connectivity);
                "done".to_owned()
            }
            Command::Refuse(status) => {
                self.listener.refuse_next(UpgradeRejection::new(status));
                format!("the next attempt to connect is refused with {status}")
            }
            Command::AbortPolls => {
                self.listener.abort_polls();
                "aborted the polls".to_owned()
            }
            Command::CloseIdle => {
                self.listener.close_idle();
                "closed the idle connections".to_owned()
            }
            Command::FailPoll => {
                self.listener.with(|server, _| server.fail_next_poll());
                "the next poll with messages fails".to_owned()
            }
            Command::SlowPosts(delay) => {
                self.listener.with(|server, _| server.delay_posts(delay));
                format!("POSTs take {} longer", humantime::format_duration(delay))
            }
            Command::BreakStream => {
                all.inject_compressed(CompressionFault::BrokenStream);
                format!("sent a broken stream to {connections} connections")
            }
            Command::Bomb(bytes) => {
                all.inject_compressed(CompressionFault::Bomb(bytes));
                format!("sent {bytes} zeros to {connections} connections")
            }
            Command::Busy(time) => {
                self.listener.with(|server, now| {
                    let sockets: Vec<_> = server.sockets().collect();
                    sockets.into_iter().for_each(|socket| server.keep_busy(now, socket, time));
                });
                format!("{connections} connections are busy")
            }
            Command::Broadcast(topic, event, payload) => {
                self.broadcast(topic, event, payload);
                "broadcast".to_owned()
            }
            Command::Restart(pause) => {
                self.restart(pause).await?;
                format!("restarted, with {connections} connections lost")
            }
            Command::Connections => self.connections(),
            Command::Help => HELP.to_owned(),
            Command::Quit => return Ok(None),
        }))
    }

    /// Stops, and restarts after a pause on the same port, without any state.
    async fn restart(&mut self, pause: Duration) -> Result<(), Failure> {
        let address = self.listener.address();
        // An unused listener replaces the stopped one, which is consumed.
        let unused = Application::Demo { token: None };
        let unused = app::server(unused, Service::default(), self.log.clone());
        let nowhere = Listener::bind(unused).await?;
        std::mem::replace(&mut self.listener, nowhere).stop().await;
        sleep(pause).await;
        let mut again =
            Serving::start(address, self.application.clone(), self.service, self.log.clone())
                .await?;
        again.set_latency(self.latency);
        *self = again;
        Ok(())
    }

    fn connections(&self) -> String {
        self.listener.with(|server, _| {
            let sockets: Vec<_> = server.sockets().collect();
            let mut text = format!("{} connections", sockets.len());
            for (number, socket) in sockets.into_iter().enumerate() {
                let topics: Vec<_> = server.topics(socket).map(|topic| &**topic).collect();
                let topics = terminal::shown(&topics.join(" "));
                text.push_str(&format!("\n  {}: {topics}", number.saturating_add(1)));
            }
            text
        })
    }
}

fn say(text: &str) -> Result<(), Failure> {
    if !text.is_empty() {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
    }
    Ok(())
}
