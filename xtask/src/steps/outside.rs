//! Builds and runs the programs of the docs in a folder outside of the workspace, from the lines in the docs alone.
//!
//! A comment `<!-- file: PROJECT/PATH -->` before a fenced block makes it a file. A `Cargo.toml` there has the
//! lines that a reader adds to that of `cargo new`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::command::{Program, Session};
use crate::programs;
use crate::step::Outcome;
use crate::workspace;

/// Pages with programs.
const PAGES: [&str; 2] = ["crates/phx-tungstenite/README.md", "docs/TUTORIAL.md"];

/// Path of the checkout from a project, as the pages have it.
const CHECKOUT: &str = "../phx/";

/// Time limit for each line that a program or the server must print.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn check() -> Outcome {
    let root = std::env::current_dir().context("can't find the workspace")?;
    let target = workspace::target_directory()?;
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    for page in PAGES {
        let text = fs::read_to_string(page).with_context(|| format!("can't read {page}"))?;
        for file in files(&text).with_context(|| format!("in {page}"))? {
            file.write(folder.path(), &root)?;
        }
    }
    let phx = programs::phx()?;
    let outside = Outside { folder: folder.path(), root: &root, target: &target, phx: &phx };
    outside.port(
        "tutorial",
        "tutorial-smol",
        &[("phx_tokio", "phx_smol"), ("phx-tokio", "phx-smol")],
    )?;

    outside.cargo("driver", "build")?;
    outside.driver()?;
    for tutorial in ["tutorial", "tutorial-smol"] {
        // Builds the program as well. The port has the same name, and replaces its binary.
        outside.cargo(tutorial, "test")?;
        outside.tutorial()?;
    }
    Ok(Some("a driver, a tutorial, and its port".to_owned()))
}

/// The folder with the projects.
struct Outside<'a> {
    folder: &'a Path,
    root: &'a Path,
    /// Target directory of the workspace, so that common dependencies aren't compiled again.
    target: &'a Path,
    /// Path of the program `phx`.
    phx: &'a str,
}

impl Outside<'_> {
    /// Copies a project, and replaces names in it.
    fn port(&self, from: &str, to: &str, names: &[(&str, &str)]) -> anyhow::Result<()> {
        for path in ["Cargo.toml", "src/lib.rs", "src/main.rs", "tests/tokens.rs"] {
            let original = self.folder.join(from).join(path);
            let mut text = fs::read_to_string(&original)
                .with_context(|| format!("can't read {}", original.display()))?;
            for (name, other) in names {
                text = text.replace(name, other);
            }
            write(&self.folder.join(to).join(path), &text)?;
        }
        Ok(())
    }

    /// Builds or tests a project with the versions of the workspace's lock file, offline.
    fn cargo(&self, project: &str, command: &str) -> anyhow::Result<()> {
        let project = self.folder.join(project);
        fs::copy(self.root.join("Cargo.lock"), project.join("Cargo.lock"))
            .context("can't copy Cargo.lock")?;
        let manifest = project.join("Cargo.toml");
        Program::cargo()
            .args([command, "--offline", "--quiet", "--manifest-path", utf8(&manifest)?])
            .env("CARGO_TARGET_DIR", utf8(self.target)?)
            .run()
    }

    fn start(&self, program: &str, args: &[&str]) -> anyhow::Result<Session> {
        let path =
            self.target.join("debug").join(program).with_extension(std::env::consts::EXE_EXTENSION);
        Session::start(utf8(&path)?, args)
    }

    /// Starts a server. Returns it with its URL.
    fn server(&self) -> anyhow::Result<(Session, String)> {
        let mut server = Session::start(self.phx, &["serve", "--port", "0"])?;
        let url = server.wait_for("ws://", PATIENCE)?;
        Ok((server, url))
    }

    /// Checks the driver: it joins, pushes, survives a restart, and stops at a 403.
    fn driver(&self) -> anyhow::Result<()> {
        let (mut server, url) = self.server()?;
        let mut driver = self.start("driver", &[&url])?;
        driver.wait_for("joined", PATIENCE)?;
        driver.wait_for("shout: ", PATIENCE)?;
        server.say("restart 100ms")?;
        server.wait_for("restarted", PATIENCE)?;
        driver.wait_for("joined", PATIENCE)?;
        driver.wait_for("shout: ", PATIENCE)?;
        drop(driver);

        server.say("refuse 403")?;
        server.wait_for("403", PATIENCE)?;
        let mut refused = self.start("driver", &[&url])?;
        refused.wait_for("403", PATIENCE)?;
        ensure!(!refused.wait(PATIENCE)?.success(), "the driver succeeded after a 403");
        Ok(())
    }

    /// Checks the tutorial's program: a join, a rejected join, a post, and a restart with another token.
    fn tutorial(&self) -> anyhow::Result<()> {
        let (mut server, url) = self.server()?;
        let mut program = self.start("tutorial", &[&url])?;
        for expected in ["rejected", "room:lobby: hello", "Open, token 1, 1 present, tick 2"] {
            program.wait_for(expected, PATIENCE)?;
        }
        server.say("restart 100ms")?;
        for expected in ["Waiting, token 1", "room:lobby: posts may be missing", "Open, token"] {
            program.wait_for(expected, PATIENCE)?;
        }
        Ok(())
    }
}

