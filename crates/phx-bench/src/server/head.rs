//! Heads of HTTP requests, as far as the server for measurements needs them.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Reads the head of a request, and leaves the bytes after it. `None` if the client has left.
pub(super) async fn read_head(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<Option<String>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    Ok(Some(String::from_utf8(buffer.drain(..end).collect())?))
}

/// The value of a header.
pub(super) fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}
