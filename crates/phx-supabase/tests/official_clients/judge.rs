//! A program of `tests/judges/`, and the server that it speaks with.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_client::Payload;
use phx_supabase::Broadcast;
use phx_supabase::testing::{self, Change, RealtimeServer, Token};
use phx_testing::listener::Listener;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

pub(crate) const KEY: &str = "anon-key";

/// The topic of the stories.
const TOPIC: &str = "realtime:story";

/// Time in which a story must come to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A language that judges are written in.
#[derive(Clone, Copy)]
pub(crate) enum Language {
    JavaScript,
    Python,
}

/// A server that remembers the tokens it checked.
pub(crate) struct Project {
    pub(crate) listener: Listener,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Project {
    pub(crate) async fn start() -> Self {
        let tokens: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&tokens);
        let server = RealtimeServer::new(KEY).presence_calls(20, Duration::from_secs(30)).tokens(
            move |token, _| {
                seen.lock().unwrap().push(token.to_owned());
                Token::VALID
            },
        );
        let listener = Listener::bind(server.builder().build()).await.unwrap();
        Project { listener, tokens }
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap().clone()
    }

    /// Does what a judge asks for.
    fn act(&self, what: &str) {
        let meta = Payload::json(&json!({ "id": "m1" })).unwrap();
        let cursor = |payload| Broadcast::new("cursor", payload).with_meta(meta);
        let broadcast = |broadcast: &Broadcast| {
            self.listener.with(|server, now| testing::broadcast(server, now, TOPIC, broadcast));
        };
        let json = || Payload::json(&json!({ "x": 2 })).unwrap();
        match what {
            "broadcast json" => broadcast(&cursor(json())),
            "broadcast bytes" => broadcast(&cursor(Payload::binary(vec![1, 2, 255]))),
            "broadcast text" => {
                let payload = cursor(json()).to_text().unwrap();
                self.listener.broadcast(TOPIC, "broadcast", payload);
            }
            "cut" => self.listener.all().cut(),
            _ => {
                let id = what.strip_prefix("insert ").and_then(|id| id.parse::<u64>().ok());
                let id = id.unwrap_or_else(|| panic!("{what}"));
                let change = Change::insert("msgs", json!({ "id": id, "body": "hello" }));
                let reported =
                    self.listener.with(|server, now| testing::change(server, now, TOPIC, &change));
                assert_eq!(reported, 1);
            }
        }
    }

    /// Runs a judge to its end, and returns what it saw.
    pub(crate) async fn judge(&self, language: Language, story: &str) -> Vec<Value> {
        let mut child = spawn(language, story, &format!("http://{}", self.listener.address()));
        let mut answers = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut saw = Vec::new();
        let story = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                match line["do"].as_str() {
                    Some(what) => {
                        self.act(what);
                        answers.write_all(b"done\n").await.unwrap();
                    }
                    None => saw.push(json!([line["saw"], line["value"]])),
                }
            }
            child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(PATIENCE, story).await;
        assert!(matches!(&status, Ok(status) if status.success()), "{status:?} after {saw:#?}");
        saw
    }
}

/// Starts a program of `tests/judges/` with the server's URL and the key.
pub(crate) fn spawn(language: Language, story: &str, url: &str) -> Child {
    let judges = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/judges");
    let (program, ending, packages) = match language {
        Language::JavaScript => (PathBuf::from("node"), "mjs", judges.join("node_modules")),
        Language::Python => (judges.join("venv/bin/python"), "py", judges.join("venv")),
    };
    assert!(
        packages.is_dir(),
        "the packages of crates/phx-supabase/tests/judges are needed: `cargo xtask supabase` brings them"
    );
    let program = Command::new(program)
        .arg(judges.join(story).with_extension(ending))
        .args([url, KEY])
        // Compiled modules beside the sources would be files of nobody.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    program.unwrap()
}
