//! The frames of one POST.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::Frame;
use crate::transport::MAX_POST;

/// Lines that the server reads of a POST. It drops further ones without a word.
const MAX_LINES: usize = 100;

/// Bytes of a short line: `["1","2","room:1","a",{}]` has some more.
const SHORT_LINE: usize = 24;

/// The content type of lines, exactly: with a parameter after it the server reads the body as one frame.
const LINES: &str = "application/x-ndjson";

/// The content type of one text frame. The server doesn't look at it, but it isn't that of lines.
const SINGLE: &str = "application/json";

/// The body of a POST.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
}

/// Frames that wait for the next POST, in order.
#[derive(Default)]
pub(super) struct Batch {
    state: State,
    /// Frames that don't go with those before them: the first ones of the next batch.
    next: VecDeque<Frame>,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    Lines {
        count: usize,
        bytes: Vec<u8>,
    },
    /// A text that is no line.
    Single(Bytes),
}

impl Batch {
    /// Bytes that still fit, and at least one frame of any size; `None` without a place for another one.
    pub(super) fn room(&self) -> Option<usize> {
        let (lines, bytes) = match &self.state {
            _ if !self.next.is_empty() => return None,
            State::Empty => (MAX_LINES, MAX_POST),
            State::Lines { count: MAX_LINES.., .. } | State::Single(_) => return None,
            State::Lines { count, bytes } => {
                let bytes = MAX_POST.checked_sub(bytes.len())?.checked_sub(1)?;
                (MAX_LINES.saturating_sub(*count), bytes)
            }
        };
        // So that a caller which counts bytes keeps to the number of lines.
        Some(bytes.min(lines.saturating_mul(SHORT_LINE)))
    }

    /// Adds a frame. Without [`room`](Self::room) it waits for the next batch.
    pub(super) fn push(&mut self, frame: Frame) {
        let is_line = is_line(&frame);
        match &mut self.state {
            _ if !self.next.is_empty() => self.next.push_back(frame),
            State::Empty => {
                self.state = match frame {
                    Frame::Text(text) if !is_line => State::Single(text),
                    frame => {
                        let mut bytes = Vec::new();
                        write_line(&mut bytes, &frame);
                        State::Lines { count: 1, bytes }
                    }
                };
            }
            State::Lines { count, bytes }
                if *count < MAX_LINES
                    && is_line
                    && bytes.len().saturating_add(line_len(&frame)) < MAX_POST =>
            {
                *count = count.saturating_add(1);
                // Between lines only: the server takes a trailing newline for a broken last line.
                bytes.push(b'\n');
                write_line(bytes, &frame);
            }
            State::Lines { .. } | State::Single(_) => self.next.push_back(frame),
        }
    }

    /// The body of the next POST, if there are frames for one.
    pub(super) fn take(&mut self) -> Option<Body> {
        let body = match core::mem::take(&mut self.state) {
            State::Empty => return None,
            State::Lines { bytes, .. } => Body { content_type: LINES, bytes: bytes.into() },
            State::Single(bytes) => Body { content_type: SINGLE, bytes },
        };
        core::mem::take(&mut self.next).into_iter().for_each(|frame| self.push(frame));
        Some(body)
    }
}

/// Returns `true` if the server reads the frame as it is from a body of lines.
fn is_line(frame: &Frame) -> bool {
    match frame {
        // The server splits at `\r\n` too.
        Frame::Text(text) => {
            text.starts_with(b"[") && !text.contains(&b'\n') && !text.contains(&b'\r')
        }
        Frame::Binary(_) => true,
    }
}

fn line_len(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(data) => data.len().div_ceil(3).saturating_mul(4),
    }
}

fn write_line(bytes: &mut Vec<u8>, frame: &Frame) {
    bytes.reserve(line_len(frame));
    match frame {
        Frame::Text(text) => bytes.extend_from_slice(text),
        Frame::Binary(data) => bytes.extend_from_slice(STANDARD.encode(data).as_bytes()),
    }
}
