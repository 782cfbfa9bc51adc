//! The output, written by a thread of its own.
//!
//! Whoever reads it may take his time, `less` for example. Only this thread waits for him then: the
//! connection goes on, and the streams say what was lost in the end.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::record::{Columns, Record};
use crate::terminal::closed_as_pipe;

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

/// Writes records to the output. Clones write to the same.
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
    /// A printer to standard output.
    pub(crate) fn start(format: Format) -> (Self, Printed) {
        let is_terminal = io::stdout().is_terminal();
        Printer::start_to(format, move |lines| {
            let mut out = anstream::stdout().lock();
            let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
            // Of a file it is a failure of the disk.
            written.map_err(|error| if is_terminal { closed_as_pipe(error) } else { error })
        })
    }

    /// A printer to whatever takes lines.
    pub(crate) fn start_to(
        format: Format,
        write: impl FnMut(&str) -> io::Result<()> + Send + 'static,
    ) -> (Self, Printed) {
        let (records, received) = mpsc::channel(CAPACITY);
        let (tell, done) = oneshot::channel();
        thread::spawn(move || {
            // Nobody may be left who wants to know.
            let _ = tell.send(print(received, format, write));
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

fn print(
    mut records: mpsc::Receiver<Option<Record>>,
    mut format: Format,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut lines = String::new();
    let mut is_over = false;
    while !is_over && let Some(Some(record)) = records.blocking_recv() {
        let mut next = Some(record);
        // As much as there is, in one go.
        while let Some(record) = next {
            lines.push_str(&format.line(&record));
            lines.push('\n');
            next = match records.try_recv() {
                Ok(record) => {
                    is_over = record.is_none();
                    record
                }
                Err(_) => None,
            };
        }
        write(&lines)?;
        lines.clear();
    }
    Ok(())
}
