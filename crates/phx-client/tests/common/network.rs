//! A network in which the test sets the addresses of hosts.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use phx_client::dial::{ByteStream, Network};
use phx_client::{BoxFuture, Instant, NoRuntimeError, Runtime};

use super::TestRuntime;

type Connecting = BoxFuture<io::Result<ByteStream>>;

thread_local! {
    static ADDRESSES: Cell<u32> = const { Cell::new(0) };
    static FIRST: RefCell<Option<Connecting>> = const { RefCell::new(None) };
}

#[derive(Debug)]
pub struct TestNetwork(Arc<TestRuntime>);

impl TestNetwork {
    /// Sets the number of addresses that hosts have in this thread. The next attempt to connect is `first`; the
    /// others fail.
    pub fn set(addresses: u32, first: Option<Connecting>) {
        ADDRESSES.set(addresses);
        FIRST.set(first);
    }
}

impl Runtime for TestNetwork {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}

impl Network for TestNetwork {
    fn current() -> Result<Self, NoRuntimeError> {
        Ok(TestNetwork(TestRuntime::new()))
    }

    async fn resolve(_: String, port: u16) -> io::Result<impl Iterator<Item = SocketAddr> + Send> {
        let address = move |n| SocketAddr::from((Ipv4Addr::from_bits(n), port));
        Ok((0..ADDRESSES.get()).map(address))
    }

    async fn connect_tcp(_: SocketAddr) -> io::Result<ByteStream> {
        let first = FIRST.take();
        first.ok_or(io::ErrorKind::NotFound)?.await
    }

    #[cfg(unix)]
    async fn connect_unix(_: std::path::PathBuf) -> io::Result<ByteStream> {
        Err(io::ErrorKind::NotFound.into())
    }
}
