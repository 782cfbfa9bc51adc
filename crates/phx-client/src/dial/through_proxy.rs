//! From a dialer to a tunnel through the proxy of an attempt.

use std::sync::Arc;

use phx_proto::CloseCause;

#[cfg(feature = "tls")]
use super::own_turn::OwnTurn;
use super::{ByteStream, Dialer, HttpProxy, Socks5Proxy};
use crate::proxy::Proxy;
use crate::runtime::BoxFuture;
#[cfg(feature = "tls")]
use crate::turn::Turn;
use crate::websocket::WebSocketConfig;

/// Opens a stream to `host` and `port` through `proxy`, which `dialer` reaches.
pub(super) async fn dial<D: Dialer>(
    dialer: &Arc<D>,
    proxy: &Proxy,
    config: &Arc<WebSocketConfig>,
    host: &str,
    port: u16,
) -> Result<ByteStream, CloseCause> {
    let to_proxy =
        ToProxy { dialer: Arc::clone(dialer), proxy: proxy.clone(), config: Arc::clone(config) };
    if proxy.scheme() == "socks5" {
        let mut tunnel = Socks5Proxy::new(to_proxy, proxy.host(), proxy.port());
        if let Some((user, password)) = proxy.credentials() {
            tunnel = tunnel.with_password(user, password);
        }
        return tunnel.dial(host, port).await;
    }
    let mut tunnel = HttpProxy::new(to_proxy, proxy.host(), proxy.port());
    if let Some((user, password)) = proxy.credentials() {
        tunnel = tunnel.with_basic_auth(user, password);
    }
    tunnel.dial(host, port).await
}

/// Dials the proxy itself, over TLS if its URL says `https`. Its failures name the proxy, since a reader takes them
/// for the server's otherwise.
#[derive(Debug)]
struct ToProxy<D> {
    dialer: Arc<D>,
    proxy: Proxy,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "the settings of TLS are in it"))]
    config: Arc<WebSocketConfig>,
}

impl<D: Dialer> Dialer for ToProxy<D> {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let dialing = self.dialer.dial(host, port);
        let proxy = self.proxy.clone();
        #[cfg(feature = "tls")]
        let tls = Arc::clone(&self.config.proxy_tls);
        Box::pin(async move {
            let is_tls = proxy.scheme() == "https";
            if is_tls && cfg!(not(feature = "tls")) {
                return Err(CloseCause::invalid_request(format!(
                    "the proxy {proxy} needs TLS, and this program was built without it"
                )));
            }
            let stream = dialing.await.map_err(|cause| at(&proxy, cause))?;
            #[cfg(feature = "tls")]
            if is_tls {
                let turn = Turn::new();
                let connecting = crate::tls::connect(turn.metered(stream), proxy.host(), tls);
                let stream = turn.run(std::pin::pin!(connecting)).await;
                let stream = stream.map_err(|cause| at(&proxy, cause))?;
                return Ok(ByteStream::new(OwnTurn::new(stream, turn)));
            }
            Ok(ByteStream::new(stream))
        })
    }
}

/// The cause, with the proxy where it happened.
fn at(proxy: &Proxy, cause: CloseCause) -> CloseCause {
    match cause {
        CloseCause::Io { error, .. } => CloseCause::io(format!("the proxy {proxy}: {error}")),
        CloseCause::Tls(failure) => {
            CloseCause::tls(failure.kind, format!("the proxy {proxy}: {}", failure.error))
        }
        cause => cause,
    }
}
