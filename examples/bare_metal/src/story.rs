//! The program: a sensor that joins a room, reports, listens, and stays joined whatever happens to its line.
//!
//! Each step is a line on the console. What the server and the line must do for it is in the table; `cargo xtask bare-metal` and
//! the tests do that, and compare the lines.
//!
//! | step | from outside |
//! |---|---|
//! | it joins `room:lobby` and sees who is present | |
//! | it reports a temperature, and has a reply | |
//! | it hears a message | somebody joins, sends `new_msg` and leaves |
//! | it rejoins after a cut | the modem reports a cut |
//! | it finds a silent line by its heartbeat, collects reports, and rejoins at the third dial | nothing passes any more; two dials fail |
//! | it sends the reports, leaves and disconnects | |

use core::fmt;
use core::mem::ManuallyDrop;
use core::time::Duration;

use phx_proto::{
    Backoff, CallError, ChannelCloseCause, ChannelId, CloseCause, CloseCode, Config, Endpoint,
    EndpointError, Event, Outcome, Payload, PayloadError, Presence, PresenceChange, PresenceConfig,
    RequestId, Socket, Status,
};
use serde::de::IgnoredAny;

use crate::{Board, Client, Entropy};

/// Reports that are collected while there is no connection.
const REPORTS: usize = 8;

/// Bytes of the text in each of them: with its quotes it has 64.
const REPORT: &str = "21.5 C 21.6 C 21.5 C 21.4 C 21.5 C 21.7 C 21.6 C 21.6 C 21.6 C";

/// Returns the settings: those for small machines, with times so short that the story takes seconds.
fn config() -> Config {
    let mut config = Config::small();
    // A device keeps the preset's times, or has longer ones: each heartbeat wakes its radio.
    config.heartbeat_interval = Some(Duration::from_secs(2));
    config.heartbeat_timeout = Duration::from_secs(1);
    config.heartbeat_limit = Duration::from_secs(3);
    let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
    // With jitter, so that devices don't come back in step.
    config.reconnect = Backoff::exponential(first, 2, longest).with_jitter_percent(25);
    config.rejoin = config.reconnect.clone();
    config
}

/// Plays the story to its end.
///
/// # Errors
///
/// [`Failure`]: a step went differently.
pub fn run<B: Board>(board: &mut B, url: &str, entropy: Entropy) -> Result<(), Failure> {
    // Parts that the compiler must not inline: what they need of the stack is free again before the story plays.
    let endpoint = endpoint(url)?;
    // It stays where it is made: a move of it would take its size twice of the stack. A device's client lives as long as
    // its program: the code that would drop it takes 1 KiB of the flash.
    let mut client = ManuallyDrop::new(client(board, endpoint, entropy));
    let room = room(&mut client.socket)?;
    let presence = Presence::with_config(PresenceConfig::small());
    Story { client: &mut client, room, presence }.plays()
}

#[inline(never)]
fn endpoint(url: &str) -> Result<Endpoint, EndpointError> {
    Endpoint::parse(url)
}

#[inline(never)]
fn client<B: Board>(board: &mut B, endpoint: Endpoint, entropy: Entropy) -> Client<'_, B> {
    Client::new(board, endpoint, config(), entropy)
}

