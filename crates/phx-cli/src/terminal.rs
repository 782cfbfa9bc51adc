//! Standard error, colours, and escapes for text from elsewhere, so that it can't act on the terminal.

use std::fmt;
use std::io::{self, Write as _};
use std::time::SystemTime;

use anstyle::{AnsiColor, Effects, Style};
use phx_tokio::Escaped;

mod drawing;

pub(crate) use drawing::Drawing;

pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(crate) const BOLD: Style = Style::new().effects(Effects::BOLD);
pub(crate) const TOPIC: Style = AnsiColor::Cyan.on_default();
pub(crate) const EVENT: Style = AnsiColor::Green.on_default();
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// Something in a style; whether colours are shown is decided where it is written.
pub(crate) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints an error. Line ends in it are kept; everything else that acts on a terminal is escaped.
pub(crate) fn error(text: &str) {
    say(&format!("{} {}", styled(BAD, "error:"), in_lines(text)));
}

/// Prints a warning, escaped like an error.
pub(crate) fn warning(text: &str) {
    say(&format!("{} {}", styled(NOTE, "warning:"), in_lines(text)));
}

fn in_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Writes a line to standard error, in place of what is drawn there; errors are ignored.
pub(crate) fn say(line: &str) {
    let _guard = drawing::clear();
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Text that came from elsewhere, with everything in it that a terminal would act upon written
/// out: escape sequences, line ends, what reverses the direction of writing, and what is invisible.
pub(crate) fn shown(text: &str) -> String {
    Escaped::whole(text).to_string()
}

/// Columns of the terminal that standard output is; `None` if it isn't one.
pub(crate) fn width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// The first `max` characters, and how much was left out.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => {
            let (start, rest) = text.split_at(at);
            format!("{start}… ({} bytes more)", rest.len())
        }
        None => text.to_owned(),
    }
}

/// The time of day, in UTC, to the millisecond.
pub(crate) fn clock(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_millis(time).to_string();
    text.get(11..23).unwrap_or(&text).to_owned()
}

/// Returns whether this is the error of a closed terminal.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    platform::is_closed(error)
}

/// The same error, but a closed terminal becomes a broken pipe.
pub(crate) fn closed_as_pipe(error: io::Error) -> io::Error {
    if is_closed(&error) { io::ErrorKind::BrokenPipe.into() } else { error }
}

pub(crate) use platform::{Original, output};

#[cfg(unix)]
mod platform {
    use std::fs::{File, OpenOptions};
    use std::io::{self, IsTerminal as _, Write};
    use std::os::fd::AsFd as _;

    use nix::errno::Errno;
    use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
    use nix::unistd::{dup2_stdin, dup2_stdout};

    /// Standard output, which stays what it is now.
    pub(crate) fn output() -> io::Result<impl Write + Send + 'static> {
        io::stdout().as_fd().try_clone_to_owned().map(File::from)
    }

    /// The terminal that keys come from, as it was before a line editor took it over.
    #[derive(Debug)]
    pub(crate) struct Original {
        input: File,
        settings: Termios,
    }

    impl Original {
        /// None if keys come from something else.
        pub(crate) fn of_input() -> io::Result<Option<Self>> {
            if !io::stdin().is_terminal() {
                return Ok(None);
            }
            let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            let settings = tcgetattr(&input)?;
            Ok(Some(Original { input, settings }))
        }

        /// Takes the terminal from the line editor, whatever that is doing, and whether or not output was
        /// stopped: standard input and output lead nowhere from now on, and the settings are the old ones.
        pub(crate) fn take_back(&self) {
            // These fail if there is no such device, and if the terminal has been closed, where nothing is left to do.
            if let Ok(nowhere) = OpenOptions::new().read(true).write(true).open("/dev/null") {
                let _ = dup2_stdin(&nowhere);
                if io::stdout().is_terminal() {
                    let _ = dup2_stdout(&nowhere);
                }
            }
            let _ = tcsetattr(&self.input, SetArg::TCSANOW, &self.settings);
        }
    }

    pub(super) fn is_closed(error: &io::Error) -> bool {
        error.raw_os_error() == Some(Errno::EIO as i32)
    }
}

/// Nothing ends a program there while it waits for keys, but Ctrl-C, which is a key then.
#[cfg(not(unix))]
mod platform {
    use std::io::{self, Write};

    pub(crate) fn output() -> io::Result<impl Write + Send + 'static> {
        Ok(io::stdout())
    }

    #[derive(Debug)]
    pub(crate) struct Original;

    impl Original {
        pub(crate) fn of_input() -> io::Result<Option<Self>> {
            Ok(None)
        }

        pub(crate) fn take_back(&self) {}
    }

    pub(super) fn is_closed(_: &io::Error) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_that_is_shown_acts_on_the_terminal() {
        assert_eq!(shown("a\x1b[2Jb\u{9b}\u{202e}ä\n"), "a\\u{1b}[2Jb\\u{9b}\\u{202e}ä\\n");
        assert_eq!(shown("\u{200b}\u{feff}\u{2069}"), "\\u{200b}\\u{feff}\\u{2069}");
    }

    #[test]
    fn what_is_left_out_is_reported() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äöü… (2 bytes more)");
    }

    #[test]
    fn the_time_of_day() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_000 * 365 + 3_723_004);
        assert_eq!(clock(time), "01:02:03.004");
    }
}
