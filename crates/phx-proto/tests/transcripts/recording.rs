//! Reads a recording: one JSON object a line, as the README beside the recordings describes it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_proto::{Frame, Instant, Refusal};
use serde::Deserialize;

use crate::Check;

/// One recorded conversation, in the order of its times.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) lines: Vec<Line>,
}

/// One line of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) fact: Fact,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// The server accepted the upgrade.
    Opened { conn: u32, request: Request },
    /// The server answered the upgrade with something else.
    Refused { conn: u32, request: Request, refusal: Refusal },
    /// The connection couldn't be made.
    Failed { conn: u32, request: Request, error: String },
    /// The client sent a frame. `None`: a text that isn't UTF-8, which no core can send.
    ClientFrame { conn: u32, frame: Option<Frame> },
    /// The server sent a frame.
    ServerFrame { conn: u32, frame: Frame },
    /// A close frame of the client, which `echo` says answers the server's.
    ClientClose { conn: u32, code: u16, reason: String, echo: bool },
    /// A close frame of the server, or the end without one (1006).
    ServerClose { conn: u32, code: u16, reason: String },
    /// What the client told its user, or what the script did.
    Note(String),
    /// Answered by the WebSocket library, never seen by the core.
    PingOrPong,
    /// A plain HTTP request, or its end without an answer.
    HttpRequest,
    /// The server's answer to a plain HTTP request or to a hand-made upgrade; 101 is the upgrade.
    HttpAnswer(Refusal),
}

/// What a client asked for: path and query, and the subprotocols that it offered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) protocols: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    t_ms: f64,
    conn: Option<u32>,
    dir: String,
    kind: String,
    url: Option<String>,
    #[serde(default)]
    req_headers: Vec<(String, String)>,
    status: Option<u16>,
    body_text: Option<String>,
    error: Option<String>,
    data: Option<String>,
    b64: Option<String>,
    code: Option<u16>,
    reason: Option<String>,
    #[serde(default)]
    echo: bool,
    text: Option<String>,
    res: Option<String>,
}

/// Where the recordings are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../phx-testing/transcripts"))
}

impl Recording {
    pub(crate) fn open(file: &str) -> Check<Self> {
        let path = folder().join(format!("{file}.jsonl"));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        Recording::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Check<Self> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let raw: Raw = serde_json::from_str(line)
                .map_err(|error| format!("line {}: {error}", index + 1))?;
            let at = Instant::from_epoch(Duration::from_secs_f64(raw.t_ms / 1000.0));
            let fact = raw.into_fact().map_err(|why| format!("line {}: {why}", index + 1))?;
            lines.push(Line { at, fact });
        }
        // Stable: lines of one moment stay in the order in which they were written.
        lines.sort_by_key(|line| line.at);
        Ok(Recording { lines })
    }

    /// Whether anything in it concerns a WebSocket.
    pub(crate) fn has_connections(&self) -> bool {
        self.lines.iter().any(|line| {
            !matches!(line.fact, Fact::Note(_) | Fact::HttpRequest | Fact::HttpAnswer(_))
        })
    }

    /// The frames that the client sent on these connections, each with its ordinal number in the
    /// whole recording, from 1.
    pub(crate) fn client_frames(&self) -> impl Iterator<Item = (usize, u32, Option<&Frame>)> {
        let frames = self.lines.iter().filter_map(|line| match &line.fact {
            Fact::ClientFrame { conn, frame } => Some((*conn, frame.as_ref())),
            _ => None,
        });
        frames.enumerate().map(|(index, (conn, frame))| (index + 1, conn, frame))
    }
}

impl Raw {
    fn into_fact(self) -> Check<Fact> {
        let Raw { conn, code, echo, .. } = self;
        let conn = || conn.ok_or_else(|| "no `conn`".to_owned());
        let code = || code.ok_or_else(|| "no `code`".to_owned());
        let mut headers = self.req_headers.into_iter();
        let protocols = headers.find(|(name, _)| name == "Sec-WebSocket-Protocol");
        let request = Request {
            url: self.url.unwrap_or_default(),
            protocols: protocols.map(|(_, value)| value),
        };
        let reason = self.reason.unwrap_or_default();
        Ok(match (self.dir.as_str(), self.kind.as_str()) {
            ("meta", "open") => Fact::Opened { conn: conn()?, request },
            ("meta", "reject") => {
                let refusal = refusal(self.status, self.body_text)?;
                Fact::Refused { conn: conn()?, request, refusal }
            }
            ("meta", "upstream-error") => {
                Fact::Failed { conn: conn()?, request, error: self.error.unwrap_or_default() }
            }
            ("meta", "note") => Fact::Note(self.text.ok_or("no `text`")?),
            ("meta", "raw-handshake") => {
                Fact::HttpAnswer(parse_answer(&self.res.ok_or("no `res`")?)?)
            }
            ("c2s", "text" | "binary") => {
                Fact::ClientFrame { conn: conn()?, frame: frame(self.data, self.b64)? }
            }
            ("s2c", "text" | "binary") => {
                let frame = frame(self.data, self.b64)?.ok_or("a frame without data")?;
                Fact::ServerFrame { conn: conn()?, frame }
            }
            ("c2s", "close") => Fact::ClientClose { conn: conn()?, code: code()?, reason, echo },
            ("s2c", "close") => Fact::ServerClose { conn: conn()?, code: code()?, reason },
            (_, "ping" | "pong") => Fact::PingOrPong,
            ("c2s", "http-req" | "http-abort") | ("meta", "http-error") => Fact::HttpRequest,
            ("s2c", "http-res") => Fact::HttpAnswer(refusal(self.status, self.body_text)?),
            (dir, kind) => return Err(format!("{dir} {kind}: not known")),
        })
    }
}

fn frame(data: Option<String>, b64: Option<String>) -> Check<Option<Frame>> {
    if let Some(data) = data {
        return Ok(Some(Frame::text(data)));
    }
    let Some(b64) = b64 else { return Ok(None) };
    let bytes = STANDARD.decode(b64).map_err(|error| error.to_string())?;
    Ok(Some(Frame::binary(bytes)))
}

fn refusal(status: Option<u16>, body: Option<String>) -> Check<Refusal> {
    Ok(Refusal::new(status.ok_or("no `status`")?).with_body(body.unwrap_or_default()))
}

/// The status and body of an HTTP answer, from its bytes.
fn parse_answer(text: &str) -> Check<Refusal> {
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    refusal(status, body)
}