#[inline(never)]
fn room(socket: &mut Socket) -> Result<ChannelId, Failure> {
    let params = Payload::from_json_text(r#"{"name":"sensor"}"#)?;
    Ok(socket.channel("room:lobby", params)?)
}

struct Story<'a, 'b, B> {
    client: &'a mut Client<'b, B>,
    room: ChannelId,
    presence: Presence<IgnoredAny, IgnoredAny>,
}

impl<B: Board> Story<'_, '_, B> {
    /// Plays step by step, each with its own part of the stack: called by name, they would be inlined.
    fn plays(&mut self) -> Result<(), Failure> {
        let steps = [
            Self::joins,
            Self::reports,
            Self::hears_a_message,
            Self::is_cut_and_rejoins,
            Self::is_silenced_and_collects_reports,
            Self::says_goodbye,
        ];
        steps.iter().try_for_each(|step| step(self))
    }

    fn joins(&mut self) -> Result<(), Failure> {
        let now = self.client.now();
        self.client.socket.connect(now);
        self.client.socket.join(now, self.room, None)?;
        self.until(|event| matches!(event, Event::Joined { .. }));
        self.until_present("sensor");
        Ok(())
    }

    fn reports(&mut self) -> Result<(), Failure> {
        let report = self.push(Payload::json("21.5 C")?)?;
        self.until_replied(report)
    }

    fn hears_a_message(&mut self) -> Result<(), Failure> {
        self.until(|event| matches!(event, Event::Message { event, .. } if event == "new_msg"));
        Ok(())
    }

    fn is_cut_and_rejoins(&mut self) -> Result<(), Failure> {
        self.until(|event| matches!(event, Event::Closed { .. }));
        self.until(|event| matches!(event, Event::Joined { rejoined: true, .. }));
        self.until_present("sensor");
        Ok(())
    }

    fn is_silenced_and_collects_reports(&mut self) -> Result<(), Failure> {
        self.until(|event| matches!(event, Event::Closed { .. }));
        let mut reports = [None; REPORTS];
        for report in &mut reports {
            *report = Some(self.push(Payload::json(REPORT)?)?);
        }
        self.until(|event| matches!(event, Event::Joined { rejoined: true, .. }));
        for report in reports.into_iter().flatten() {
            self.until_replied(report)?;
        }
        Ok(())
    }

    fn says_goodbye(&mut self) -> Result<(), Failure> {
        let now = self.client.now();
        self.client.socket.leave(now, self.room, None)?;
        self.until(|event| {
            matches!(event, Event::ChannelClosed { cause: ChannelCloseCause::Left, .. })
        });
        self.client.socket.disconnect(now, CloseCode::NORMAL, "")?;
        self.until(|event| matches!(event, Event::Closed { cause: CloseCause::Disconnected, .. }));
        self.client.power_off();
        Ok(())
    }

    fn push(&mut self, payload: Payload) -> Result<RequestId, Failure> {
        let now = self.client.now();
        let pushed = self.client.socket.push(now, self.room, "echo", payload, None);
        pushed.map_err(|refused| Failure::Call(refused.reason))
    }

    fn until_replied(&mut self, report: RequestId) -> Result<(), Failure> {
        let event =
            self.until(|event| matches!(event, Event::RequestDone { push, .. } if *push == report));
        match event {
            Event::RequestDone { outcome: Outcome::Reply { status: Status::Ok, .. }, .. } => Ok(()),
            _ => Err(Failure::NoReply),
        }
    }

    fn until_present(&mut self, key: &str) {
        while self.presence.get(key).is_none() {
            self.event();
        }
    }

    /// Works until an event of this kind has come, and returns it.
    fn until(&mut self, is_wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.event();
            if is_wanted(&event) {
                return event;
            }
        }
    }

    /// Waits for the next event, shows it, and brings the list of presences up to date.
    fn event(&mut self) -> Event {
        let event = self.client.next_event();
        let board = &mut *self.client.board;
        match &event {
            Event::Opened { .. } => board.log(format_args!("connected")),
            Event::Closed { cause, retry_in: Some(retry_in), .. } => {
                // A plain number: the formatting of fractions and of 128 bits takes KiBs of flash.
                let millis = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                board.log(format_args!("{cause}; again in {millis} ms"));
            }
            Event::Closed { cause, .. } => board.log(format_args!("{cause}")),
            Event::Joined { rejoined, .. } => {
                board.log(format_args!("{}", if *rejoined { "rejoined" } else { "joined" }));
                self.presence.handle_joined();
            }
            Event::Message { event, payload, .. } => {
                match self.presence.handle_event(event, payload) {
                    Ok(Some(changes)) => {
                        for change in changes {
                            show(board, &change);
                        }
                    }
                    Ok(None) => board.log(format_args!("{event} of {} bytes", payload.len())),
                    Err(error) => board.log(format_args!("{error}")),
                }
            }
            Event::RequestDone { outcome: Outcome::Reply { status, response, .. }, .. } => {
                board.log(format_args!("reply {status} of {} bytes", response.len()));
            }
            Event::ChannelClosed { cause, .. } => board.log(format_args!("closed: {cause}")),
            _ => {}
        }
        event
    }
}

fn show<B: Board>(board: &mut B, change: &PresenceChange<IgnoredAny, IgnoredAny>) {
    match change {
        PresenceChange::Joined { key, .. } => board.log(format_args!("+ {key}")),
        PresenceChange::Left { key, .. } => board.log(format_args!("- {key}")),
        _ => {}
    }
}

/// A step of the story that went differently.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The server's URL can't be used.
    Endpoint(EndpointError),
    /// A payload can't be encoded.
    Payload(PayloadError),
    /// A call was refused.
    Call(CallError),
    /// A report had no reply with the status ok.
    NoReply,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Endpoint(error) => error.fmt(f),
            Failure::Payload(error) => error.fmt(f),
            Failure::Call(error) => error.fmt(f),
            Failure::NoReply => f.write_str("a report had no reply"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Failure::Endpoint(error)
    }
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        Failure::Payload(error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure::Call(error)
    }
}
