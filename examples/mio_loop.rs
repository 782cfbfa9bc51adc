//! A readiness loop: one thread, fifty sockets, and the core of each.
//!
//! ```sh
//! cargo run --example mio_loop
//! ```
//!
//! Each socket joins another room, pushes `echo`, and disconnects once it has the reply. Ends by
//! itself when all have. `support/link.rs` is the transport: it never blocks, and returns what to wait
//! for.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;

use mio::{Events, Interest, Poll, Token};
use phx_proto::{
    CloseCause, CloseCode, Config, Endpoint, Event, Outcome, Payload, RequestId, Socket,
    TransportId,
};
use support::embedded_server;
use support::link::Driver;

const SOCKETS: usize = 50;

struct Client {
    driver: Driver,
    echo: RequestId,
    /// The transport whose stream is registered.
    watched: Option<TransportId>,
    done: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::parse(&embedded_server()?)?;
    let mut poll = Poll::new()?;
    let mut ready = Events::with_capacity(128);
    let mut clients = Vec::new();
    for number in 0..SOCKETS {
        clients.push(Client::start(endpoint.clone(), number)?);
    }

    let mut replies = 0_usize;
    while clients.iter().any(|client| !client.done) {
        // Turns first: the first of them start the connections.
        let mut more = false;
        for (number, client) in clients.iter_mut().enumerate() {
            more |= client.driver.turn();
            while let Some(event) = client.driver.core.poll_event() {
                replies += usize::from(client.handle(event)?);
                // What the event led to.
                more |= client.driver.turn();
            }
            client.watch(&poll, Token(number))?;
        }

        // With this many, the earliest deadline is found by looking at all; a heap does for more.
        let deadline = clients.iter().filter_map(|client| {
            let deadline = client.driver.core.poll_timeout()?;
            Some(deadline.saturating_duration_since(client.driver.now()))
        });
        let patience = if more { Some(Default::default()) } else { deadline.min() };
        if clients.iter().any(|client| !client.done) {
            poll.poll(&mut ready, patience)?;
        }
    }
    println!("{SOCKETS} sockets on one thread: {replies} replies, all disconnected");
    Ok(())
}

impl Client {
    fn start(endpoint: Endpoint, number: usize) -> Result<Self, Box<dyn Error>> {
        let mut driver = Driver::new(Socket::new(Config::default(), number as u64), endpoint);
        let (now, core) = (driver.now(), &mut driver.core);
        let room = core.channel(format!("room:{number}"), Payload::empty())?;
        core.connect(now);
        core.join(now, room, None)?;
        let echo = core.push(now, room, "echo", Payload::json(&number)?, None)?;
        Ok(Client { driver, echo, watched: None, done: false })
    }

    /// Registers a stream that is new.
    fn watch(&mut self, poll: &Poll, token: Token) -> Result<(), Box<dyn Error>> {
        match self.driver.stream() {
            Some((transport, stream)) if self.watched != Some(transport) => {
                poll.registry().register(stream, token, Interest::READABLE | Interest::WRITABLE)?;
                self.watched = Some(transport);
            }
            _ => {}
        }
        Ok(())
    }

    /// True if it was the reply.
    fn handle(&mut self, event: Event) -> Result<bool, Box<dyn Error>> {
        let now = self.driver.now();
        match event {
            Event::RequestDone { push, outcome, .. } if push == self.echo => match outcome {
                Outcome::Reply { response, .. } => {
                    response.decode::<usize>()?;
                    self.driver.core.disconnect(now, CloseCode::NORMAL, "")?;
                    return Ok(true);
                }
                other => return Err(format!("no reply: {other:?}").into()),
            },
            Event::Closed { cause: CloseCause::Disconnected, .. } => self.done = true,
            Event::Closed { cause, retry_in, .. } => println!("{cause}; again in {retry_in:?}"),
            _ => {}
        }
        Ok(false)
    }
}
