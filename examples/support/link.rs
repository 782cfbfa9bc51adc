//! A driver for the core that never blocks: one socket, a clock, and a WebSocket by tungstenite over a
//! stream that says `WouldBlock`.
//!
//! Call [`Driver::turn`] whenever the stream is ready, the deadline has come, or the core was told
//! something; in between, wait in whatever way suits the loop.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::ToSocketAddrs;
use std::time::Instant as Clock;

use mio::net::TcpStream;
use phx_proto::{
    Action, CloseCause, CloseCode, Endpoint, Frame, Instant, Request, Socket, TransportId,
};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::frame::{CloseFrame, Utf8Bytes};
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message, WebSocket};

/// Frames read in one turn, at the most: others want their turn too.
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
    Upgrading(TransportId, tungstenite::handshake::MidHandshake<ClientHandshake<TcpStream>>),
    Open(TransportId, Box<WebSocket<TcpStream>>),
}

impl Driver {
    pub fn new(core: Socket, endpoint: Endpoint) -> Self {
        Driver { core, endpoint, epoch: Clock::now(), link: Link::None }
    }

    pub fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// What to wait for, beside the deadline of the core; another transport has another stream.
    pub fn stream(&mut self) -> Option<(TransportId, &mut TcpStream)> {
        match &mut self.link {
            Link::None => None,
            Link::Dialing(transport, stream, _) => Some((*transport, stream)),
            Link::Upgrading(transport, upgrade) => Some((*transport, upgrade.get_mut().get_mut())),
            Link::Open(transport, websocket) => Some((*transport, websocket.get_mut())),
        }
    }

    /// Does all that can be done right now, and never blocks. True if it ended at the budget, with more
    /// to read.
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
                let message = match frame {
                    Frame::Text(text) => Utf8Bytes::try_from(text).map(Message::Text),
                    Frame::Binary(data) => Ok(Message::Binary(data)),
                };
                if let (Ok(message), Link::Open(_, websocket)) = (message, &mut self.link) {
                    // It is buffered where the stream takes no more.
                    let written = websocket.write(message);
                    self.check(now, transport, written);
                }
            }
            Action::Close { transport, code, reason, .. } => {
                if let Link::Open(_, mut websocket) = mem::take(&mut self.link) {
                    let frame = CloseFrame { code: code.as_u16().into(), reason: reason.into() };
                    // Whether the server hears it or not, this connection is over.
                    let _ = websocket.close(Some(frame)).and_then(|()| websocket.flush());
                }
                self.core.handle_closed(now, transport, CloseCause::io(""));
            }
            _ => {}
        }
    }

    /// Brings a connection on its way as far as it goes.
    fn open(&mut self, now: Instant) {
        let (transport, result) = match mem::take(&mut self.link) {
            Link::Dialing(transport, stream, request) => match stream.peer_addr() {
                Ok(_) => (transport, upgrade(stream, &request)),
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    // Still under way, unless it has failed.
                    match stream.take_error() {
                        Ok(None) => {
                            self.link = Link::Dialing(transport, stream, request);
                            return;
                        }
                        Ok(Some(error)) | Err(error) => (transport, Err(lost(&error))),
                    }
                }
                Err(error) => (transport, Err(lost(&error))),
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
            match websocket.read() {
                Ok(Message::Text(text)) => {
                    self.core.handle_frame(now, transport, Frame::text(text));
                }
                Ok(Message::Binary(data)) => {
                    self.core.handle_frame(now, transport, Frame::binary(data));
                }
                Ok(Message::Close(frame)) => {
                    let (code, reason) = match frame {
                        Some(frame) => (u16::from(frame.code).into(), frame.reason.to_string()),
                        None => (CloseCode::NO_STATUS, String::new()),
                    };
                    self.link = Link::None;
                    self.core.handle_closed(now, transport, CloseCause::frame(code, reason));
                }
                Ok(_) => {}
                Err(error) => {
                    self.check(now, transport, Err(error));
                    return false;
                }
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
            Ok(()) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                self.link = Link::None;
                self.core.handle_closed(now, transport, CloseCause::io(error.to_string()));
            }
        }
    }
}

/// Looking a name up blocks: give an address, or look it up on a thread.
fn dial(request: &Request) -> Result<TcpStream, CloseCause> {
    if request.is_tls() {
        return Err(CloseCause::invalid_request("this example has no TLS"));
    }
    let mut addresses =
        (request.host(), request.port()).to_socket_addrs().map_err(|error| lost(&error))?;
    let address = addresses.next().ok_or_else(|| CloseCause::io("no address"))?;
    let stream = TcpStream::connect(address).map_err(|error| lost(&error))?;
    stream.set_nodelay(true).map_err(|error| lost(&error))?;
    Ok(stream)
}

enum Upgrade {
    UnderWay(tungstenite::handshake::MidHandshake<ClientHandshake<TcpStream>>),
    Done(Box<WebSocket<TcpStream>>),
}

fn upgrade(stream: TcpStream, request: &Request) -> Result<Upgrade, CloseCause> {
    let unusable = |error: &dyn std::error::Error| CloseCause::invalid_request(error.to_string());
    let url = request.url().as_str().parse().map_err(|error| unusable(&error))?;
    let mut upgrade = ClientRequestBuilder::new(url);
    for protocol in request.protocols() {
        upgrade = upgrade.with_sub_protocol(protocol);
    }
    let mut upgrade = upgrade.into_client_request().map_err(|error| unusable(&error))?;
    for (name, value) in request.headers() {
        let name: HeaderName = name.parse().map_err(|error| unusable(&error))?;
        let value: HeaderValue = value.parse().map_err(|error| unusable(&error))?;
        upgrade.headers_mut().append(name, value);
    }
    upgraded(tungstenite::client(upgrade, stream))
}

type Handshake<T> = Result<T, HandshakeError<ClientHandshake<TcpStream>>>;

fn upgraded<T>(result: Handshake<(WebSocket<TcpStream>, T)>) -> Result<Upgrade, CloseCause> {
    match result {
        Ok((websocket, _)) => Ok(Upgrade::Done(Box::new(websocket))),
        Err(HandshakeError::Interrupted(upgrade)) => Ok(Upgrade::UnderWay(upgrade)),
        Err(HandshakeError::Failure(Error::Http(response))) => {
            Err(CloseCause::Refused(phx_proto::Refusal::new(response.status().as_u16())))
        }
        Err(HandshakeError::Failure(error)) => Err(CloseCause::io(error.to_string())),
    }
}

fn lost(error: &io::Error) -> CloseCause {
    CloseCause::io(error.to_string())
}
