//! The output, written by a thread of its own.
//!
//! Whoever reads it may take his time, `less` for example. Only this thread waits for him then: the
//! connection goes on, and the streams say what was lost in the end.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::record::{Columns, Record};

/// Records that wait to be written.
const CAPACITY: usize = 256;

/// For what was printed to be written at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How records are shown.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Json,
    Columns(Columns),
}

impl Format {
    pub(crate) fn line(&mut self, record: &Record) -> String {
        match self {
            Format::Json => record.to_json(),
            Format::Columns(columns) => columns.line(record),
        }
    }
}

/// Writes records to standard output. Clones write to the same.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    /// `None` is the end.
    records: mpsc::Sender<Option<Record>>,
}

/// The end of a printer.
#[derive(Debug)]
pub(crate) struct Printed {
    done: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    pub(crate) fn start(format: Format) -> (Self, Printed) {
        let (records, received) = mpsc::channel(CAPACITY);
        let (tell, done) = oneshot::channel();
        thread::spawn(move || {
            // Nobody may be left who wants to know.
            let _ = tell.send(write(received, format));
        });
        (Printer { records }, Printed { done })
    }

    /// Prints a record; waits while too many wait already.
    pub(crate) async fn print(&self, record: Record) -> Result<(), Failure> {
        self.records.send(Some(record)).await.map_err(|_| Failure::OutputClosed)
    }

    /// Prints a record unless too many wait: for hooks, which can't wait themselves.
    pub(crate) fn print_now(&self, record: Record) {
        let _ = self.records.try_send(Some(record));
    }

    /// Waits until nobody reads the output any more.
    pub(crate) async fn closed(&self) {
        self.records.closed().await;
    }
}

impl Printed {
    /// Ends the printer, and waits, within limits, until everything is written.
    pub(crate) async fn finish(self, printer: &Printer) -> Result<(), Failure> {
        let finished = async {
            // It fails if the end has come by itself.
            let _ = printer.records.send(None).await;
            self.done.await
        };
        match tokio::time::timeout(PATIENCE, finished).await {
            Ok(Ok(written)) => Ok(written?),
            // Whoever should read it doesn't.
            _ => Ok(()),
        }
    }
}

fn write(mut records: mpsc::Receiver<Option<Record>>, mut format: Format) -> io::Result<()> {
    while let Some(Some(record)) = records.blocking_recv() {
        let mut out = anstream::stdout().lock();
        let mut next = Some(record);
        // As much as there is, in one go.
        while let Some(record) = next {
            writeln!(out, "{}", format.line(&record))?;
            next = match records.try_recv() {
                Ok(Some(record)) => Some(record),
                Ok(None) => return out.flush(),
                Err(_) => None,
            };
        }
        out.flush()?;
    }
    Ok(())
}
