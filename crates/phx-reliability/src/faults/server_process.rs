//! A server as a process, to be stopped and killed.

use std::net::SocketAddr;
use std::process::Child;

use anyhow::Context as _;

use crate::port::Port;
use crate::serve;

/// A server process on a port that stays its own. It is killed when it is dropped.
pub(super) struct ServerProcess {
    child: Child,
    port: Port,
}

impl ServerProcess {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let port = Port::take()?;
        let child = spawn(port.address().port()).await?;
        Ok(ServerProcess { child, port })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("can't kill the server")?;
        self.child.wait().context("can't wait for the server")?;
        Ok(())
    }

    /// Starts it again after a [`kill`](ServerProcess::kill).
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.address().port()).await?;
        Ok(())
    }

    /// Stops it as `kill -STOP` does.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        signal(&self.child, Signal::Stop)
    }

    /// Has it go on after a [`stop`](ServerProcess::stop).
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        signal(&self.child, Signal::Continue)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn spawn(port: u16) -> anyhow::Result<Child> {
    smol::unblock(move || serve::spawn(port, &[])).await
}

#[derive(Clone, Copy)]
enum Signal {
    Stop,
    Continue,
}

#[cfg(unix)]
fn signal(child: &Child, signal: Signal) -> anyhow::Result<()> {
    use rustix::process::{Pid, Signal as Unix, kill_process};

    let signal = match signal {
        Signal::Stop => Unix::STOP,
        Signal::Continue => Unix::CONT,
    };
    kill_process(Pid::from_child(child), signal).context("can't signal the server")
}

#[cfg(not(unix))]
fn signal(_: &Child, _: Signal) -> anyhow::Result<()> {
    anyhow::bail!("processes can't be stopped here")
}
