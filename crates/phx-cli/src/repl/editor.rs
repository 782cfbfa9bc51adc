//! The line editor, on a thread of its own: it waits for keys.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, ExternalPrinter};
use tokio::sync::mpsc;

use super::completion::{ReplHelper, Seen};
use crate::failure::Failure;
use crate::json_text::is_secret;

const PROMPT: &str = "phx> ";

/// Lines that the history keeps.
const HISTORY: usize = 1_000;

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
    /// Starts the editor, and gives what prints above the prompt, if there is a terminal.
    pub(super) fn start(
        seen: Seen,
        keeps_history: bool,
    ) -> Result<(Self, Option<impl ExternalPrinter + Send + 'static>), Failure> {
        let failed = |error: ReadlineError| Failure::failed(format!("no line editor: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY)
            .map_err(failed)?
            .history_ignore_space(true)
            .build();
        let mut editor =
            rustyline::Editor::<ReplHelper, DefaultHistory>::with_config(config).map_err(failed)?;
        editor.set_helper(Some(ReplHelper(seen)));
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let above_prompt = match is_terminal {
            true => editor.create_external_printer().ok(),
            false => None,
        };
        let history = (keeps_history && is_terminal).then(history_file).flatten();
        let (ask, asked) = sync_channel(1);
        let (tell, typed) = mpsc::channel(1);
        thread::spawn(move || read(editor, history.as_deref(), &asked, &tell));
        Ok((Editor { ask, typed, asked: false }, above_prompt))
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
    history: Option<&Path>,
    asked: &Receiver<()>,
    tell: &mpsc::Sender<Typed>,
) {
    if let Some(path) = history {
        // There may be none yet.
        let _ = editor.load_history(path);
    }
    while asked.recv().is_ok() {
        let typed = match editor.readline(PROMPT) {
            Ok(line) => {
                // A line with a token in it isn't kept. A history that can't be written is none.
                if !is_secret(&line)
                    && editor.add_history_entry(&line).is_ok_and(|added| added)
                    && let Some(path) = history
                {
                    let _ = editor.append_history(path);
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

/// Where the history is kept; its directory is made.
fn history_file() -> Option<PathBuf> {
    let directory = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = directory("XDG_STATE_HOME")
        .or_else(|| directory("LOCALAPPDATA"))
        .or_else(|| directory("HOME").map(|home| home.join(".local").join("state")))?
        .join("phx");
    fs::create_dir_all(&state).ok()?;
    Some(state.join("history"))
}
