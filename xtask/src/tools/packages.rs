//! Official clients from npm and Python's index, which judge the server kits and the codecs.

use std::fs;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::command::Program;

/// A folder with a `package.json` and a lock file, and what it needs.
pub(crate) struct Npm {
    /// The folder.
    pub(crate) folder: &'static str,
    /// Name of what is in the packages.
    pub(crate) what: &'static str,
    /// The oldest Node that runs them.
    node: u32,
}

/// Where npm's `phoenix` is run from.
pub(crate) const PHOENIX: Npm =
    Npm { folder: "crates/phx-conformance/js", what: "the official JavaScript client", node: 18 };

/// Where `wasm-opt` is run from.
pub(crate) const BINARYEN: Npm =
    Npm { folder: "crates/phx-browser/js", what: "binaryen's `wasm-opt`", node: 18 };

/// Where Supabase's official clients are run from, and the lists of their packages are.
pub(crate) const SUPABASE: Npm = Npm {
    folder: "crates/phx-supabase/tests/judges",
    what: "Supabase's official JavaScript client",
    node: 20,
};

/// The oldest Python that the packages of [`SUPABASE`] are listed for.
pub(crate) const PYTHON: (u32, u32) = (3, 11);

impl Npm {
    /// Makes sure of Node, which has to be there, and of the packages.
    pub(crate) fn bring(&self) -> anyhow::Result<()> {
        let Npm { folder, what, node: oldest } = self;
        let node = Program::new("node").args(["--version"]).output_if_any()?;
        let major = node.as_deref().and_then(node_major);
        if major.is_none_or(|major| major < *oldest) {
            let found = node.as_deref().map_or("none", str::trim);
            bail!("{what} needs Node {oldest} or newer, https://nodejs.org; found: {found}");
        }
        if Program::new("npm").args(["--version"]).output_if_any()?.is_none() {
            bail!("npm, which comes with Node, isn't installed: it brings {what}");
        }
        let lock = modified(&format!("{folder}/package-lock.json"));
        // npm writes it at the end of an install.
        let installed = modified(&format!("{folder}/node_modules/.package-lock.json"));
        if is_current(installed, lock) {
            return Ok(());
        }
        Program::new("npm")
            .args(["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"])
            .run()
            .with_context(|| format!("npm couldn't install the packages of {folder}"))
    }
}

/// Makes sure of Supabase's official clients: of Node and Python, which have to be there, and of their packages, those
/// of Python in a virtual environment.
pub(crate) fn supabase_clients() -> anyhow::Result<()> {
    SUPABASE.bring()?;
    let (major, minor) = PYTHON;
    let python = Program::new("python3").args(["--version"]).output_if_any()?;
    if python.as_deref().and_then(python_version).is_none_or(|found| found < PYTHON) {
        let found = python.as_deref().map_or("none", str::trim);
        bail!(
            "the tests with Supabase's official Python client need Python {major}.{minor} or newer, \
             https://python.org; found: {found}"
        );
    }
    let folder = SUPABASE.folder;
    let listed = fs::read_to_string(format!("{folder}/requirements.txt"))?;
    // Written at the end of an install.
    let record = format!("{folder}/venv/installed.txt");
    if fs::read_to_string(&record).is_ok_and(|installed| installed == listed) {
        return Ok(());
    }
    let (venv, list) = (format!("{folder}/venv"), format!("{folder}/requirements.txt"));
    Program::new("python3")
        .args(["-m", "venv", "--clear", &venv])
        .run()
        .context("Python's module venv is needed (Debian: apt-get install python3-venv)")?;
    Program::new(&format!("{venv}/bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--require-hashes", "--only-binary", ":all:", "--requirement", &list])
        .run()
        .with_context(|| format!("pip couldn't install the packages of {list}"))?;
    fs::write(&record, listed).with_context(|| format!("can't write {record}"))
}

/// The 20 of "v20.11.1".
fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The 3 and 11 of "Python 3.11.7".
fn python_version(answer: &str) -> Option<(u32, u32)> {
    let mut numbers = answer.trim().strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn modified(path: &str) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Returns true if a file exists and isn't older than its source.
fn is_current(made: Option<SystemTime>, source: Option<SystemTime>) -> bool {
    made.is_some() && made >= source
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nodes_major_version() {
        assert_eq!(node_major("v20.11.1\n"), Some(20));
        assert_eq!(node_major("20"), None);
        assert_eq!(node_major(""), None);
    }

    #[test]
    fn pythons_version() {
        assert_eq!(python_version("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(python_version("Python 3.9"), Some((3, 9)));
        assert!(python_version("Python 3.9").unwrap() < PYTHON);
        assert_eq!(python_version("Python 3"), None);
        assert_eq!(python_version(""), None);
    }

    #[test]
    fn what_is_absent_or_older_than_its_source_is_made_again() {
        let (earlier, later) =
            (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert!(is_current(Some(later), Some(earlier)));
        assert!(!is_current(Some(earlier), Some(later)));
        assert!(!is_current(None, Some(later)));
    }
}
