//! Tunnels through a SOCKS5 proxy (RFC 1928), with user and password (RFC 1929).

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use phx_proto::{CloseCause, ProxyCause};

use super::{Dialer, of_proxy};
use crate::runtime::BoxFuture;
use crate::turn::{Metered, Turn};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Dials through a SOCKS5 proxy, which another dialer reaches.
///
/// The proxy looks the server's name up. User and password go to the proxy unencrypted, as the protocol defines.
///
/// # Errors
///
/// [`CloseCause::Proxy`] if the proxy doesn't connect, and those of the other dialer.
///
/// # Examples
///
/// ```no_run
/// # use phx_client::dial::Dialer;
/// use phx_client::dial::Socks5Proxy;
/// use phx_client::{SocketBuilder, StreamConnector};
///
/// // The dialer is an adapter's `TcpDialer`.
/// # fn doc(dialer: impl Dialer) -> SocketBuilder {
/// let proxy = Socks5Proxy::new(dialer, "proxy.internal", 1080).with_password("ann", "secret");
/// SocketBuilder::new("wss://example.com/socket").connector(StreamConnector::new(proxy))
/// # }
/// ```
#[derive(Clone)]
pub struct Socks5Proxy<D> {
    dialer: Arc<D>,
    host: String,
    port: u16,
    user: Option<Arc<(String, String)>>,
}

impl<D: Dialer> Socks5Proxy<D> {
    /// Creates a dialer for the proxy at `host` and `port`, without a user.
    pub fn new(dialer: D, host: impl Into<String>, port: u16) -> Self {
        Socks5Proxy { dialer: Arc::new(dialer), host: host.into(), port, user: None }
    }

    /// Authenticates with user and password if the proxy asks for them. Each has from 1 to 255 bytes.
    #[must_use]
    pub fn with_password(mut self, user: &str, password: &str) -> Self {
        self.user = Some(Arc::new((user.to_owned(), password.to_owned())));
        self
    }
}

impl<D: Dialer> Dialer for Socks5Proxy<D> {
    type Stream = D::Stream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let login = self.user.as_deref().map(|(user, password)| login(user, password)).transpose();
        let request = request(host, port);
        let proxy = self.dialer.dial(&self.host, self.port);
        Box::pin(async move {
            let (login, request) = (login?, request?);
            let turn = Turn::new();
            let mut stream = turn.metered(proxy.await.map_err(of_proxy)?);
            turn.run(pin!(open_tunnel(&mut stream, login, &request))).await?;
            Ok(stream.into_inner())
        })
    }
}

/// Returns the message with user and password.
fn login(user: &str, password: &str) -> Result<Vec<u8>, CloseCause> {
    let unusable =
        || CloseCause::invalid_request("the proxy's user or password hasn't 1 to 255 bytes");
    let mut message = vec![1];
    for part in [user, password] {
        let len = u8::try_from(part.len()).ok().filter(|len| *len > 0).ok_or_else(unusable)?;
        message.push(len);
        message.extend_from_slice(part.as_bytes());
    }
    Ok(message)
}

/// Returns the message that asks for a connection.
fn request(host: &str, port: u16) -> Result<Vec<u8>, CloseCause> {
    let mut message = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            let len = u8::try_from(host.len()).ok().filter(|len| *len > 0);
            let len =
                len.ok_or_else(|| CloseCause::invalid_request("the host hasn't 1 to 255 bytes"))?;
            message.extend([NAME, len]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

async fn open_tunnel<S>(
    stream: &mut Metered<S>,
    login: Option<Vec<u8>>,
    request: &[u8],
) -> Result<(), CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    authenticate(stream, login).await?;
    ask(stream, request).await
}

async fn authenticate<S>(stream: &mut Metered<S>, login: Option<Vec<u8>>) -> Result<(), CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello: &[u8] = match login {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, hello).await?;
    match (receive::<2, _>(stream).await?, login) {
        ([VERSION, NO_AUTHENTICATION], _) => Ok(()),
        ([VERSION, USER_AND_PASSWORD], Some(login)) => {
            send(stream, &login).await?;
            match receive::<2, _>(stream).await? {
                [1, 0] => Ok(()),
                [1, _] => Err(CloseCause::Proxy(ProxyCause::NotAuthenticated)),
                _ => Err(CloseCause::Proxy(ProxyCause::Malformed)),
            }
        }
        ([VERSION, 0xff], _) => Err(CloseCause::Proxy(ProxyCause::NotAuthenticated)),
        _ => Err(CloseCause::Proxy(ProxyCause::Malformed)),
    }
}

async fn ask<S>(stream: &mut Metered<S>, request: &[u8]) -> Result<(), CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(stream, request).await?;
    let [version, code, _, kind] = receive(stream).await?;
    if version != VERSION {
        return Err(CloseCause::Proxy(ProxyCause::Malformed));
    }
    if code != 0 {
        return Err(CloseCause::Proxy(ProxyCause::socks_reply(code)));
    }
    // Skip the address on the proxy's far side, and its port.
    let rest = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(receive::<1, _>(stream).await?[0]),
        _ => return Err(CloseCause::Proxy(ProxyCause::Malformed)),
    };
    for _ in 0..rest + 2 {
        receive::<1, _>(stream).await?;
    }
    Ok(())
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut Metered<S>,
    message: &[u8],
) -> Result<(), CloseCause> {
    stream.write_all(message).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

async fn receive<const N: usize, S>(stream: &mut Metered<S>) -> Result<[u8; N], CloseCause>
where
    S: AsyncRead + Unpin,
{
    let mut message = [0; N];
    stream.read_exact(&mut message).await.map_err(failed)?;
    Ok(message)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: io::Error) -> CloseCause {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CloseCause::Proxy(ProxyCause::Ended),
        _ => CloseCause::io(error.to_string()),
    }
}

/// Leaves out user and password.
impl<D: Dialer> fmt::Debug for Socks5Proxy<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user.is_some())
            .field("dialer", &self.dialer)
            .finish()
    }
}
