//! `phx` processes, and the server for them.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Time limit of every wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `phx`. Dropping it kills it.
pub(crate) struct Phx {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

/// Result of a `phx` that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Environment variables that it reads.
pub(crate) const VARIABLES: [&str; 12] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PHX_AUTH_TOKEN",
    "PHX_HEADER",
    "PHX_PARAMS",
    "PHX_PROXY",
    "PHX_SERVE_TOKEN",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Returns the program's command, without the variables that it reads.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phx"));
    command.args(args).kill_on_drop(true);
    let colours = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"];
    for name in colours.into_iter().chain(VARIABLES) {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub(crate) async fn phx(args: &[&str]) -> Ended {
    Phx::start(args).ends().await
}

/// Runs it to its end with this standard input.
pub(crate) async fn phx_with_input(args: &[&str], input: &[u8]) -> Ended {
    let mut phx = Phx::start(args);
    let mut stdin = phx.stdin.take().unwrap();
    // Fails if the program doesn't read its input.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    phx.ends().await
}

impl Phx {
    pub(crate) fn start(args: &[&str]) -> Self {
        Phx::spawn(&mut command(args))
    }

    /// Starts it, and reads the records of the connection and the join.
    pub(crate) async fn joined(args: &[&str]) -> Self {
        let mut phx = Phx::start(args);
        phx.record("connected").await;
        phx.record("joined").await;
        phx
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Phx { stdin: child.stdin.take(), lines: Some(lines), child }
    }

    /// Returns the next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        let lines = self.lines.as_mut().expect("the output wasn't closed");
        let line = timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap();
        match line {
            Some(line) => line,
            None => {
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
                panic!("it has ended: {err}");
            }
        }
    }

    /// Returns the next line of its output, which must be a record of this kind.
    pub(crate) async fn record(&mut self, kind: &str) -> Value {
        let line = self.line().await;
        let record: Value = serde_json::from_str(&line).expect(&line);
        assert_eq!(record["kind"], kind, "{record}");
        record
    }

    /// Reads up to the next record of this kind.
    pub(crate) async fn ended_up(&mut self, kind: &str) -> Value {
        loop {
            let record: Value = serde_json::from_str(&self.line().await).unwrap();
            if record["kind"] == kind {
                return record;
            }
        }
    }

    /// Waits for this text on standard error, and returns what was read up to it.
    pub(crate) async fn shows_on_stderr(&mut self, text: &str) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut shown = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&shown).contains(text) {
                assert_ne!(stderr.read_buf(&mut shown).await.unwrap(), 0, "it has ended");
            }
        };
        timeout(PATIENCE, reading).await.expect("it is shown in time");
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Types a line.
    pub(crate) async fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Closes its input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal, such as `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(kill.unwrap().success());
    }

    /// Closes the test's end of its output.
    pub(crate) fn close_output(&mut self) {
        self.lines = None;
    }

    /// Waits for its end. The result has the output that wasn't read yet.
    pub(crate) async fn ends(mut self) -> Ended {
        let mut out = String::new();
        let mut err = String::new();
        // The input stays open, so that its end doesn't end the program.
        let _stdin = self.stdin.take();
        let mut stderr = self.child.stderr.take().unwrap();
        let reading = async {
            let reading_out = async {
                if let Some(lines) = self.lines.take() {
                    lines.into_inner().read_to_string(&mut out).await.unwrap();
                }
            };
            let (_, read) = tokio::join!(reading_out, stderr.read_to_string(&mut err));
            read.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, reading).await.expect("it ends in time");
        Ended { code: status.code(), out, err }
    }

    /// Ends it by Ctrl-C.
    pub(crate) async fn interrupted(self) -> Ended {
        self.signal("INT").await;
        self.ends().await
    }
}

impl Ended {
    /// Returns the records that it printed.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Checks for exit code 0 and an empty standard error, and returns the output.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!((self.code, &*self.err), (Some(0), ""), "{self:?}");
        self.out
    }

    /// As [`well`](Self::well) for `phx bench`, which says what the machine allows, and warns where the machine is busy, as
    /// it may be with other tests.
    #[track_caller]
    pub(crate) fn measured(self) -> String {
        let is_usual = |line: &str| line.starts_with("this machine allows ") || is_doubt(line);
        let said: Vec<&str> = self.err.lines().filter(|line| !is_usual(line)).collect();
        assert_eq!((self.code, &*said), (Some(0), &[][..]), "{self:?}");
        self.out
    }

    /// Checks for this exit code, and for this text on standard error.
    #[track_caller]
    pub(crate) fn badly(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(text), "{self:?}");
    }
}

/// Returns true for the line that `phx bench` adds to its figures, and to standard error, where the machine is busy.
pub(crate) fn is_doubt(line: &str) -> bool {
    let text = line.strip_prefix("warning: ").or_else(|| line.strip_prefix("doubtful: "));
    text.is_some_and(|text| text.starts_with("the generator was too busy to be believed: "))
}

/// A `phx serve` on a free port.
pub(crate) struct Server {
    phx: Phx,
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Server::with(&[]).await
    }

    pub(crate) async fn with(args: &[&str]) -> Self {
        let mut phx = Phx::start(&[&["serve", "--port", "0"], args].concat());
        let url = phx.line().await;
        assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
        Server { phx, url }
    }

    /// Types a command, and returns the first line of the answer.
    pub(crate) async fn say(&mut self, command: &str) -> String {
        self.phx.say(command).await;
        self.phx.line().await
    }

    pub(crate) async fn line(&mut self) -> String {
        self.phx.line().await
    }

    /// Waits until it has this number of connections.
    pub(crate) async fn has_connections(&mut self, count: usize) {
        let wanted = format!("{count} connections");
        let connected = async { while self.say("connections").await != wanted {} };
        timeout(PATIENCE, connected).await.expect("so many connections in time");
    }

    /// Stops the server and checks that all clients have left, which it may notice a moment after they have ended.
    pub(crate) async fn stops_empty(self) {
        self.stops_with_log("").await;
    }

    /// As [`stops_empty`](Self::stops_empty), with these lines about channels that crashed.
    pub(crate) async fn stops_with_log(mut self, log: &str) {
        self.has_connections(0).await;
        let ended = self.phx.interrupted().await;
        assert_eq!((ended.code, &*ended.err), (Some(0), log), "{ended:?}");
    }
}
