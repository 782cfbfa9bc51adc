//! The names of logs: files, and folders of logs.

use std::fs;
use std::io;
use std::path::Path;

use super::worker::MAX_WORKERS;
use crate::terminal::shown;

/// Returns the names of logs, with those in a folder in its place: its files `*.hdr`, in the order of their names.
pub(super) fn expanded(paths: &[String]) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for path in paths {
        if Path::new(path).is_dir() {
            add_folder(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
        if files.len() > MAX_WORKERS as usize {
            return Err(format!("expected the logs of at most {MAX_WORKERS} workers"));
        }
    }
    Ok(files)
}

fn add_folder(path: &str, files: &mut Vec<String>) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("can't read {}: {error}", shown(path));
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_none_or(|extension| extension != "hdr") {
            continue;
        }
        let name = file.to_str();
        found
            .push(name.ok_or_else(|| format!("a name in {} isn't UTF-8", shown(path)))?.to_owned());
        // One more than there may be, which the caller refuses.
        if found.len() > MAX_WORKERS as usize {
            break;
        }
    }
    if found.is_empty() {
        return Err(format!("{} has no logs: expected files *.hdr", shown(path)));
    }
    found.sort_unstable();
    files.append(&mut found);
    Ok(())
}
