//! The core where there is no standard library: a whole session over a transport that is two functions.
//!
//! The device brings an allocator, a clock, and whatever moves WebSocket messages: an HTTP client on
//! an ESP32, a modem, a browser's WebSocket. [`session`] is all that it needs of the protocol. The
//! `no-std` check builds this crate for a bare-metal target; `cargo run --example no_std_smoke` runs it
//! with a server in a few lines.
#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use phx_proto::{
    Action, CloseCause, CloseCode, Config, Endpoint, Event, Frame, Instant, Outcome, Payload,
    Request, Socket,
};

/// What the device has.
pub trait Device {
    /// Time since it was started.
    fn uptime(&self) -> Duration;

    /// Opens a WebSocket; the request has URL, headers and subprotocols.
    ///
    /// # Errors
    ///
    /// Why it can't.
    fn open(&mut self, request: &Request) -> Result<(), CloseCause>;

    /// Sends one message.
    fn send(&mut self, frame: Frame);

    /// Waits for a message, for this long at the most.
    fn receive(&mut self, patience: Option<Duration>) -> Option<Frame>;

    /// Closes the WebSocket.
    fn close(&mut self, code: CloseCode);
}

/// Connects, joins `topic`, pushes `event` with `payload`, and returns the reply.
///
/// # Errors
///
/// What went wrong, for people.
pub fn session(
    device: &mut impl Device,
    url: &str,
    topic: &str,
    event: &str,
    payload: Payload,
) -> Result<Payload, String> {
    let endpoint = Endpoint::parse(url).map_err(|error| error.to_string())?;
    let mut socket = Socket::new(Config::default(), 1);
    let mut transport = None;
    let mut reply = None;

    let now = Instant::EPOCH;
    let channel = socket.channel(topic, Payload::empty()).map_err(|error| error.to_string())?;
    socket.connect(now);
    socket.join(now, channel, None).map_err(|error| error.to_string())?;
    let push = socket.push(now, channel, event, payload, None);
    let push = push.map_err(|error| error.to_string())?;

    loop {
        let now = Instant::from_epoch(device.uptime());
        while let Some(action) = socket.poll_action() {
            match action {
                Action::Connect { transport: id, .. } => {
                    let request = endpoint.request(socket.config().serializer.vsn());
                    match device.open(&request) {
                        Ok(()) => {
                            transport = Some(id);
                            socket.handle_opened(now, id);
                        }
                        Err(cause) => socket.handle_closed(now, id, cause),
                    }
                }
                Action::Send { frame, .. } => device.send(frame),
                Action::Close { transport: id, code, .. } => {
                    device.close(code);
                    transport = None;
                    socket.handle_closed(now, id, CloseCause::io(""));
                }
                _ => {}
            }
        }
        while let Some(event) = socket.poll_event() {
            match event {
                Event::RequestDone { push: done, outcome, .. } if done == push => {
                    let Outcome::Reply { response, .. } = outcome else {
                        return Err(format!("no reply: {outcome:?}"));
                    };
                    reply = Some(response);
                    let closing = socket.disconnect(now, CloseCode::NORMAL, "");
                    closing.map_err(|error| error.to_string())?;
                }
                Event::Closed { cause: CloseCause::Disconnected, .. } => {
                    return reply.ok_or_else(|| "disconnected".to_string());
                }
                _ => {}
            }
        }
        let deadline = socket.poll_timeout();
        let patience = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let received = device.receive(patience);
        let now = Instant::from_epoch(device.uptime());
        if let (Some(frame), Some(id)) = (received, transport) {
            socket.handle_frame(now, id, frame);
        }
        socket.handle_timeout(now);
    }
}
