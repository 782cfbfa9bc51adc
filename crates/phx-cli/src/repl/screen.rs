//! The screen of the REPL: printed lines and, on a terminal, the edited line below them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use console::measure_text_width;

use crate::terminal::output;

pub(super) const PROMPT: &str = "phx> ";

/// Ends the terminal modes that the line editor uses: synchronized updates, in the middle of which it may be
/// stopped, and bracketed paste.
const AS_IT_WAS: &str = "\x1b[?2026l\x1b[?2004l";

/// Output shared by the printer, the line editor and the end of the program.
///
/// rustyline 18 has a printer for output while a line is edited. With it, keys that come faster
/// than they are handled stay in a buffer until the next one.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<Shown>>);

struct Shown {
    output: Box<dyn Write + Send>,
    editing: Editing,
}

enum Editing {
    /// Lines are edited elsewhere, or no longer.
    Elsewhere,
    /// No line is awaited.
    Nothing,
    /// The line, and the position of the cursor, in bytes.
    Line(String, usize),
}

impl Screen {
    /// Opens standard output, which stays open when the line editor's is taken away. `is_edited` if it also shows
    /// the edited line.
    pub(super) fn start(is_edited: bool) -> io::Result<Self> {
        Ok(Screen::of(Box::new(output()?), is_edited))
    }

    fn of(output: Box<dyn Write + Send>, is_edited: bool) -> Self {
        let editing = if is_edited { Editing::Nothing } else { Editing::Elsewhere };
        Screen(Arc::new(Mutex::new(Shown { output, editing })))
    }

    /// Returns a function that prints lines here, without colours if the user wants none.
    pub(super) fn printer(&self) -> impl FnMut(&str) -> io::Result<()> + Send + 'static {
        let screen = self.clone();
        let has_colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        move |lines| {
            let plain = (!has_colours).then(|| strip_str(lines).to_string());
            screen.print(plain.as_deref().unwrap_or(lines))
        }
    }

    /// Records the edited line and the position of the cursor, before it is drawn.
    pub(super) fn edits(&self, line: Option<(&str, usize)>) {
        let mut shown = self.shown();
        if !matches!(shown.editing, Editing::Elsewhere) {
            shown.editing = match line {
                Some((line, pos)) => Editing::Line(line.to_owned(), pos),
                None => Editing::Nothing,
            };
        }
    }

    /// Returns true if the edited line has text.
    pub(super) fn is_typed(&self) -> bool {
        matches!(&self.shown().editing, Editing::Line(line, _) if !line.is_empty())
    }

    /// Ends the edited line; further lines are written unchanged.
    pub(super) fn leave(&self) -> io::Result<()> {
        let mut shown = self.shown();
        match std::mem::replace(&mut shown.editing, Editing::Elsewhere) {
            Editing::Elsewhere => Ok(()),
            Editing::Nothing | Editing::Line(..) => shown.write(&format!("{AS_IT_WAS}\n")),
        }
    }

    /// Writes lines above the edited one, and then redraws that.
    fn print(&self, lines: &str) -> io::Result<()> {
        let mut shown = self.shown();
        match &shown.editing {
            Editing::Elsewhere | Editing::Nothing => shown.write(lines),
            Editing::Line(line, pos) => {
                let mut text = format!("\r\x1b[K{lines}{PROMPT}{line}");
                let behind = measure_text_width(line.get(*pos..).unwrap_or_default());
                if behind > 0 {
                    text.push_str(&format!("\x1b[{behind}D"));
                }
                shown.write(&text)
            }
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Written(Sender<Vec<u8>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn screen(is_edited: bool) -> (Screen, Receiver<Vec<u8>>) {
        let (sender, written) = channel();
        (Screen::of(Box::new(Written(sender)), is_edited), written)
    }

    fn all(written: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(written.try_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn what_is_edited_is_shown_again_with_the_cursor_in_its_place() {
        let (screen, written) = screen(true);
        screen.print("a\n").unwrap();
        screen.edits(Some(("ping", 2)));
        screen.print("b\n").unwrap();
        assert_eq!(all(&written), "a\n\r\x1b[Kb\nphx> ping\x1b[2D");
        screen.leave().unwrap();
        screen.print("c\n").unwrap();
        screen.edits(Some(("ls", 2)));
        screen.print("d\n").unwrap();
        screen.leave().unwrap();
        assert_eq!(all(&written), "\x1b[?2026l\x1b[?2004l\nc\nd\n");
    }

    #[test]
    fn what_is_edited_elsewhere_is_not_shown() {
        let (screen, written) = screen(false);
        screen.edits(Some(("ping", 2)));
        screen.print("a\n").unwrap();
        screen.leave().unwrap();
        assert_eq!(all(&written), "a\n");
    }
}
