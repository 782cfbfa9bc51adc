//! Connections over blocking streams.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use phx_proto::{CloseCause, CloseCode, Config, Endpoint, Frame, Request, ResponseHeaders};
use tungstenite::client::client_with_config;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, WebSocket};

use crate::handshake::response_headers;
use crate::{Received, close_cause, close_message, io_cause, message, received, websocket_config};

/// The shortest read timeout: a stream takes zero for no timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// Opens a WebSocket over a blocking TCP connection, for [`Action::Connect`](phx_proto::Action::Connect). Returns it
/// with the headers of the answer 101, as [`client`] does.
///
/// [`connect_timeout`](Config::connect_timeout) limits the connect to each address of the host, and each step of
/// the upgrade. A later write that takes longer ends the connection.
///
/// # Errors
///
/// Those of [`client`], [`CloseCause::Io`] also if no address accepts the connection, and
/// [`CloseCause::InvalidRequest`] for `wss`: this function has no TLS.
pub fn connect(
    endpoint: &Endpoint,
    config: &Config,
) -> Result<(WebSocket<TcpStream>, ResponseHeaders), CloseCause> {
    let request = endpoint.request(config.serializer.vsn());
    if request.is_tls() {
        return Err(CloseCause::invalid_request("`wss` and `https` need a stream with TLS"));
    }
    dial(&request, config.connect_timeout)
        .map_err(|error| io_cause(&error))
        .and_then(|stream| client(&request, stream, config))
}

fn dial(request: &Request, timeout: Duration) -> io::Result<TcpStream> {
    let timeout = timeout.max(MIN_TIMEOUT);
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (request.host(), request.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Opens a WebSocket over a blocking stream that is connected to the request's host, with TLS if
/// [`Request::is_tls`]. Returns it with the headers of the answer 101, up to 32 KiB (those beyond are left out).
///
/// # Errors
///
/// - [`CloseCause::UpgradeRejected`] for any HTTP answer but 101;
/// - [`CloseCause::InvalidRequest`], see [`request`](crate::request);
/// - [`CloseCause::Io`] if the stream fails or ends, one of its timeouts passes, or the answer is wrong.
pub fn client<S: Read + Write>(
    request: &Request,
    stream: S,
    config: &Config,
) -> Result<(WebSocket<S>, ResponseHeaders), CloseCause> {
    let upgrade = crate::request(request)?;
    match client_with_config(upgrade, stream, Some(websocket_config(config))) {
        Ok((websocket, response)) => Ok((websocket, response_headers(&response))),
        Err(HandshakeError::Interrupted(_)) => {
            Err(CloseCause::io("the server didn't answer the upgrade in time"))
        }
        Err(HandshakeError::Failure(error)) => Err(close_cause(&error)),
    }
}

/// Waits up to `timeout` for a message; `None` waits without a limit. At least 1 ms.
///
/// If the time ends in the middle of a message, nothing is lost: the next call continues.
pub fn read(websocket: &mut WebSocket<TcpStream>, timeout: Option<Duration>) -> Received {
    let timeout = timeout.map(|timeout| timeout.max(MIN_TIMEOUT));
    let set = websocket.get_ref().set_read_timeout(timeout);
    received(set.map_err(Error::Io).and_then(|()| websocket.read()))
}

/// Sends the frame of [`Action::Send`](phx_proto::Action::Send).
///
/// # Errors
///
/// The cause for [`Socket::handle_closed`](phx_proto::Socket::handle_closed). Drop the WebSocket.
pub fn send<S: Read + Write>(websocket: &mut WebSocket<S>, frame: Frame) -> Result<(), CloseCause> {
    let message = message(frame)?;
    websocket.send(message).map_err(|error| close_cause(&error))
}

/// Sends a close frame if the stream takes it, and drops the connection, for
/// [`Action::Close`](phx_proto::Action::Close). Doesn't wait for the peer's close frame.
pub fn close<S: Read + Write>(mut websocket: WebSocket<S>, code: CloseCode, reason: &str) {
    // The connection is over, even if the peer doesn't get the close frame.
    let _ = websocket.send(close_message(code, reason));
}
