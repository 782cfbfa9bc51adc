//! The server behind the proxies, on a separate runtime.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use phx_testing::demo_server;
use phx_testing::listener::Listener;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream, UnixListener};
use tokio::runtime::{self, Runtime};

/// A server, which stops when this is dropped.
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
            let listener = Listener::bind(demo_server().compress(true).build()).await.unwrap();
            let path = socket_in(directory.path());
            tokio::spawn(relay(UnixListener::bind(path).unwrap(), listener.address()));
            listener
        });
        Server { listener, directory, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> &str {
        self.listener.url()
    }

    /// Returns the path of a Unix socket that leads to it as well.
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

/// Returns a socket that keeps a port taken, without a listener.
pub(crate) fn closed_port() -> TcpSocket {
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    taken
}
