//! The line editor, on a separate thread, since it blocks on keys.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::completion::{ReplHelper, Seen};
use super::history::{self, HistoryFile};
use super::screen::{PROMPT, Screen};
use crate::failure::Failure;
use crate::terminal::{Original, is_closed};

/// Time limit at the end for the cursor to leave the edited line.
const PATIENCE: Duration = Duration::from_secs(2);

/// The result of waiting for a line.
#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-D, Ctrl-C on an empty line, or the end of the input.
    End,
    Failed(String),
}

/// Handle to the line editor.
pub(super) struct Editor {
    ask: SyncSender<()>,
    typed: mpsc::Receiver<Typed>,
    /// True while a line was requested and hasn't come.
    is_asked: bool,
    screen: Screen,
    /// Original settings of the terminal; `None` if the keys don't come from one.
    terminal: Option<Original>,
}

impl Editor {
    /// Starts the editor, and returns the screen that it shares with the printer.
    pub(super) fn start(seen: Seen, keeps_history: bool) -> Result<(Self, Screen), Failure> {
        let failed = |error: ReadlineError| Failure::failed(format!("no line editor: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(history::LINES)
            .map_err(failed)?
            .history_ignore_space(true)
            .build();
        let mut editor =
            rustyline::Editor::<ReplHelper, DefaultHistory>::with_config(config).map_err(failed)?;
        // Only terminals that show the edited line have one.
        let is_edited = editor.create_external_printer().is_ok();
        let screen = Screen::start(is_edited).map_err(|error| failed(error.into()))?;
        let terminal = Original::of_input().map_err(|error| failed(error.into()))?;
        editor.set_helper(Some(ReplHelper::new(seen, screen.clone())));
        let history = (keeps_history && is_edited).then(HistoryFile::of_user).flatten();
        let (ask, asked) = sync_channel(1);
        let (sender, typed) = mpsc::channel(1);
        let shown = screen.clone();
        thread::spawn(move || read(editor, &shown, history.as_ref(), &asked, &sender));
        let shown = screen.clone();
        Ok((Editor { ask, typed, is_asked: false, screen, terminal }, shown))
    }

    /// Shows the prompt, and waits for a line. Cancel-safe.
    pub(super) async fn next(&mut self) -> Typed {
        if !self.is_asked {
            self.is_asked = true;
            // It fails if the editor has ended, which the next line reports.
            let _ = self.ask.send(());
        }
        let typed = self.typed.recv().await;
        self.is_asked = false;
        typed.unwrap_or(Typed::End)
    }

    /// Restores the terminal. The thread may be drawing, or still wait for keys: only a key or the end of the
    /// program ends that. It no longer reaches the terminal.
    pub(super) async fn end(mut self) {
        self.typed.close();
        let Some(terminal) = self.terminal.filter(|_| self.is_asked) else { return };
        terminal.take_back();
        let leaving = spawn_blocking(move || self.screen.leave());
        // It fails if the terminal has been closed, and takes for ever if its output was stopped.
        let _ = timeout(PATIENCE, leaving).await;
    }
}

fn read(
    mut editor: rustyline::Editor<ReplHelper, DefaultHistory>,
    screen: &Screen,
    history: Option<&HistoryFile>,
    asked: &Receiver<()>,
    sender: &mpsc::Sender<Typed>,
) {
    for line in history.map(HistoryFile::load).unwrap_or_default() {
        let _ = editor.add_history_entry(line);
    }
    while asked.recv().is_ok() {
        let read = loop {
            screen.edits(Some(("", 0)));
            let read = editor.readline(PROMPT);
            let is_cleared = matches!(read, Err(ReadlineError::Interrupted)) && screen.is_typed();
            screen.edits(None);
            if !is_cleared || sender.is_closed() {
                break read;
            }
        };
        // Keys typed after the end belong to the shell.
        if sender.is_closed() {
            return;
        }
        let typed = match read {
            Ok(line) => {
                // Without a writable file there is no history.
                if editor.add_history_entry(&line).is_ok_and(|added| added)
                    && let Some(history) = history
                {
                    let _ = history.add(&line);
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Typed::End,
            Err(error) if terminal_is_closed(&error) => Typed::End,
            Err(error) => Typed::Failed(format!("can't read the input: {error}")),
        };
        if sender.blocking_send(typed).is_err() {
            return;
        }
    }
}

fn terminal_is_closed(error: &ReadlineError) -> bool {
    match error {
        ReadlineError::Io(error) => is_closed(error),
        #[cfg(unix)]
        ReadlineError::Errno(error) => is_closed(&(*error).into()),
        _ => false,
    }
}
