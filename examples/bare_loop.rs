//! The core in a loop of one's own: no async runtime, one thread, a blocking socket of `std`.
//!
//! ```sh
//! cargo run --example bare_loop                                   # against an embedded server
//! cargo run --example bare_loop ws://localhost:4000/socket        # against one of yours
//! ```
//!
//! It joins `room:lobby`, pushes `echo`, prints the reply, leaves and disconnects. Exit code 0 if that
//! worked. The embedded server runs on a thread of its own; the client is all in `main`'s.
#![allow(clippy::print_stdout, reason = "telling is what this example is for")]

use std::error::Error;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant as Clock};

use phx_proto::{
    Action, ChannelCloseCause, CloseCause, CloseCode, Config, Endpoint, Event, Frame, Instant,
    Outcome, Payload, Request, Socket, Status, TransportId,
};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::frame::{CloseFrame, Utf8Bytes};
use tungstenite::{Message, WebSocket};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::parse(&support::server_url()?)?.with_param("from", "bare_loop");
    let mut client = Client {
        socket: Socket::new(Config::default(), 42),
        endpoint,
        epoch: Clock::now(),
        transport: None,
    };

    // Intents. The loop does the rest.
    let now = client.now();
    let socket = &mut client.socket;
    let room = socket.channel("room:lobby", Payload::empty())?;
    socket.connect(now);
    socket.join(now, room, None)?;
    let echo = socket.push(now, room, "echo", Payload::json("hello")?, None)?;

    while let Some(event) = client.next_event() {
        let now = client.now();
        match event {
            Event::Joined { .. } => println!("joined"),
            Event::RequestDone { push, outcome, .. } if push == echo => match outcome {
                Outcome::Reply { status: Status::Ok, response, .. } => {
                    println!("the reply is {}", response.decode::<&str>()?);
                    client.socket.leave(now, room, None)?;
                }
                other => return Err(format!("no reply: {other:?}").into()),
            },
            Event::ChannelClosed { cause: ChannelCloseCause::Left, .. } => {
                println!("left");
                client.socket.disconnect(now, CloseCode::NORMAL, "done")?;
            }
            Event::Closed { cause: CloseCause::Disconnected, .. } => {
                println!("disconnected");
                return Ok(());
            }
            Event::Closed { cause, retry_in, .. } => println!("{cause}; again in {retry_in:?}"),
            _ => {}
        }
    }
    Err("the socket gave up".into())
}

/// The core, a clock, and at most one WebSocket.
struct Client {
    socket: Socket,
    endpoint: Endpoint,
    epoch: Clock,
    transport: Option<(TransportId, WebSocket<TcpStream>)>,
}

impl Client {
    fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// Runs the loop until there is something to tell; `None` if nothing will ever happen again.
    fn next_event(&mut self) -> Option<Event> {
        loop {
            while let Some(action) = self.socket.poll_action() {
                self.perform(action);
            }
            if let Some(event) = self.socket.poll_event() {
                return Some(event);
            }
            let deadline = self.socket.poll_timeout();
            if deadline.is_none() && self.transport.is_none() {
                return None;
            }
            self.wait(deadline);
            let now = self.now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.socket.handle_timeout(now);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Connect { transport, .. } => {
                match open(&self.endpoint.request(self.socket.config().serializer.vsn())) {
                    Ok(websocket) => {
                        self.transport = Some((transport, websocket));
                        self.socket.handle_opened(self.now(), transport);
                    }
                    Err(cause) => self.socket.handle_closed(self.now(), transport, cause),
                }
            }
            Action::Send { transport, frame, .. } => {
                let message = match frame {
                    Frame::Text(text) => Utf8Bytes::try_from(text).map(Message::Text),
                    Frame::Binary(data) => Ok(Message::Binary(data)),
                };
                let (Ok(message), Some((_, websocket))) = (message, &mut self.transport) else {
                    return;
                };
                if let Err(error) = websocket.send(message) {
                    self.lost(transport, &error);
                }
            }
            Action::Close { transport, code, reason, .. } => {
                if let Some((_, mut websocket)) = self.transport.take() {
                    let reason = reason.into();
                    let frame = CloseFrame { code: code.as_u16().into(), reason };
                    // Whether the server hears it or not, this connection is over.
                    let _ = websocket.close(Some(frame)).and_then(|()| websocket.flush());
                    self.socket.handle_closed(self.now(), transport, CloseCause::io(""));
                }
            }
            _ => {}
        }
    }

    /// Waits for a frame, but not longer than until the deadline.
    fn wait(&mut self, deadline: Option<Instant>) {
        let now = self.now();
        // `None` is for ever, and zero is not allowed.
        let patience = deadline
            .map(|deadline| deadline.saturating_duration_since(now).max(Duration::from_millis(1)));
        let Some((transport, websocket)) = &mut self.transport else {
            std::thread::park_timeout(patience.unwrap_or_default());
            return;
        };
        let transport = *transport;
        let received = websocket
            .get_ref()
            .set_read_timeout(patience)
            .map_err(tungstenite::Error::Io)
            .and_then(|()| websocket.read());
        let now = self.now();
        match received {
            Ok(Message::Text(text)) => {
                self.socket.handle_frame(now, transport, Frame::text(text));
            }
            Ok(Message::Binary(data)) => {
                self.socket.handle_frame(now, transport, Frame::binary(data));
            }
            Ok(Message::Close(frame)) => {
                let (code, reason) = match frame {
                    Some(frame) => (u16::from(frame.code).into(), frame.reason.to_string()),
                    None => (CloseCode::NO_STATUS, String::new()),
                };
                self.transport = None;
                self.socket.handle_closed(now, transport, CloseCause::frame(code, reason));
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => self.lost(transport, &error),
        }
    }

    fn lost(&mut self, transport: TransportId, error: &tungstenite::Error) {
        self.transport = None;
        let now = self.now();
        self.socket.handle_closed(now, transport, CloseCause::io(error.to_string()));
    }
}

/// Opens a WebSocket, the blocking way.
fn open(request: &Request) -> Result<WebSocket<TcpStream>, CloseCause> {
    if request.is_tls() {
        return Err(CloseCause::invalid_request("this example has no TLS"));
    }
    let lost = |error: &dyn Error| CloseCause::io(error.to_string());
    let stream = TcpStream::connect((request.host(), request.port())).map_err(|e| lost(&e))?;
    stream.set_nodelay(true).map_err(|e| lost(&e))?;
    let mut upgrade = request.url().as_str().into_client_request().map_err(|e| lost(&e))?;
    for (name, value) in request.headers() {
        let name: HeaderName = name.parse().map_err(|e| lost(&e))?;
        let value: HeaderValue = value.parse().map_err(|e| lost(&e))?;
        upgrade.headers_mut().append(name, value);
    }
    let (websocket, _) = tungstenite::client(upgrade, stream).map_err(|e| lost(&e))?;
    Ok(websocket)
}
