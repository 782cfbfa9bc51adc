//! Tunnels through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6).

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use phx_proto::{CloseCause, ProxyCause};

use super::{Dialer, of_proxy};
use crate::http::{Head, HeadError, receive_head};
use crate::runtime::BoxFuture;
use crate::turn::{Metered, Turn};

/// Dials through an HTTP proxy, which another dialer reaches.
///
/// The client asks the proxy with CONNECT for a tunnel to the server; the proxy looks the server's name up. TLS to
/// the server, for `wss`, goes through the tunnel, so that the proxy sees neither its params nor its messages; it
/// sees those of `ws`.
///
/// # Errors
///
/// [`CloseCause::Proxy`] if the proxy answers with anything but 2xx, and those of the other dialer.
///
/// # Examples
///
/// ```no_run
/// # use phx_client::dial::Dialer;
/// use phx_client::dial::HttpProxy;
/// use phx_client::{SocketBuilder, StreamConnector};
///
/// // The dialer is an adapter's `TcpDialer`.
/// # fn doc(dialer: impl Dialer) -> SocketBuilder {
/// let proxy = HttpProxy::new(dialer, "proxy.internal", 3128).with_basic_auth("ann", "secret");
/// SocketBuilder::new("wss://example.com/socket").connector(StreamConnector::new(proxy))
/// # }
/// ```
#[derive(Clone)]
pub struct HttpProxy<D> {
    dialer: Arc<D>,
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

impl<D: Dialer> HttpProxy<D> {
    /// Creates a dialer for the proxy at `host` and `port`, without a user.
    pub fn new(dialer: D, host: impl Into<String>, port: u16) -> Self {
        HttpProxy { dialer: Arc::new(dialer), host: host.into(), port, authorization: None }
    }

    /// Authenticates with user and password (RFC 7617, Basic). A user can't contain a colon: the proxy would take
    /// the rest for the beginning of the password.
    #[must_use]
    pub fn with_basic_auth(mut self, user: &str, password: &str) -> Self {
        self.authorization =
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }
}

impl<D: Dialer> Dialer for HttpProxy<D> {
    type Stream = D::Stream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let request = request(host, port, self.authorization.as_deref());
        let proxy = self.dialer.dial(&self.host, self.port);
        Box::pin(async move {
            let request = request?;
            let turn = Turn::new();
            let mut stream = turn.metered(proxy.await.map_err(of_proxy)?);
            turn.run(pin!(open_tunnel(&mut stream, &request))).await?;
            Ok(stream.into_inner())
        })
    }
}

fn request(host: &str, port: u16, authorization: Option<&str>) -> Result<String, CloseCause> {
    // An endpoint has no such host, but a dialer can be called by anyone.
    if host.is_empty() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(CloseCause::invalid_request("the host can't be sent to a proxy"));
    }
    let server =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let authorization =
        authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    Ok(format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{authorization}\r\n"))
}

async fn open_tunnel<S>(stream: &mut Metered<S>, request: &str) -> Result<(), CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |error: std::io::Error| CloseCause::io(error.to_string());
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let failure = match receive_head(stream).await {
        // In both TLS and WebSocket the client speaks first: bytes behind the head aren't the server's.
        Ok((head, rest)) if (200..300).contains(&head.status) && rest.is_empty() => return Ok(()),
        Ok((head, _)) if head.status == 407 && wants_ntlm(&head) => ProxyCause::NtlmRequired,
        Ok((head, _)) if !(200..300).contains(&head.status) => ProxyCause::http_status(head.status),
        Ok(_) | Err(HeadError::Malformed(_) | HeadError::Tls) => ProxyCause::Malformed,
        Err(HeadError::Ended) => ProxyCause::Ended,
        Err(HeadError::Io(error)) => return Err(lost(error)),
    };
    Err(CloseCause::Proxy(failure))
}

/// Returns true if a 407 offers NTLM or Negotiate but not Basic, the only scheme supported here.
fn wants_ntlm(head: &Head) -> bool {
    let offers = |scheme: &str| {
        head.values("Proxy-Authenticate").flat_map(|list| list.split(',')).any(|challenge| {
            let name = challenge.trim().split(' ').next();
            name.is_some_and(|name| name.eq_ignore_ascii_case(scheme))
        })
    };
    !offers("Basic") && (offers("NTLM") || offers("Negotiate"))
}

/// Leaves out user and password.
impl<D: Dialer> fmt::Debug for HttpProxy<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.is_some())
            .field("dialer", &self.dialer)
            .finish()
    }
}
