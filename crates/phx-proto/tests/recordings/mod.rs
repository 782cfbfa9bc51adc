//! The recorded conversations with a real Phoenix server.
#![allow(clippy::expect_used, reason = "a recording that can't be read fails its test")]

use std::fs;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use phx_proto::{Frame, Serializer, V1, V1Server, V2, V2Server};
use serde_json::Value;

/// One frame of a recording.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// The recording's name, without `.jsonl`.
    pub(crate) recording: String,
    /// Line in the recording, from 1.
    pub(crate) line: usize,
    /// Whether the server sent it.
    pub(crate) from_server: bool,
    /// The protocol version of its connection is 1.0.0.
    pub(crate) v1: bool,
    pub(crate) frame: Frame,
}

impl Recorded {
    /// The serializer of the side that received the frame.
    pub(crate) fn receiver(&self) -> &'static dyn Serializer {
        side(self.v1, !self.from_server)
    }

    /// The serializer of the side that sent it.
    pub(crate) fn sender(&self) -> &'static dyn Serializer {
        side(self.v1, self.from_server)
    }
}

fn side(v1: bool, server: bool) -> &'static dyn Serializer {
    match (v1, server) {
        (true, true) => &V1Server,
        (true, false) => &V1,
        (false, true) => &V2Server,
        (false, false) => &V2,
    }
}

/// Every WebSocket frame of every recording.
pub(crate) fn recorded_frames() -> Vec<Recorded> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../phx-testing/transcripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the recordings are there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    paths.sort();
    paths.iter().flat_map(frames_of).collect()
}

fn frames_of(path: &PathBuf) -> Vec<Recorded> {
    let recording = path.file_stem().expect("a file name").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("a readable recording");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let url_of = |connection: &Value| {
        lines
            .iter()
            .find(|line| line["kind"] == "open" && line["conn"] == *connection)
            .and_then(|open| open["url"].as_str())
            .unwrap_or_default()
    };
    let mut frames = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let base64 = |key: &str| BASE64_STANDARD.decode(line[key].as_str().expect("base64")).ok();
        let frame = match line["kind"].as_str() {
            Some("text") => match line["data"].as_str() {
                Some(text) => Frame::text(text.to_owned()),
                None => Frame::text(base64("data_invalid_utf8_b64").expect("base64")),
            },
            Some("binary") => Frame::binary(base64("b64").expect("base64")),
            _ => continue,
        };
        frames.push(Recorded {
            recording: recording.clone(),
            line: number + 1,
            from_server: line["dir"] == "s2c",
            // Phoenix takes every 2.0.x for V2, and no version at all for 1.0.0.
            v1: !url_of(&line["conn"]).contains("vsn=2.0."),
            frame,
        });
    }
    frames
}
