//! A server that can be restarted.

use anyhow::Context as _;
use phx_testing::listener::Listener;
use tokio::runtime::Runtime;

use crate::background;
use crate::ledger::{Ledger, room};
use crate::port::Port;
use crate::serve::IDLE_TIMEOUT;

/// A listener on a separate runtime, at a reserved port.
pub(super) struct Host {
    runtime: Runtime,
    port: Port,
    ledger: Ledger,
    /// `None` during a restart.
    listener: Option<Listener>,
}

impl Host {
    pub(super) fn start(ledger: &Ledger) -> anyhow::Result<Self> {
        let (runtime, port) = (background::runtime()?, Port::take()?);
        let mut host = Host { runtime, port, ledger: ledger.clone(), listener: None };
        host.listen()?;
        Ok(host)
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    pub(super) fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }

    /// Stops listening, and closes all connections: with 1012, or without a close frame as a crash does. The record
    /// stays.
    pub(super) fn stop(&mut self, properly: bool) {
        if let Some(listener) = self.listener.take() {
            if !properly {
                listener.all().cut();
            }
            self.runtime.block_on(listener.stop());
        }
    }

    /// Listens again, unless it listens already.
    pub(super) fn listen(&mut self) -> anyhow::Result<()> {
        if self.listener.is_none() {
            let server = room::server(&self.ledger, IDLE_TIMEOUT);
            let listener = self.runtime.block_on(Listener::bind_to(self.port.address(), server));
            self.listener = Some(listener.context("can't listen")?);
        }
        Ok(())
    }
}
