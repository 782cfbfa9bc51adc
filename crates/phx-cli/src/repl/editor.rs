//! The line editor, on a thread of its own: it waits for keys.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};
use tokio::sync::mpsc;

use super::completion::{Edited, ReplHelper, Seen};
use super::history::{self, HistoryFile};
use crate::failure::Failure;

pub(super) const PROMPT: &str = "phx> ";

/// What came of waiting for a line.
#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-D, Ctrl-C, or the end of the input.
    End,
    Failed(String),
}

/// The editor, as the rest of the program sees it.
#[derive(Debug)]
pub(super) struct Editor {
    ask: SyncSender<()>,
    typed: mpsc::Receiver<Typed>,
    /// A line has been asked for and hasn't come yet.
    asked: bool,
}

impl Editor {
    /// Starts the editor, and gives what is being edited, if there is a terminal.
    pub(super) fn start(
        seen: Seen,
        keeps_history: bool,
    ) -> Result<(Self, Option<Edited>), Failure> {
        let failed = |error: ReadlineError| Failure::failed(format!("no line editor: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(history::LINES)
            .map_err(failed)?
            .history_ignore_space(true)
            .build();
        let mut editor =
            rustyline::Editor::<ReplHelper, DefaultHistory>::with_config(config).map_err(failed)?;
        let edited = Edited::default();
        editor.set_helper(Some(ReplHelper { seen, edited: edited.clone() }));
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let history = (keeps_history && is_terminal).then(HistoryFile::of_user).flatten();
        let (ask, asked) = sync_channel(1);
        let (tell, typed) = mpsc::channel(1);
        let shown = is_terminal.then(|| edited.clone());
        thread::spawn(move || read(editor, &edited, history.as_ref(), &asked, &tell));
        Ok((Editor { ask, typed, asked: false }, shown))
    }

    /// Shows the prompt, and waits for a line. Cancel-safe.
    pub(super) async fn next(&mut self) -> Typed {
        if !self.asked {
            self.asked = true;
            // It fails if the editor has ended, which is what the next line tells.
            let _ = self.ask.send(());
        }
        let typed = self.typed.recv().await.unwrap_or(Typed::End);
        self.asked = false;
        typed
    }
}

fn read(
    mut editor: rustyline::Editor<ReplHelper, DefaultHistory>,
    edited: &Edited,
    history: Option<&HistoryFile>,
    asked: &Receiver<()>,
    tell: &mpsc::Sender<Typed>,
) {
    for line in history.map(HistoryFile::load).unwrap_or_default() {
        let _ = editor.add_history_entry(line);
    }
    while asked.recv().is_ok() {
        edited.set(Some(("", 0)));
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
            Err(error) => Typed::Failed(format!("can't read the input: {error}")),
        };
        if tell.blocking_send(typed).is_err() {
            return;
        }
    }
}
