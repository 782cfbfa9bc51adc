//! Lines below the other output on standard error, which are redrawn in place.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anstream::ColorChoice;
use console::{Term, truncate_str};

/// Number of lines that are drawn now, which the next output replaces.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// A drawing on a terminal, which is erased in the end.
///
/// A separate thread draws: where the output is stopped, as by Ctrl-S, only that thread waits.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// `None` once the thread must end.
    lines: Option<SyncSender<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drawing {
    /// Begins a drawing; `None` if standard error isn't a terminal that can be drawn on.
    pub(crate) fn start() -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if is_dumb || !io::stderr().is_terminal() {
            return None;
        }
        let (lines, drawings) = sync_channel(1);
        let draw = move || draw_all(&drawings);
        let thread = thread::Builder::new().name("drawing".into()).spawn(draw).ok()?;
        Some(Drawing { lines: Some(lines), thread: Some(thread) })
    }

    /// Redraws these lines. If the terminal is slower than the drawings, this one is left out.
    pub(crate) fn show(&self, lines: Vec<String>) {
        if let Some(sender) = &self.lines {
            let _ = sender.try_send(lines);
        }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // It fails if the thread panicked, where nothing is left to erase.
            let _ = thread.join();
        }
    }
}

fn draw_all(drawings: &Receiver<Vec<String>>) {
    while let Ok(lines) = drawings.recv() {
        draw(&lines);
    }
    drop(clear());
}

fn draw(lines: &[String]) {
    let (rows, columns) = Term::stderr().size();
    let has_colours = anstream::AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let mut drawn = drawn();
    let mut text = erasing(*drawn);
    // The cursor has a line.
    let lines = lines.iter().take(usize::from(rows.saturating_sub(1)));
    *drawn = lines.len();
    for line in lines {
        let line = truncate_str(line, usize::from(columns), "…");
        if has_colours {
            text.push_str(&line);
        } else {
            text.push_str(&anstream::adapter::strip_str(&line).to_string());
        }
        text.push('\n');
    }
    write(&text);
}

/// Erases what is drawn. While the guard is held nothing is drawn.
pub(super) fn clear() -> MutexGuard<'static, usize> {
    let mut drawn = drawn();
    if *drawn > 0 {
        write(&erasing(*drawn));
        *drawn = 0;
    }
    drawn
}

/// Moves to the first line that is drawn, and erases everything from there on.
fn erasing(drawn: usize) -> String {
    if drawn > 0 { format!("\x1b[{drawn}A\r\x1b[J") } else { String::new() }
}

/// Writes text with escape sequences, whether or not colours are wanted; errors are ignored.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn drawn() -> MutexGuard<'static, usize> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}
