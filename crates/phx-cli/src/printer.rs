//! Writes the output on a separate thread.
//!
//! The reader, `less` for example, may be slow. Only this thread waits for it: the connection continues, and the
//! streams report their losses.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::columns::Columns;
use crate::failure::Failure;
use crate::queue::{Closed, Receiver, Sender, Size, queue};
use crate::record::Record;
use crate::terminal::closed_as_pipe;

/// Number of records that may wait for the printer.
const CAPACITY: usize = 256;

/// Bytes of lines that are written together; one line of any size may exceed it.
const GATHERED: usize = 64 << 10;

/// Time to write what is queued at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Format of the records.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Json,
    Columns(Columns),
}

impl Format {
    /// Returns the format: lines of JSON, or columns for these topics, wrapped on a terminal.
    pub(crate) fn new<'a>(is_json: bool, topics: impl IntoIterator<Item = &'a str>) -> Self {
        if is_json { Format::Json } else { Format::Columns(Columns::new(topics).wrapped()) }
    }

    /// Shows payloads on several lines, in columns.
    pub(crate) fn pretty(self, pretty: bool) -> Self {
        match self {
            Format::Json => Format::Json,
            Format::Columns(columns) => Format::Columns(columns.pretty(pretty)),
        }
    }

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
    printed: Sender<Print>,
}

#[derive(Debug)]
enum Print {
    Record(Box<Record>),
    /// Text of this program, without the last line end.
    Text(String),
    End,
}

impl Size for Print {
    fn size(&self) -> usize {
        match self {
            Print::Record(record) => record.size(),
            Print::Text(text) => text.len(),
            Print::End => 0,
        }
    }

    fn note_lost(&mut self, count: u64) {
        if let Print::Record(record) = self {
            record.note_lost(count);
        }
    }
}

/// Handle that waits for a printer's end.
#[derive(Debug)]
pub(crate) struct Printed {
    done: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    /// Starts a printer to standard output.
    pub(crate) fn start(format: Format) -> (Self, Printed) {
        Printer::start_by(format, |lines| {
            let mut out = anstream::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        })
    }

    /// Starts a printer whose lines are written by `write`.
    pub(crate) fn start_by(
        format: Format,
        mut write: impl FnMut(&str) -> io::Result<()> + Send + 'static,
    ) -> (Self, Printed) {
        let is_terminal = io::stdout().is_terminal();
        let write = move |lines: &str| {
            // If the output is a file, the disk has failed.
            write(lines).map_err(|error| if is_terminal { closed_as_pipe(error) } else { error })
        };
        let (printed, received) = queue(CAPACITY);
        let (sender, done) = oneshot::channel();
        thread::spawn(move || {
            // The receiver may be gone.
            let _ = sender.send(print(received, format, write));
        });
        (Printer { printed }, Printed { done })
    }

    /// Prints a record; waits while the queue is full.
    pub(crate) async fn print(&self, record: Record) -> Result<(), Failure> {
        self.send(Print::Record(Box::new(record))).await
    }

    /// Prints text of this program; waits while the queue is full.
    pub(crate) async fn say(&self, text: String) -> Result<(), Failure> {
        self.send(Print::Text(text)).await
    }

    async fn send(&self, print: Print) -> Result<(), Failure> {
        self.printed.send(print).await.map_err(|Closed| Failure::OutputClosed)
    }

    /// Prints a record without waiting, for hooks.
    pub(crate) fn print_now(&self, record: Record) {
        self.printed.send_now(Print::Record(Box::new(record)));
    }

    /// Returns a hook that prints records without waiting.
    pub(crate) fn hook(&self) -> impl Fn(Record) + Clone + Send + Sync + 'static {
        let printer = self.clone();
        move |record| printer.print_now(record)
    }

    /// Waits until the output is closed.
    pub(crate) async fn closed(&self) {
        self.printed.closed().await;
    }
}

impl Printed {
    /// Ends the printer after some work, and waits, within limits, until everything is written.
    pub(crate) async fn finish(
        self,
        printer: &Printer,
        outcome: Result<(), Failure>,
    ) -> Result<(), Failure> {
        let finished = async {
            // It fails if the printer has ended already.
            let _ = printer.send(Print::End).await;
            self.done.await
        };
        match tokio::time::timeout(PATIENCE, finished).await {
            Ok(Ok(written)) => outcome.and(written.map_err(Failure::from)),
            // The reader is too slow.
            _ => outcome,
        }
    }
}

fn print(
    mut received: Receiver<Print>,
    mut format: Format,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut lines = String::new();
    let mut is_over = false;
    while !is_over && let Some(first) = received.blocking_recv() {
        let mut next = Some(first);
        // Write all that is queued at once.
        while let Some(print) = next.take() {
            match print {
                Print::Record(record) => lines.push_str(&format.line(&record)),
                Print::Text(text) => lines.push_str(&text),
                Print::End => {
                    is_over = true;
                    break;
                }
            }
            lines.push('\n');
            next = if lines.len() < GATHERED { received.try_recv() } else { None };
        }
        if !lines.is_empty() {
            write(&lines)?;
            lines.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn lines_are_gathered_up_to_a_limit() {
        let mut written = Vec::new();
        let used = measure(|| {
            let (sender, receiver) = queue(CAPACITY);
            for _ in 0..CAPACITY {
                let sent = sender.send(Print::Text("x".repeat(1_023))).now_or_never();
                assert!(matches!(sent, Some(Ok(()))));
            }
            drop(sender);
            let write = |lines: &str| {
                written.push(lines.len());
                Ok(())
            };
            print(receiver, Format::Json, write).unwrap();
        });
        // The queue's first content, and a buffer that exists twice while it grows.
        assert!(used.bytes_max < CAPACITY as u64 * 1_024 + 4 * GATHERED as u64, "{used:?}");
        assert_eq!(written, [GATHERED; CAPACITY / 64]);
    }
}
