//! `phx serve`: a server for experiments, without Elixir.

use std::future::pending;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use phx_testing::UpgradeRejection;
use phx_testing::listener::Listener;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::terminal;
use crate::typed::lines;
use crate::value;

mod app;
mod command;

use command::{Command, HELP};

/// Serve a demo application, with faults on command.
///
/// The first line of the output is the URL. Topics:
///
/// `room:*` has the events `new_msg` (to all, with a reply `{"id": n}`), echo (a reply with the payload), fail (an
/// error reply), shout (to all), whisper (to the others), stop and crash. The param `name` of a join makes it
/// present under that name; `{"reject": true}` is rejected.
///
/// `clock:*` sends tick every second, or every `interval_ms` of the join's params.
///
/// Lines on standard input are faults; `help` lists them.
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

    /// Reset all connections at this interval.
    #[arg(long, value_name = "TIME", value_parser = value::time)]
    drop_every: Option<Duration>,

    /// Delay of everything, in each direction.
    #[arg(long, value_name = "TIME", value_parser = value::time)]
    latency: Option<Duration>,

    /// Number of attempts to connect that are first answered with 503.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = value::number::<u32, 0, 4_294_967_295>)]
    refuse_first: u32,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let address = SocketAddr::new(options.host, options.port);
    let mut serving = Serving::start(address, options.token.clone()).await?;
    serving.set_latency(options.latency.unwrap_or_default());
    for _ in 0..options.refuse_first {
        serving.listener.refuse_next(UpgradeRejection::new(503));
    }
    say(serving.listener.url())?;
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
    Ok(())
}

/// A listener and its settings.
struct Serving {
    listener: Listener,
    token: Option<String>,
    latency: Duration,
}

impl Serving {
    async fn start(address: SocketAddr, token: Option<String>) -> Result<Self, Failure> {
        let listener = Listener::bind_to(address, app::server(token.clone())).await;
        let listener = listener
            .map_err(|error| Failure::usage(format!("can't listen on {address}: {error}")))?;
        Ok(Serving { listener, token, latency: Duration::ZERO })
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
            Command::Broadcast(topic, event, payload) => {
                self.listener.broadcast(topic, event, payload);
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
        let nowhere = Listener::bind(app::server(None)).await?;
        std::mem::replace(&mut self.listener, nowhere).stop().await;
        sleep(pause).await;
        let mut again = Serving::start(address, self.token.clone()).await?;
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
