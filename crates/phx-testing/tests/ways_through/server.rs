//! The server at the end of all ways, on a thread and a runtime of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use phx_testing::listener::Listener;
use phx_testing::rooms;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::oneshot;

/// It stops when it is dropped.
pub(crate) struct Server {
    url: String,
    directory: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let (sender, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let directory = TempDir::new().unwrap();
        let path = socket_in(directory.path());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = Listener::bind(rooms().build()).await.unwrap();
                tokio::spawn(relay(UnixListener::bind(path).unwrap(), listener.address()));
                sender.send(listener.url().to_owned()).unwrap();
                let _ = stopped.await;
            });
        });
        Server { url: started.recv().unwrap(), directory, _stop: stop }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
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
