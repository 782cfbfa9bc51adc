//! Runs every block of the README that begins with `$`, and compares its output.
//!
//! Each block is a terminal. `phx serve` runs to the end of the page; `phx join` and `phx presence` in a separate block
//! run to the end of their section, and are ended by Ctrl-C then. `[..]` matches any text.

use tokio::process::Command;

use crate::support::{Phx, VARIABLES, is_doubt};

const README: &str = include_str!("../../README.md");
const ADDRESS: &str = "127.0.0.1:4000";

/// A command and its expected output.
#[derive(Debug)]
struct Example {
    command: String,
    expected: Vec<String>,
}

#[tokio::test]
async fn the_page_is_true() {
    let mut server = None;
    let mut address = ADDRESS.to_owned();
    let mut examples = 0;
    for section in README.split("\n## ") {
        let mut running = Vec::new();
        let mut code = None;
        for block in section.split("```console\n").skip(1) {
            let block = block.split_once("\n```").expect("the block ends").0;
            for example in parse(block) {
                examples += 1;
                let command = example.command.replace(ADDRESS, &address);
                if command == "phx serve" {
                    let mut started = Running::start("phx serve --port 0", example);
                    address = started.first_line().await.split('/').nth(2).unwrap().to_owned();
                    server = Some(started);
                } else if command == "echo $?" {
                    assert_eq!(example.expected, [format!("{}", code.expect("an exit code"))]);
                } else if is_endless(&command) {
                    let mut started = Running::start(&command, example);
                    started.lines_at_once().await;
                    running.push(started);
                } else {
                    code = Some(run(&command, &example, &address).await);
                }
            }
        }
        for started in running {
            started.ends(&address).await;
        }
    }
    server.expect("a server").ends(&address).await;
    assert!(examples >= 12, "{examples} examples");
}

/// Returns true if the command runs until it is ended.
fn is_endless(command: &str) -> bool {
    (command.starts_with("phx join ") && !command.contains("--count"))
        || command.starts_with("phx presence ")
}

fn parse(block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            examples.push(Example { command: command.to_owned(), expected: Vec::new() });
        } else {
            let example = examples.last_mut().expect("a block begins with a command");
            match line.strip_prefix("> ") {
                Some(more) => example.command.push_str(&format!("\n{more}")),
                None => example.expected.push(line.to_owned()),
            }
        }
    }
    examples
}

/// Returns a shell with `phx` in its path.
fn shell(command: &str) -> Command {
    let phx = std::path::Path::new(env!("CARGO_BIN_EXE_phx"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(phx.parent().unwrap().to_owned());
    let path = std::env::join_paths(paths.chain(std::env::split_paths(&path))).unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).env("PATH", path).kill_on_drop(true);
    for name in VARIABLES {
        shell.env_remove(name);
    }
    shell
}

/// Runs it to its end, and returns the exit code.
async fn run(command: &str, example: &Example, address: &str) -> i32 {
    // Both outputs are one in a terminal.
    let ended = Phx::spawn(&mut shell(&format!("{{ {command}\n}} 2>&1 </dev/null"))).ends().await;
    check(example, ended.out.lines().map(String::from).collect(), address);
    ended.code.unwrap()
}

/// Compares line by line.
#[track_caller]
fn check(example: &Example, shown: Vec<String>, address: &str) {
    let measures = example.command.starts_with("phx bench ");
    let shown = shown.into_iter().filter(|line| !(measures && is_doubt(line)));
    let shown: Vec<String> = shown.map(|line| line.replace(address, ADDRESS)).collect();
    let same = example.expected.len() == shown.len()
        && example.expected.iter().zip(&shown).all(|(expected, shown)| matches(expected, shown));
    assert!(
        same,
        "$ {}\nsays\n{}\nand not\n{}",
        example.command,
        shown.join("\n"),
        example.expected.join("\n")
    );
}

/// Returns true if a line is as expected. `[..]` at the beginning or end may match no text.
fn matches(expected: &str, shown: &str) -> bool {
    let mut parts = expected.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = shown.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A command that runs in a separate terminal.
struct Running {
    phx: Phx,
    shown: Vec<String>,
    example: Example,
}

impl Running {
    fn start(command: &str, example: Example) -> Self {
        let phx = Phx::spawn(&mut shell(&format!("exec {command}")));
        Running { phx, shown: Vec::new(), example }
    }

    async fn first_line(&mut self) -> String {
        self.line().await;
        self.shown[0].clone()
    }

    /// Waits for the first lines: the connection and the join.
    async fn lines_at_once(&mut self) {
        while !self.shown.iter().any(|line| line.contains("joined")) {
            self.line().await;
        }
    }

    async fn line(&mut self) {
        self.shown.push(self.phx.line().await);
    }

    /// Waits for the rest of the expected output, ends the command, and compares.
    async fn ends(mut self, address: &str) {
        while self.shown.len() < self.example.expected.len() {
            self.line().await;
        }
        let rest = self.phx.interrupted().await.well();
        self.shown.extend(rest.lines().map(String::from));
        check(&self.example, self.shown, address);
    }
}

#[test]
fn anything_is_anything() {
    assert!(matches("a[..]c", "abc") && matches("[..]", "") && matches("a[..]", "a"));
    assert!(!matches("a[..]c", "ab") && !matches("a", "ab") && !matches("[..]b", "ba"));
}
