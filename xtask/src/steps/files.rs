//! Checks the files of the repository: their length, modules in ARCHITECTURE.md that don't exist, paths of a person's
//! machine, lints that differ between crates, stale lock files.

use std::collections::BTreeSet;
use std::{fs, io};

use anyhow::{Context as _, bail};

use crate::command::Program;
use crate::lints;
use crate::step::Outcome;
use crate::structure;
use crate::workspace;

const MAX_LINES: usize = 600;
const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// Largest length of ARCHITECTURE.md: a longer one would be a list of files, not a map.
const MAX_ARCHITECTURE_BYTES: usize = 14 << 10;
const README: &str = "README.md";
/// Largest length of README.md, which newcomers read before the first try.
const MAX_README_LINES: usize = 150;

/// Top-level directories in which people and build machines keep files.
const MACHINE_DIRECTORIES: [&str; 4] = ["root", "home", "work", "Users"];

pub(crate) fn check() -> Outcome {
    let files = files()?;
    let mut faults = Vec::new();
    for file in &files {
        faults.extend(too_long(file));
        faults.extend(machine_paths(file));
    }
    let architecture = files.iter().find(|file| file.path == ARCHITECTURE);
    match architecture {
        Some(architecture) => {
            let paths = files.iter().map(|file| file.path.as_str()).collect();
            faults.extend(architecture_faults(&architecture.text, &paths));
        }
        None => faults.push(format!("{ARCHITECTURE} is missing")),
    }
    faults.extend(lint_faults(&files));
    let texts = files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    faults.extend(structure::faults(texts));
    faults.extend(stale_lock_file("Cargo.toml"));
    match workspace::apart() {
        Ok(manifests) => faults.extend(manifests.into_iter().filter_map(stale_lock_file)),
        Err(error) => faults.push(error.to_string()),
    }

    for fault in &faults {
        println!("{fault}");
    }
    if let Some(first) = faults.first() {
        bail!("{} faults, the first: {first}", faults.len());
    }
    Ok(Some(format!("{} files", files.len())))
}

struct File {
    /// Path from the root of the repository, with forward slashes.
    path: String,
    text: String,
}

/// Returns the text files that are tracked, or would be after `git add --all`.
fn files() -> anyhow::Result<Vec<File>> {
    let list = Program::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()?;
    let mut files = Vec::new();
    for path in list.split_terminator('\0') {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            // Deleted, but the deletion isn't committed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("can't read {path}")),
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn too_long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let (length, most, unit) = match &*file.path {
        ARCHITECTURE => (file.text.len(), MAX_ARCHITECTURE_BYTES, "bytes"),
        README => (lines, MAX_README_LINES, "lines"),
        path if path.ends_with(".rs") => (lines, MAX_LINES, "lines"),
        _ => return None,
    };
    (length > most).then(|| format!("{}: {length} {unit}, {most} at most", file.path))
}

fn machine_paths(file: &File) -> Vec<String> {
    let lines = file.text.lines().zip(1_usize..);
    let found = lines.filter_map(|(line, number)| {
        let directory = MACHINE_DIRECTORIES.iter().find(|name| names_directory(line, name))?;
        Some(format!("{}:{number}: a path under {directory}", file.path))
    });
    found.collect()
}

/// Returns true if the line has an absolute path below this top-level directory. The same name further down in a path
/// or an address doesn't match.
fn names_directory(line: &str, name: &str) -> bool {
    let path = format!("/{name}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-/*}>$~".contains(c))
    })
}

/// Returns the source files that ARCHITECTURE.md names and that don't exist.
fn architecture_faults(architecture: &str, paths: &BTreeSet<&str>) -> Vec<String> {
    let absent = source_paths(architecture).filter(|path| !paths.contains(path));
    absent.map(|path| format!("{ARCHITECTURE} names {path}: absent")).collect()
}

/// Returns the words of the text that are paths of a crate's Rust files.
fn source_paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !"/._-".contains(c));
    words.filter(|word| word.starts_with("crates/") && word.ends_with(".rs"))
}

/// Returns the manifests whose lints differ from those of the root.
fn lint_faults(files: &[File]) -> Vec<String> {
    let Some(root) = files.iter().find(|file| file.path == "Cargo.toml") else {
        return vec!["Cargo.toml is missing".to_owned()];
    };
    let below = files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let lints = below.flat_map(|file| lints::faults(&root.text, &file.path, &file.text));
    lints
        .chain(files.iter().filter_map(|file| lints::unsafe_fault(&file.path, &file.text)))
        .collect()
}

fn stale_lock_file(manifest: &str) -> Option<String> {
    let metadata = Program::cargo().args(["metadata", "--locked", "--format-version", "1"]);
    let error = metadata.args(["--manifest-path", manifest]).output().err()?;
    Some(format!("the lock file of {manifest} isn't up to date: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: String) -> File {
        named("a.rs", text)
    }

    fn named(path: &str, text: String) -> File {
        File { path: path.to_owned(), text }
    }

    #[test]
    fn the_last_line_allowed() {
        for (path, last, long) in [
            ("a.rs", MAX_LINES, "a.rs: 601 lines, 600 at most"),
            ("README.md", 150, "README.md: 151 lines, 150 at most"),
            ("ARCHITECTURE.md", 14_336 / 2, "ARCHITECTURE.md: 14338 bytes, 14336 at most"),
        ] {
            assert_eq!(too_long(&named(path, "x\n".repeat(last))), None);
            assert_eq!(too_long(&named(path, "x\n".repeat(last + 1))).unwrap(), long);
        }
        assert_eq!(too_long(&named("docs/README.md", "x\n".repeat(1000))), None);
    }

    #[test]
    fn machine_paths_are_found_with_their_line() {
        for name in MACHINE_DIRECTORIES {
            let found = machine_paths(&file(format!("fine\nsee `/{name}/ann/x`\n")));
            assert_eq!(found, [format!("a.rs:2: a path under {name}")]);
        }
    }

    #[test]
    fn the_same_names_elsewhere_are_fine() {
        for text in ["https://host/home/x", "docs/work/x", "../root/x", "${dir}/work/x", "/homes/"]
        {
            assert_eq!(machine_paths(&file(text.to_owned())), [""; 0], "{text}");
        }
    }

    #[test]
    fn every_module_that_is_named_exists() {
        let paths = BTreeSet::from(["crates/a/src/lib.rs", "crates/a/src/deep/er.rs"]);
        let good = "- `crates/a/src/lib.rs`: x\n- [er](crates/a/src/deep/er.rs)\n";
        assert_eq!(architecture_faults(good, &paths), [""; 0]);
        let stale = architecture_faults("`crates/a/src/lib.rs` `crates/a/src/gone.rs`", &paths);
        assert_eq!(stale, ["ARCHITECTURE.md names crates/a/src/gone.rs: absent"]);
    }
}
