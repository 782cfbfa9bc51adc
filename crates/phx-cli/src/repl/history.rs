//! The lines typed in `phx repl`, kept in a file for the next time.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::secret;

/// Approximate number of kept lines.
pub(super) const LINES: usize = 1_000;

/// File of the history.
#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    /// Returns the user's file, in the state directory of programs, which is created.
    pub(super) fn of_user() -> Option<Self> {
        let directory =
            |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = directory("XDG_STATE_HOME")
            .or_else(|| directory("LOCALAPPDATA"))
            .or_else(|| directory("HOME").map(|home| home.join(".local").join("state")))?
            .join("phx");
        fs::create_dir_all(&state).ok()?;
        Some(HistoryFile { path: state.join("history") })
    }

    /// Returns the latest lines, oldest first; none if there is no file yet.
    pub(super) fn load(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(LINES);
        let latest: Vec<String> = lines.into_iter().skip(start).map(String::from).collect();
        // Sometimes the file is shortened to the loaded lines; if that fails it stays long.
        if start > LINES {
            let _ = self.open(false).and_then(|mut file| write(&mut file, &latest));
        }
        latest
    }

    /// Adds a line, unless it contains text like a token.
    pub(super) fn add(&self, line: &str) -> io::Result<()> {
        if secret::is_in(line) {
            return Ok(());
        }
        write(&mut self.open(true)?, &[line.to_owned()])
    }

    /// Opens the file with access for its owner alone.
    fn open(&self, append: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).append(append).write(true).truncate(!append);
        owner_only(&mut options);
        options.open(Path::new(&self.path))
    }
}

fn write(file: &mut File, lines: &[String]) -> io::Result<()> {
    let mut text = lines.join("\n");
    text.push('\n');
    file.write_all(text.as_bytes())
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn owner_only(_options: &mut OpenOptions) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_lines_are_kept_and_secrets_are_not() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = HistoryFile { path: directory.path().join("history") };
        assert_eq!(file.load(), [""; 0]);
        for number in 0..=LINES * 2 {
            file.add(&format!("push {number}")).unwrap();
        }
        file.add("join room:a {\"token\": \"s3cret\"}").unwrap();
        let lines = file.load();
        assert_eq!((lines.len(), &*lines[0]), (LINES, "push 1001"));
        let text = fs::read_to_string(&file.path).unwrap();
        assert_eq!(text.lines().count(), LINES, "it was shortened");
        assert!(!text.contains("s3cret"));
    }
}
