//! Reads the recorded conversations with a real Phoenix server: one JSON object a line, in the format of the README
//! beside them.

pub mod long_poll;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_proto::{Frame, Instant, UpgradeRejection};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A recorded conversation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recording {
    /// Name of its file, without the extension.
    pub name: String,
    /// Lines in the order of their times; those of the same moment as in the file.
    pub lines: Vec<Line>,
}

/// A line of a recording.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// Line number in the file, from 1.
    #[serde(skip)]
    pub number: usize,
    /// Time of the line; the file has milliseconds.
    #[serde(rename = "t_ms", deserialize_with = "instant")]
    pub at: Instant,
    /// Number of the connection, from 1; 0 without one.
    #[serde(default)]
    pub conn: u32,
    /// The side that sent it.
    #[serde(rename = "dir")]
    pub from: Side,
    /// Contents of the line.
    #[serde(flatten)]
    pub fact: Fact,
}

/// A side of a conversation.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum Side {
    /// The client.
    #[serde(rename = "c2s")]
    Client,
    /// The server.
    #[serde(rename = "s2c")]
    Server,
    /// The proxy between client and server, or the script.
    #[serde(rename = "meta")]
    Observer,
}

/// Contents of a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(clippy::exhaustive_enums, reason = "these are the kinds of lines that there are")]
pub enum Fact {
    /// The server accepted the upgrade.
    Open(Upgrade),
    /// The server answered the upgrade with something else.
    Reject(Upgrade),
    /// The connection couldn't be made.
    UpstreamError {
        /// The client's request.
        #[serde(flatten)]
        request: Request,
        /// Text of the error.
        error: String,
    },
    /// A text frame, UTF-8 or not.
    Text(Data),
    /// A binary frame.
    Binary(Data),
    /// A close frame. An end of the server without one has the code 1006.
    Close {
        /// Code of the close frame.
        code: u16,
        /// Reason of the close frame.
        reason: String,
        /// True if the frame answers the other side's close frame.
        #[serde(default)]
        echo: bool,
    },
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A report of the client to its user, or an action of the script.
    Note {
        /// Text of the report or action.
        text: String,
    },
    /// An upgrade request that was written by hand, and the answer.
    RawHandshake {
        /// Text of the remark.
        label: String,
        /// The bytes of the request.
        req: String,
        /// The bytes of the answer.
        res: String,
    },
    /// A plain HTTP request.
    HttpReq {
        /// Number of the request; 0 without one.
        #[serde(default)]
        req: u32,
        /// Method of the request.
        method: String,
        /// Path and query.
        url: String,
        /// The headers that matter.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Text of the body.
        #[serde(default, rename = "body_text")]
        body: String,
    },
    /// The answer to a plain HTTP request.
    HttpRes {
        /// Number of the request; 0 without one.
        #[serde(default)]
        req: u32,
        /// Status and body of the answer.
        #[serde(flatten)]
        answer: Answer,
    },
    /// The client aborted a request.
    HttpAbort {
        /// Number of the request; 0 without one.
        #[serde(default)]
        req: u32,
    },
    /// A request had no answer.
    HttpError {
        /// Number of the request; 0 without one.
        #[serde(default)]
        req: u32,
    },
}

/// A request for an upgrade, and its answer.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Upgrade {
    /// The request for the upgrade.
    #[serde(flatten)]
    pub request: Request,
    /// The server's answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// A request of a client.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// Path and query.
    pub url: String,
    /// The headers that matter.
    #[serde(default, rename = "req_headers")]
    pub headers: Vec<(String, String)>,
}

/// An HTTP answer.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The headers that matter.
    #[serde(default, rename = "res_headers", alias = "headers")]
    pub headers: Vec<(String, String)>,
    /// Text of the body.
    #[serde(default, rename = "body_text")]
    pub body: String,
}

/// Content of a frame: UTF-8 text, or bytes.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Data {
    data: Option<String>,
    #[serde(default, alias = "data_invalid_utf8_b64", deserialize_with = "base64")]
    b64: Vec<u8>,
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
    let milliseconds = f64::deserialize(deserializer)?;
    Ok(Instant::from_epoch(Duration::from_secs_f64(milliseconds / 1000.0)))
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Folder of the recordings with Phoenix.
const PHOENIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../phx-testing/transcripts");

impl Recording {
    /// Returns the names of all recordings with Phoenix in alphabetical order.
    ///
    /// # Errors
    ///
    /// If their folder can't be read.
    pub fn names() -> Result<Vec<String>, String> {
        Recording::names_in(Path::new(PHOENIX))
    }

    /// Returns the names of the recordings in a folder in alphabetical order.
    ///
    /// # Errors
    ///
    /// If the folder can't be read.
    pub fn names_in(folder: &Path) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Returns the text of the file of a recording with Phoenix.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn text(name: &str) -> Result<String, String> {
        text_in(Path::new(PHOENIX), name)
    }

    /// Reads a recording with Phoenix.
    ///
    /// # Errors
    ///
    /// If there is none of this name, or a line isn't in the format.
    pub fn open(name: &str) -> Result<Self, String> {
        Recording::open_in(Path::new(PHOENIX), name)
    }

    /// Reads a recording of a folder.
    ///
    /// # Errors
    ///
    /// If there is none of this name, or a line isn't in the format.
    pub fn open_in(folder: &Path, name: &str) -> Result<Self, String> {
        Recording::parse(name, &text_in(folder, name)?)
    }

    /// Reads the text of a recording.
    ///
    /// # Errors
    ///
    /// If a line isn't in the format.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line: Line = serde_json::from_str(line)
                .map_err(|error| format!("{name}, line {number}: {error}"))?;
            lines.push(Line { number, ..line });
        }
        lines.sort_by_key(|line| line.at);
        Ok(Recording { name: name.to_owned(), lines })
    }

    /// Returns the URL of a connection's upgrade; empty without one.
    #[must_use]
    pub fn url_of(&self, conn: u32) -> &str {
        let url = self.lines.iter().find_map(|line| match &line.fact {
            Fact::Open(upgrade) if line.conn == conn => Some(upgrade.request.url.as_str()),
            _ => None,
        });
        url.unwrap_or_default()
    }
}

fn text_in(folder: &Path, name: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl")));
    text.map_err(|error| format!("{name}: {error}"))
}

impl Line {
    /// Returns the frame; `None` for other lines.
    #[must_use]
    pub fn frame(&self) -> Option<Frame> {
        match &self.fact {
            Fact::Text(Data { data: Some(text), .. }) => Some(Frame::text(text.clone())),
            Fact::Text(Data { b64, .. }) => Some(Frame::text(b64.clone())),
            Fact::Binary(Data { b64, .. }) => Some(Frame::binary(b64.clone())),
            _ => None,
        }
    }
}

impl Request {
    /// Returns the offered subprotocols.
    #[must_use]
    pub fn protocols(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let protocols = headers.find(|(name, _)| name == "Sec-WebSocket-Protocol");
        protocols.map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// Returns the answer as the core gets it.
    #[must_use]
    pub fn refusal(&self) -> UpgradeRejection {
        UpgradeRejection::new(self.status).with_body(self.body.clone())
    }
}
