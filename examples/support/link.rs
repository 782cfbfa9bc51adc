//! A driver for the core that never blocks: one socket, a clock, and a WebSocket by tungstenite over a
//! non-blocking stream.
//!
//! Call [`Driver::turn`] whenever the stream is ready, the deadline has come, or after a call of the core;
//! wait in between in the way that suits the loop.

use std::io::ErrorKind;
use std::mem;
use std::net::ToSocketAddrs;
use std::time::Instant as Clock;

use mio::net::TcpStream;
use phx_proto::{Action, CloseCause, Endpoint, Instant, Request, Socket, TransportId};
use phx_tungstenite::tungstenite::client::client_with_config;
use phx_tungstenite::tungstenite::handshake::client::ClientHandshake;
use phx_tungstenite::tungstenite::handshake::{HandshakeError, MidHandshake};
use phx_tungstenite::tungstenite::protocol::WebSocketConfig;
use phx_tungstenite::tungstenite::{Error, WebSocket};
use phx_tungstenite::{
    Received, close_cause, close_message, io_cause, message, received, websocket_config,
};

/// Frames read in one turn at most, so that other sockets get their turn.
const BUDGET: usize = 256;

/// The core, and what carries its frames.
#[expect(missing_debug_implementations, reason = "examples are run, not debugged")]
pub struct Driver {
    pub core: Socket,
    endpoint: Endpoint,
    epoch: Clock,
    link: Link,
}

#[derive(Default)]
enum Link {
    #[default]
    None,
    Dialing(TransportId, TcpStream, Request),
    Upgrading(TransportId, MidHandshake<ClientHandshake<TcpStream>>),
    Open(TransportId, Box<WebSocket<TcpStream>>),
}

impl Driver {
    pub fn new(core: Socket, endpoint: Endpoint) -> Self {
        Driver { core, endpoint, epoch: Clock::now(), link: Link::None }
    }

    pub fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// The stream to wait for, beside the deadline of the core. Another transport has another stream.
    pub fn stream(&mut self) -> Option<(TransportId, &mut TcpStream)> {
        match &mut self.link {
            Link::None => None,
            Link::Dialing(transport, stream, _) => Some((*transport, stream)),
            Link::Upgrading(transport, upgrade) => Some((*transport, upgrade.get_mut().get_mut())),
            Link::Open(transport, websocket) => Some((*transport, websocket.get_mut())),
        }
    }

    /// Does all that can be done without blocking. True if it ended at the budget, with more to read.
    pub fn turn(&mut self) -> bool {
        let now = self.now();
        if self.core.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.core.handle_timeout(now);
        }
        self.open(now);
        let more = self.receive(now);
        while let Some(action) = self.core.poll_action() {
            self.perform(now, action);
        }
        self.flush(now);
        more
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Connect { transport, .. } => {
                let request = self.endpoint.request(self.core.config().serializer.vsn());
                match dial(&request) {
                    Ok(stream) => self.link = Link::Dialing(transport, stream, request),
                    Err(cause) => self.core.handle_closed(now, transport, cause),
                }
            }
            Action::Send { transport, frame, .. } => {
                let Link::Open(_, websocket) = &mut self.link else { return };
                match message(frame) {
                    // It is buffered where the stream takes no more.
                    Ok(message) => {
                        let written = websocket.write(message);
                        self.check(now, transport, written);
                    }
                    Err(cause) => self.close(now, transport, cause),
                }
            }
            Action::Close { transport, code, reason, .. } => {
                if let Link::Open(_, mut websocket) = mem::take(&mut self.link) {
                    // The connection is over, whether the server hears of it or not.
                    let _ = websocket.send(close_message(code, &reason));
                }
                self.core.handle_closed(now, transport, CloseCause::io(""));
            }
            _ => {}
        }
    }

    /// Continues a connection attempt as far as possible without blocking.
    fn open(&mut self, now: Instant) {
        let (transport, result) = match mem::take(&mut self.link) {
            Link::Dialing(transport, stream, request) => match stream.peer_addr() {
                Ok(_) => {
                    let config = websocket_config(self.core.config());
                    (transport, upgrade(stream, &request, config))
                }
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    // Still under way, unless it has failed.
                    match stream.take_error() {
                        Ok(None) => {
                            self.link = Link::Dialing(transport, stream, request);
                            return;
                        }
                        Ok(Some(error)) | Err(error) => (transport, Err(io_cause(&error))),
                    }
                }
                Err(error) => (transport, Err(io_cause(&error))),
            },
            Link::Upgrading(transport, upgrade) => (transport, upgraded(upgrade.handshake())),
            link => {
                self.link = link;
                return;
            }
        };
        match result {
            Ok(Upgrade::UnderWay(upgrade)) => self.link = Link::Upgrading(transport, upgrade),
            Ok(Upgrade::Done(websocket)) => {
                self.link = Link::Open(transport, websocket);
                self.core.handle_opened(now, transport);
            }
            Err(cause) => self.core.handle_closed(now, transport, cause),
        }
    }

    fn receive(&mut self, now: Instant) -> bool {
        for _ in 0..BUDGET {
            let Link::Open(transport, websocket) = &mut self.link else { return false };
            let transport = *transport;
            match received(websocket.read()) {
                Received::Frame(frame) => self.core.handle_frame(now, transport, frame),
                Received::Closed(cause) => self.close(now, transport, cause),
                Received::Empty => return false,
                _ => {}
            }
        }
        true
    }

    fn flush(&mut self, now: Instant) {
        if let Link::Open(transport, websocket) = &mut self.link {
            let (transport, flushed) = (*transport, websocket.flush());
            self.check(now, transport, flushed);
        }
    }

    fn check(&mut self, now: Instant, transport: TransportId, result: Result<(), Error>) {
        match result {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.close(now, transport, close_cause(&error)),
            Ok(()) => {}
        }
    }

    fn close(&mut self, now: Instant, transport: TransportId, cause: CloseCause) {
        self.link = Link::None;
        self.core.handle_closed(now, transport, cause);
    }
}

/// Looking a name up blocks: give an address, or look the name up on a thread.
fn dial(request: &Request) -> Result<TcpStream, CloseCause> {
    if request.is_tls() {
        return Err(CloseCause::invalid_request("this example has no TLS"));
    }
    let mut addresses =
        (request.host(), request.port()).to_socket_addrs().map_err(|error| io_cause(&error))?;
    let address = addresses.next().ok_or_else(|| CloseCause::io("no address"))?;
    let stream = TcpStream::connect(address).map_err(|error| io_cause(&error))?;
    stream.set_nodelay(true).map_err(|error| io_cause(&error))?;
    Ok(stream)
}

enum Upgrade {
    UnderWay(MidHandshake<ClientHandshake<TcpStream>>),
    Done(Box<WebSocket<TcpStream>>),
}

fn upgrade(
    stream: TcpStream,
    request: &Request,
    config: WebSocketConfig,
) -> Result<Upgrade, CloseCause> {
    upgraded(client_with_config(phx_tungstenite::request(request)?, stream, Some(config)))
}

type Handshake<T> = Result<T, HandshakeError<ClientHandshake<TcpStream>>>;

fn upgraded<T>(result: Handshake<(WebSocket<TcpStream>, T)>) -> Result<Upgrade, CloseCause> {
    match result {
        Ok((websocket, _)) => Ok(Upgrade::Done(Box::new(websocket))),
        Err(HandshakeError::Interrupted(upgrade)) => Ok(Upgrade::UnderWay(upgrade)),
        Err(HandshakeError::Failure(error)) => Err(close_cause(&error)),
    }
}
