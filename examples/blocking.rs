//! A synchronous API on the core: calls that block, and a thread that does the work.
//!
//! ```sh
//! cargo run --example blocking                                   # against an embedded server
//! cargo run --example blocking ws://localhost:4000/socket        # against one of yours
//! ```
//!
//! Joins `room:lobby`, pushes `echo` from two threads at once, prints the replies, and ends. The thread
//! sleeps until the stream is ready, the deadline has come, or a call wakes it.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::{Events, Interest, Poll, Token, Waker};
use phx_proto::{
    ChannelId, CloseCause, CloseCode, Config, Endpoint, Event, Outcome, Payload, RequestId, Socket,
};
use support::link::Driver;
use support::server_url;

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(Endpoint::parse(&server_url()?)?)?;
    let lobby = client.join("room:lobby")?;
    let say = |word| client.push(lobby, "echo", word);
    let replies = thread::scope(|scope| {
        let calls = ["one", "two"].map(|word| scope.spawn(move || say(word)));
        calls.map(|call| call.join().map_err(|_| "a thread panicked".to_owned()))
    });
    for reply in replies {
        println!("the reply is {}", reply??.decode::<String>()?);
    }
    client.disconnect()?;
    println!("disconnected");
    Ok(())
}

/// A client for any number of threads.
struct Client {
    calls: Sender<Call>,
    waker: Arc<Waker>,
}

type Answer<T> = Sender<Result<T, String>>;

enum Call {
    Join(String, Answer<ChannelId>),
    Push(ChannelId, String, Payload, Answer<Payload>),
    Disconnect(Answer<()>),
}

impl Client {
    /// Blocks until the connection is open or the first attempt has failed.
    fn connect(endpoint: Endpoint) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
        let (calls, receiver) = channel();
        let (opened, is_open) = channel();
        let driver = Driver::new(Socket::new(Config::default(), 1), endpoint);
        let worker = Worker {
            driver,
            calls: receiver,
            opened: Some(opened),
            joins: HashMap::new(),
            pushes: HashMap::new(),
            closing: None,
        };
        thread::spawn(move || worker.run(poll));
        is_open.recv()??;
        Ok(Client { calls, waker })
    }

    fn join(&self, topic: &str) -> Result<ChannelId, String> {
        self.call(|answer| Call::Join(topic.to_owned(), answer))
    }

    fn push(&self, channel: ChannelId, event: &str, payload: &str) -> Result<Payload, String> {
        let payload = Payload::json(payload).map_err(|error| error.to_string())?;
        self.call(|answer| Call::Push(channel, event.to_owned(), payload, answer))
    }

    fn disconnect(self) -> Result<(), String> {
        self.call(Call::Disconnect)
    }

    fn call<T>(&self, call: impl FnOnce(Answer<T>) -> Call) -> Result<T, String> {
        let (answer, answered) = channel();
        self.calls.send(call(answer)).map_err(|error| error.to_string())?;
        self.waker.wake().map_err(|error| error.to_string())?;
        answered.recv().map_err(|error| error.to_string())?
    }
}

/// What the thread owns: the core, and who waits for what.
struct Worker {
    driver: Driver,
    calls: Receiver<Call>,
    opened: Option<Answer<()>>,
    joins: HashMap<ChannelId, Answer<ChannelId>>,
    pushes: HashMap<RequestId, Answer<Payload>>,
    closing: Option<Answer<()>>,
}

impl Worker {
    fn run(mut self, mut poll: Poll) -> io::Result<()> {
        let mut ready = Events::with_capacity(8);
        let mut watched = None;
        let now = self.driver.now();
        self.driver.core.connect(now);
        loop {
            while let Ok(call) = self.calls.try_recv() {
                self.begin(call);
            }
            let more = self.driver.turn();
            while let Some(event) = self.driver.core.poll_event() {
                if self.dispatch(event) {
                    return Ok(());
                }
            }
            if let Some((transport, stream)) = self.driver.stream()
                && watched != Some(transport)
            {
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(stream, Token(1), interest)?;
                watched = Some(transport);
            }
            let now = self.driver.now();
            let deadline = self.driver.core.poll_timeout();
            let patience = deadline.map(|deadline| deadline.saturating_duration_since(now));
            poll.poll(&mut ready, if more { Some(Default::default()) } else { patience })?;
        }
    }

    fn begin(&mut self, call: Call) {
        let (now, core) = (self.driver.now(), &mut self.driver.core);
        match call {
            Call::Join(topic, answer) => {
                let channel = core.channel(topic, Payload::empty()).map_err(|e| e.to_string());
                let joining = channel.and_then(|channel| {
                    core.join(now, channel, None).map_err(|error| error.to_string())?;
                    Ok(channel)
                });
                match joining {
                    Ok(channel) => drop(self.joins.insert(channel, answer)),
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            Call::Push(channel, event, payload, answer) => {
                match core.push(now, channel, event, payload, None) {
                    Ok(push) => drop(self.pushes.insert(push, answer)),
                    Err(error) => drop(answer.send(Err(error.to_string()))),
                }
            }
            Call::Disconnect(answer) => match core.disconnect(now, CloseCode::NORMAL, "") {
                Ok(()) => self.closing = Some(answer),
                Err(error) => drop(answer.send(Err(error.to_string()))),
            },
        }
    }

    /// Answers whom the event concerns; true if it is the last one.
    fn dispatch(&mut self, event: Event) -> bool {
        match event {
            Event::Opened { .. } => drop(self.opened.take().map(|waiting| waiting.send(Ok(())))),
            Event::Joined { channel, .. } => {
                drop(self.joins.remove(&channel).map(|waiting| waiting.send(Ok(channel))));
            }
            Event::RequestDone { push, outcome, .. } => {
                let answer = match outcome {
                    Outcome::Reply { response, .. } => Ok(response),
                    other => Err(format!("{other:?}")),
                };
                drop(self.pushes.remove(&push).map(|waiting| waiting.send(answer)));
            }
            Event::Closed { cause: CloseCause::Disconnected, .. } => {
                drop(self.closing.take().map(|waiting| waiting.send(Ok(()))));
                return true;
            }
            Event::Closed { cause, .. } => {
                let failed = self.opened.take().map(|waiting| waiting.send(Err(cause.to_string())));
                return failed.is_some();
            }
            Event::JoinFailed { channel, .. } => {
                let failed = Err("the join failed".to_owned());
                drop(self.joins.remove(&channel).map(|waiting| waiting.send(failed)));
            }
            _ => {}
        }
        false
    }
}