/// A file in a page.
#[derive(Debug, PartialEq, Eq)]
struct File {
    /// Path from the folder of all projects, with forward slashes.
    path: String,
    text: String,
}

impl File {
    fn write(&self, folder: &Path, root: &Path) -> anyhow::Result<()> {
        let mut text = self.text.clone();
        if let Some((project, _)) = self.path.split_once("/Cargo.toml") {
            let checkout = format!("{}/", utf8(root)?).replace('\\', "/");
            let package = format!(
                "[package]\nname = \"{project}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n"
            );
            text = package + &text.replace(CHECKOUT, &checkout);
        }
        write(&folder.join(&self.path), &text)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let parent = path.parent().context("a file without a folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("can't write {}", path.display()))
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} isn't UTF-8", path.display()))
}

/// Returns the files in a page, in their order.
fn files(page: &str) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(path) = line.strip_prefix("<!-- file: ") else { continue };
        let path = path.strip_suffix(" -->").with_context(|| format!("`{line}` isn't closed"))?;
        ensure!(
            path.split('/').count() > 1
                && path.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "`{path}` isn't a file of a project"
        );
        ensure!(
            lines.next().is_some_and(|line| line.starts_with("```")),
            "no block follows `{line}`"
        );
        let mut text = String::new();
        loop {
            match lines.next() {
                Some("```") => break,
                Some(line) => text.extend([line, "\n"]),
                None => bail!("the block of {path} isn't closed"),
            }
        }
        files.push(File { path: path.to_owned(), text });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn marked_blocks_are_files_and_others_are_not() {
        let page = "# Page\n```sh\ncargo new a\n```\n<!-- file: a/Cargo.toml -->\n```toml\n[dependencies]\n\n```\n\
            text\n<!-- file: a/src/main.rs -->\n```rust,no_run\nfn main() {}\n```\n";
        let found = files(page).unwrap();
        let main = file("a/src/main.rs", "fn main() {}\n");
        assert_eq!(found, [file("a/Cargo.toml", "[dependencies]\n\n"), main]);
    }

    #[test]
    fn a_broken_page_is_an_error() {
        for (page, what) in [
            ("<!-- file: a/b", "isn't closed"),
            ("<!-- file: a/b -->\ntext\n```\n```\n", "no block follows"),
            ("<!-- file: a/b -->\n```rust\nfn main() {}\n", "isn't closed"),
            ("<!-- file: ../b -->\n```\n```\n", "isn't a file of a project"),
            ("<!-- file: b -->\n```\n```\n", "isn't a file of a project"),
        ] {
            let error = files(page).unwrap_err().to_string();
            assert!(error.contains(what), "{page:?}: {error}");
        }
    }

    #[test]
    fn the_pages_have_the_programs_at_their_promised_lengths() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let pages = PAGES.map(|page| files(&fs::read_to_string(root.join(page)).unwrap()).unwrap());
        let lengths: Vec<_> =
            pages.iter().flatten().map(|file| (&*file.path, file.text.lines().count())).collect();
        let paths: Vec<_> = lengths.iter().map(|(path, _)| *path).collect();
        let expected = [
            "driver/Cargo.toml",
            "driver/src/main.rs",
            "tutorial/Cargo.toml",
            "tutorial/src/lib.rs",
            "tutorial/src/main.rs",
            "tutorial/tests/tokens.rs",
        ];
        assert_eq!(paths, expected);
        assert!(lengths[1].1 < 70, "the driver has {} lines", lengths[1].1);
        let tutorial = lengths[3].1 + lengths[4].1;
        assert!(tutorial < 120, "the tutorial has {tutorial} lines");
    }

    #[test]
    fn a_manifest_gets_a_package_and_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let lines = "[dependencies]\nphx-proto = { path = \"../phx/crates/phx-proto\" }\n";
        file("a/Cargo.toml", lines).write(folder.path(), Path::new("/checkout")).unwrap();
        let text = fs::read_to_string(folder.path().join("a/Cargo.toml")).unwrap();
        assert!(text.starts_with("[package]\nname = \"a\"\n"), "{text}");
        assert!(
            text.ends_with("phx-proto = { path = \"/checkout/crates/phx-proto\" }\n"),
            "{text}"
        );
    }
}
