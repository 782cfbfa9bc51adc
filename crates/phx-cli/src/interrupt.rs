//! Ctrl-C, SIGTERM and SIGHUP as requests to end.

use std::io;

/// A signal that asks the program to end.
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
    /// The exit code of a shell for a program that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
            Signal::HangUp => 129,
        }
    }
}

/// The requests to end, in order.
#[derive(Debug)]
pub(crate) struct Interrupt {
    signals: platform::Signals,
}

impl Interrupt {
    /// Starts to handle signals, which no longer end the program by themselves. Call it before any other thread
    /// is started.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Interrupt { signals: platform::Signals::new()? })
    }

    /// Waits for the next request to end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        self.signals.next().await
    }

    /// Waits for a future, or fails when a signal comes.
    pub(crate) async fn guard<T, E: From<Signal>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            signal = self.next() => Err(signal.into()),
            done = work => done,
        }
    }
}

/// A thread waits for signals that all threads block. Handlers wouldn't work, since the line editor of `phx repl`
/// replaces that for Ctrl-C, and loses the signals.
#[cfg(unix)]
mod platform {
    use std::future::pending;
    use std::io;
    use std::thread;

    use nix::sys::signal::{self, SigSet};
    use tokio::sync::mpsc;

    use super::Signal;

    /// Number of signals that may wait; further ones are dropped.
    const CAPACITY: usize = 4;

    #[derive(Debug)]
    pub(super) struct Signals {
        signals: mpsc::Receiver<Signal>,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            let set: SigSet =
                [signal::SIGINT, signal::SIGTERM, signal::SIGHUP].into_iter().collect();
            set.thread_block()?;
            let (sender, signals) = mpsc::channel(CAPACITY);
            thread::Builder::new().name("signals".into()).spawn(move || {
                while let Ok(signal) = set.wait() {
                    let signal = match signal {
                        signal::SIGINT => Signal::Interrupt,
                        signal::SIGHUP => Signal::HangUp,
                        _ => Signal::Terminate,
                    };
                    let _ = sender.try_send(signal);
                }
            })?;
            Ok(Signals { signals })
        }

        pub(super) async fn next(&mut self) -> Signal {
            match self.signals.recv().await {
                Some(signal) => signal,
                None => pending().await,
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
