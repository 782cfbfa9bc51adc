//! The core in a custom loop: no async runtime, one thread, a blocking socket of `std`.
//!
//! ```sh
//! cargo run --example bare_loop                                   # against an embedded server
//! cargo run --example bare_loop ws://localhost:4000/socket        # against yours
//! ```
//!
//! It joins `room:lobby`, pushes `echo`, prints the reply, leaves and disconnects. Exit code 0 if that
//! worked. The embedded server runs on another thread; the client needs only `main`'s.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::thread::park_timeout;
use std::time::Instant as Clock;

use phx_proto::{
    Action, ChannelCloseCause, CloseCause, CloseCode, Config, Endpoint, Event, Instant, Outcome,
    Payload, Socket, Status,
};
use phx_tungstenite::{Received, close, connect, read, send};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::parse(&support::server_url()?)?.with_param("from", "bare_loop");
    let epoch = Clock::now();
    let now = || Instant::from_epoch(epoch.elapsed());
    let mut core = Socket::new(Config::default(), 42);
    // The transport's id and its WebSocket, while there is one.
    let mut link = None;

    // These calls only queue work. The loop carries it out.
    let room = core.channel("room:lobby", Payload::empty())?;
    core.connect(now());
    core.join(now(), room, None)?;
    let echo = core.push(now(), room, "echo", Payload::json("hello")?, None)?;

    loop {
        // Events before actions: the end of one connection is handled before the next one opens.
        if let Some(event) = core.poll_event() {
            match event {
                Event::Joined { .. } => println!("joined"),
                Event::RequestDone { push, outcome, .. } if push == echo => match outcome {
                    Outcome::Reply { status: Status::Ok, response, .. } => {
                        println!("the reply is {}", response.decode::<&str>()?);
                        core.leave(now(), room, None)?;
                    }
                    other => return Err(format!("no reply: {other:?}").into()),
                },
                Event::ChannelClosed { cause: ChannelCloseCause::Left, .. } => {
                    println!("left");
                    core.disconnect(now(), CloseCode::NORMAL, "done")?;
                }
                Event::Closed { cause: CloseCause::Disconnected, .. } => {
                    println!("disconnected");
                    return Ok(());
                }
                Event::Closed { cause, retry_in, .. } => {
                    link = None;
                    println!("{cause}");
                    // None if another attempt is of no use: after an HTTP 403, for one.
                    let wait = retry_in.ok_or("the socket gave up")?;
                    println!("again in {wait:?}");
                }
                _ => {}
            }
        } else if let Some(action) = core.poll_action() {
            match action {
                // Headers and subprotocols of the endpoint are part of the upgrade request.
                Action::Connect { transport, .. } => match connect(&endpoint, core.config()) {
                    Ok((websocket, _headers)) => {
                        link = Some((transport, websocket));
                        core.handle_opened(now(), transport);
                    }
                    Err(cause) => core.handle_closed(now(), transport, cause),
                },
                Action::Send { transport, frame, .. } => {
                    let sent = link.as_mut().map(|(_, websocket)| send(websocket, frame));
                    if let Some(Err(cause)) = sent {
                        core.handle_closed(now(), transport, cause);
                    }
                }
                Action::Close { transport, code, reason, .. } => {
                    if let Some((_, websocket)) = link.take() {
                        close(websocket, code, &reason);
                    }
                    core.handle_closed(now(), transport, CloseCause::io(""));
                }
                _ => {}
            }
        } else {
            // Wait for a frame, at most until the core's next deadline.
            let wait = core.poll_timeout().map(|at| at.saturating_duration_since(now()));
            match &mut link {
                Some((transport, websocket)) => match read(websocket, wait) {
                    Received::Frame(frame) => core.handle_frame(now(), *transport, frame),
                    Received::Closed(cause) => core.handle_closed(now(), *transport, cause),
                    _ => {}
                },
                None => park_timeout(wait.unwrap_or_default()),
            }
            core.handle_timeout(now());
        }
    }
}
