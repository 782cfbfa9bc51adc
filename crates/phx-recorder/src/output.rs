//! Lines, and the files for them.

use std::io::{self, Write};

/// Writes a value as a line of JSON.
pub(crate) fn line(mut writer: impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut writer, value)?;
    writer.write_all(b"\n")
}

/// Creates a file that isn't there, for its owner alone.
// A page has no files.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn create(path: &std::path::Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    // A link of this name, wherever it leads, is a file that is there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
