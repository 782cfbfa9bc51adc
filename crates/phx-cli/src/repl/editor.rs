//! The line editor, on a thread of its own: it waits for keys.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::completion::{Edited, ReplHelper, Seen};
use super::history::{self, HistoryFile};
use crate::failure::Failure;
use crate::terminal::{Original, Output, is_closed};

pub(super) const PROMPT: &str = "phx> ";

/// For the cursor to leave the line that is edited, in the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of waiting for a line.
#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-D, Ctrl-C, or the end of the input.
    End,
    Failed(String),
}

/// What the editor's thread tells.
#[derive(Debug)]
pub(super) enum Told {
    /// The terminal has been taken over, and keys are awaited.
    Begun,
    Typed(Typed),
}

/// What is awaited of the editor's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Nothing,
    /// A line has been asked for.
    Prompt,
    /// The terminal has been taken over for it.
    Line,
}

/// The editor, as the rest of the program sees it.
#[derive(Debug)]
pub(super) struct Editor {
    ask: SyncSender<()>,
    told: mpsc::Receiver<Told>,
    awaited: Awaited,
    /// As it was before; none where lines are read as they come.
    terminal: Option<(Original, Edited)>,
}

impl Editor {
    /// Starts the editor, and gives what is being edited and where to write beside it, if there is a terminal
    /// that can do it.
    pub(super) fn start(
        seen: Seen,
        keeps_history: bool,
    ) -> Result<(Self, Option<(Edited, Output)>), Failure> {
        let failed = |error: ReadlineError| Failure::failed(format!("no line editor: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(history::LINES)
            .map_err(failed)?
            .history_ignore_space(true)
            .build();
        let mut editor =
            rustyline::Editor::<ReplHelper, DefaultHistory>::with_config(config).map_err(failed)?;
        // There is one for exactly those terminals in which lines are edited.
        let is_edited = editor.create_external_printer().is_ok();
        // The beginning and the end of one line.
        let (tell, told) = mpsc::channel(2);
        let edited = Edited::default();
        editor.set_helper(Some(ReplHelper::new(seen, edited.clone(), tell.clone())));
        let history = (keeps_history && is_edited).then(HistoryFile::of_user).flatten();
        let (ask, asked) = sync_channel(1);
        let terminal = is_edited.then(Original::find).flatten();
        let output = terminal.as_ref().map(Original::output).transpose();
        let output = output.map_err(|error| failed(error.into()))?;
        let shown = output.map(|output| (edited.clone(), output));
        let terminal = terminal.zip(shown.as_ref().map(|(edited, _)| edited.clone()));
        thread::spawn(move || read(editor, &edited, history.as_ref(), &asked, &tell));
        Ok((Editor { ask, told, awaited: Awaited::Nothing, terminal }, shown))
    }

    /// Shows the prompt, and waits for a line. Cancel-safe.
    pub(super) async fn next(&mut self) -> Typed {
        if self.awaited == Awaited::Nothing {
            self.awaited = Awaited::Prompt;
            // It fails if the editor has ended, which is what the next line tells.
            let _ = self.ask.send(());
        }
        loop {
            if let Some(typed) = self.hear().await {
                return typed;
            }
        }
    }

    /// Gives the terminal back as it was. The thread goes on waiting for keys: nothing but a key or the end of the
    /// program ends that, and it may even be drawing. What it draws is lost, and nothing must be written to
    /// standard output any more.
    pub(super) async fn end(mut self) {
        let Some((terminal, edited)) = self.terminal.take() else { return };
        // It can be given back only after it was taken.
        while self.awaited == Awaited::Prompt {
            self.hear().await;
        }
        if self.awaited != Awaited::Line {
            return;
        }
        terminal.take_back();
        let leaving = spawn_blocking(move || edited.leave(&mut terminal.output()?));
        // It fails if the terminal has been closed, and takes for ever if its output was stopped.
        let _ = timeout(PATIENCE, leaving).await;
    }

    /// Waits for what comes next. Cancel-safe.
    async fn hear(&mut self) -> Option<Typed> {
        let told = self.told.recv().await.unwrap_or(Told::Typed(Typed::End));
        match told {
            Told::Begun => {
                self.awaited = Awaited::Line;
                None
            }
            Told::Typed(typed) => {
                self.awaited = Awaited::Nothing;
                Some(typed)
            }
        }
    }
}

fn read(
    mut editor: rustyline::Editor<ReplHelper, DefaultHistory>,
    edited: &Edited,
    history: Option<&HistoryFile>,
    asked: &Receiver<()>,
    tell: &mpsc::Sender<Told>,
) {
    for line in history.map(HistoryFile::load).unwrap_or_default() {
        let _ = editor.add_history_entry(line);
    }
    while asked.recv().is_ok() {
        edited.set(Some(("", 0)));
        if let Some(helper) = editor.helper() {
            helper.expect();
        }
        let read = editor.readline(PROMPT);
        edited.set(None);
        let typed = match read {
            Ok(line) => {
                // A history that can't be written is none.
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
        if tell.blocking_send(Told::Typed(typed)).is_err() {
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
