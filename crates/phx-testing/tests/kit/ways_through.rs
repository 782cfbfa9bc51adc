//! Every adapter connects through real proxies and Unix sockets: tinyproxy for HTTP CONNECT, microsocks for SOCKS5, both
//! Debian packages (`cargo xtask tools` installs them).

mod proxies;
mod server;

use std::sync::Arc;
use std::time::Duration;

use phx_client::StreamConnector;
use phx_client::dial::{Dialer, HttpProxy, Socks5Proxy};
use phx_client::websocket::Compression;
use phx_client::{Backoff, CloseCause, ProxyCause, SocketBuilder, TransportKind};
use proxies::{Microsocks, Tinyproxy};
use serde_json::json;
use server::Server;

/// Time limit, far above the usual on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A proxy takes a moment to start: attempts are repeated until it has.
fn patient(builder: SocketBuilder) -> SocketBuilder {
    builder.reconnect(Backoff::steps([Duration::from_millis(20)]).with_jitter_percent(0))
}

/// Checks a connection with a push and its reply, over each transport, and over a WebSocket with compression.
async fn talks(builder: impl Fn() -> SocketBuilder, dialer: impl Dialer) {
    let connector = Arc::new(StreamConnector::new(dialer));
    let web_socket = TransportKind::WebSocket;
    for (transport, compresses) in
        [(web_socket, false), (web_socket, true), (TransportKind::LongPoll, false)]
    {
        let mut builder = patient(builder()).connector(Arc::clone(&connector)).transport(transport);
        if compresses {
            builder = builder.compression(Compression::new().threshold(1));
        }
        let socket = builder.connect_with_timeout(LIMIT).await.unwrap();
        let room = socket.channel("room:lobby").join().await.unwrap();
        let reply: String = room.push("echo", &json!("there and back")).await.unwrap();
        assert_eq!(reply, "there and back");
        assert_eq!(socket.transport(), Some(transport));
        let extension = socket.response_headers().get("Sec-WebSocket-Extensions").map(<[u8]>::len);
        assert_eq!(extension.is_some(), compresses);
        socket.disconnect().await;
    }
}

/// Returns the proxy's refusal, after it has started.
async fn refused(builder: SocketBuilder, dialer: impl Dialer) -> ProxyCause {
    let (sender, mut causes) = futures::channel::mpsc::unbounded();
    let socket = patient(builder)
        .connector(StreamConnector::new(dialer))
        .on_close(move |closed| drop(sender.unbounded_send(closed.cause.clone())))
        .spawn()
        .unwrap();
    // Its end is the deadline.
    let connecting = socket.wait_connected().with_timeout(LIMIT);
    let reported = async {
        while let Some(cause) = futures::StreamExt::next(&mut causes).await {
            if let CloseCause::Proxy(failure) = cause {
                return failure;
            }
        }
        panic!("no proxy said anything");
    };
    match futures::future::select(std::pin::pin!(reported), std::pin::pin!(connecting)).await {
        futures::future::Either::Left((failure, _)) => failure,
        futures::future::Either::Right((connected, _)) => panic!("not refused: {connected:?}"),
    }
}

/// The same tests for an adapter.
macro_rules! ways_through {
    ($name:ident, $adapter:ident, $block_on:expr) => {
        mod $name {
            use $adapter::{TcpDialer, UnixDialer, socket};

            use super::*;

            #[test]
            fn an_http_proxy_that_wants_a_password() {
                let (server, proxy) = (Server::start(), Tinyproxy::start(Some(("ann", "s3cret"))));
                $block_on(async {
                    let dialer = || HttpProxy::new(TcpDialer::new(), "127.0.0.1", proxy.port());
                    let ann = dialer().with_basic_auth("ann", "s3cret");
                    talks(|| socket(server.url()), ann).await;
                    let eve = dialer().with_basic_auth("ann", "guess");
                    for dialer in [dialer(), eve] {
                        let failure = refused(socket(server.url()), dialer).await;
                        assert_eq!(failure, ProxyCause::NotAuthenticated);
                    }
                });
            }

            #[test]
            fn an_http_proxy_that_cannot_reach_the_server() {
                let (closed, proxy) = (server::closed_port(), Tinyproxy::start(None));
                $block_on(async {
                    let url = format!("ws://{}/socket", closed.local_addr().unwrap());
                    let dialer = HttpProxy::new(TcpDialer::new(), "127.0.0.1", proxy.port());
                    let failure = refused(socket(url), dialer).await;
                    let ProxyCause::HttpStatus { status, .. } = failure else {
                        panic!("{failure:?}")
                    };
                    assert!((500..600).contains(&status), "{status}");
                });
            }

            #[test]
            fn a_socks_proxy() {
                let (server, proxy) = (Server::start(), Microsocks::start(None));
                $block_on(async {
                    let dialer = || Socks5Proxy::new(TcpDialer::new(), "127.0.0.1", proxy.port());
                    talks(|| socket(server.url()), dialer()).await;
                    // The proxy looks the name up.
                    let named = server.url().replace("127.0.0.1", "localhost");
                    talks(|| socket(named.as_str()), dialer()).await;
                    let closed = server::closed_port();
                    let url = format!("ws://{}/socket", closed.local_addr().unwrap());
                    let failure = refused(socket(url), dialer()).await;
                    assert_eq!(failure, ProxyCause::socks_reply(5));
                });
            }

            #[test]
            fn a_socks_proxy_that_wants_a_password() {
                let (server, proxy) = (Server::start(), Microsocks::start(Some(("ann", "s3cret"))));
                $block_on(async {
                    let dialer = || Socks5Proxy::new(TcpDialer::new(), "127.0.0.1", proxy.port());
                    let ann = dialer().with_password("ann", "s3cret");
                    talks(|| socket(server.url()), ann).await;
                    let eve = dialer().with_password("ann", "guess");
                    for dialer in [dialer(), eve] {
                        let failure = refused(socket(server.url()), dialer).await;
                        assert_eq!(failure, ProxyCause::NotAuthenticated);
                    }
                });
            }

            #[test]
            fn a_proxy_behind_a_proxy() {
                let (server, outer, inner) =
                    (Server::start(), Microsocks::start(None), Tinyproxy::start(None));
                $block_on(async {
                    let outer = Socks5Proxy::new(TcpDialer::new(), "127.0.0.1", outer.port());
                    let inner = HttpProxy::new(outer, "127.0.0.1", inner.port());
                    talks(|| socket(server.url()), inner).await;
                });
            }

            #[test]
            fn a_unix_socket() {
                let server = Server::start();
                let path = server.unix_socket();
                $block_on(async {
                    talks(|| socket("ws://localhost/socket"), UnixDialer::new(path)).await;
                });
            }
        }
    };
}

fn on_tokio(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future);
}

ways_through!(tokio_, phx_tokio, on_tokio);
ways_through!(smol_, phx_smol, smol::block_on);
ways_through!(async_std_, phx_async_std, async_std::task::block_on);
