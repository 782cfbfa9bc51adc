//! Ctrl-C and its kin: what a command does when it is told to end.

use std::io;

use crate::failure::Failure;

/// Who asks to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, or a supervisor.
    Terminate,
    /// The terminal was closed.
    HangUp,
}

impl Signal {
    /// What a shell says of a program that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
            Signal::HangUp => 129,
        }
    }
}

/// The wish to end, once for each time it is expressed.
#[derive(Debug)]
pub(crate) struct Interrupt {
    signals: platform::Signals,
}

impl Interrupt {
    /// From here on signals don't end the program by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signals = platform::Signals::new();
        let signals = signals
            .map_err(|error: io::Error| Failure::failed(format!("no signal handler: {error}")))?;
        Ok(Interrupt { signals })
    }

    /// Waits for the next wish to end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        self.signals.next().await
    }

    /// Does some work unless it is interrupted, which is a failure then.
    pub(crate) async fn guard<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            signal = self.next() => Err(Failure::Interrupted(signal)),
            done = work => done,
        }
    }
}

#[cfg(unix)]
mod platform {
    use std::io;

    use tokio::signal::unix::{SignalKind, signal};

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Signals {
        interrupt: tokio::signal::unix::Signal,
        terminate: tokio::signal::unix::Signal,
        hang_up: tokio::signal::unix::Signal,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.interrupt.recv() => Signal::Interrupt,
                _ = self.terminate.recv() => Signal::Terminate,
                _ = self.hang_up.recv() => Signal::HangUp,
            }
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::future::pending;
    use std::io;

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Signals;

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Signals)
        }

        pub(super) async fn next(&mut self) -> Signal {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Signal::Interrupt,
                Err(_) => pending().await,
            }
        }
    }
}
