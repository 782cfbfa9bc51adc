//! Programs of `js/` and `python/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Time limit for a program that sends 1,000 messages. More have more time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A WebSocket library that compresses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judge {
    /// npm's `ws`.
    Ws,
    /// Python's `websockets`.
    Websockets,
}

/// A server's program. Dropping it ends it.
pub(crate) struct Server {
    pub(crate) port: u16,
    _child: Child,
}

impl Judge {
    /// Returns the command that runs a program, `deflate_NAME`.
    fn command(self, name: &str) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        match self {
            Judge::Ws => {
                let scripts = existing(root.join("js/node_modules/ws")).join("../..");
                let mut command = Command::new("node");
                command.arg(scripts.join(format!("deflate_{name}.mjs")));
                command
            }
            Judge::Websockets => {
                let python = root.join("../phx-supabase/tests/judges/venv/bin/python");
                let mut command = Command::new(existing(python));
                command.arg(root.join(format!("python/deflate_{name}.py")));
                command
            }
        }
    }

    /// Starts a server that sends messages back, or has them sent back.
    pub(crate) async fn serve(self, name: &str, args: &[&str]) -> Server {
        let mut command = self.command(name);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
        let line: Value = serde_json::from_str(&line.unwrap().expect("a line")).unwrap();
        let port = line["port"].as_u64().and_then(|port| port.try_into().ok());
        Server { port: port.expect("a port"), _child: child }
    }

    /// Runs a program, and returns the last line that it prints.
    pub(crate) async fn run(self, name: &str, args: &[&str]) -> Value {
        let mut command = self.command(name);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let patience = PATIENCE * u32::try_from(1 + messages() / 1_000).unwrap();
        let output = tokio::time::timeout(patience, command.output()).await;
        let output = output.expect("it ends").unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} {args:?}: {text}{errors}");
        serde_json::from_str(text.lines().last().expect("a line")).unwrap()
    }
}

/// Returns the number of random messages for each offer.
pub(crate) fn messages() -> usize {
    let set = std::env::var("PHX_DEFLATE_MESSAGES").ok();
    set.map_or(200, |number| number.parse().expect("a number of messages"))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "this test needs {}: run `cargo xtask tools`", path.display());
    path
}
