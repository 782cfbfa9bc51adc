//! The server at the end of all ways, on a runtime of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use phx_testing::demo_server;
use phx_testing::listener::Listener;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::runtime::{self, Runtime};

/// It stops when it is dropped.
pub(crate) struct Server {
    listener: Listener,
    directory: TempDir,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(async {
            let listener = Listener::bind(demo_server().build()).await.unwrap();
            let path = socket_in(directory.path());
            tokio::spawn(relay(UnixListener::bind(path).unwrap(), listener.address()));
            listener
        });
        Server { listener, directory, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> &str {
        self.listener.url()
    }

    /// The path of a Unix socket that leads to it too.
    pub(crate) fn unix_socket(&self) -> PathBuf {
        socket_in(self.directory.path())
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("phoenix.sock")
}

async fn relay(listener: UnixListener, server: SocketAddr) {
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut server = TcpStream::connect(server).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// A port on which nobody listens, for as long as the value lives.
pub(crate) fn closed_port() -> ClosedPort {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A connection whose end at this port stays keeps others from getting it.
    let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (held, _) = listener.accept().unwrap();
    ClosedPort { port, _held: held }
}

pub(crate) struct ClosedPort {
    port: u16,
    _held: std::net::TcpStream,
}

impl ClosedPort {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}
