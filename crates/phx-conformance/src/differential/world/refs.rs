//! The refs of a noted frame.

use serde_json::Value;

/// Returns the join ref and the ref of a line of `frames`: a connection's number, and a frame's text.
pub(super) fn refs(line: &str) -> [Option<String>; 2] {
    let text = line.split_once(' ').map_or("", |(_, text)| text);
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    [0, 1].map(|index| frame[index].as_str().map(str::to_owned))
}
