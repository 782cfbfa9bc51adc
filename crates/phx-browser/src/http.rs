//! A small HTTP server for browsers on this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Largest head and largest body of a request, in bytes.
const MAX_REQUEST: u64 = 1 << 20;

/// Media types.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A request.
pub(crate) struct Request {
    /// Path without the query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// An answer; the status follows from it.
pub(crate) enum Answer {
    /// A file of this media type.
    File(&'static str, Vec<u8>),
    /// Nothing is there.
    NotFound,
}

/// Function that answers requests.
pub(crate) type Handler = dyn Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync;

/// Serves on a free port of 127.0.0.1, until the runtime ends.
pub(crate) async fn serve(handler: Arc<Handler>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = Arc::clone(&handler);
            // A browser that goes away is no concern of the others.
            tokio::spawn(async move { answer(stream, &*handler).await });
        }
    });
    Ok(address)
}

/// Answers one request, and closes the connection.
async fn answer(stream: TcpStream, handler: &Handler) -> Option<()> {
    let mut reader = BufReader::new(stream).take(MAX_REQUEST);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.split('?').next()?.to_owned();
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.next().map_or(Some(0), |(_, value)| value.trim().parse().ok())?;
    reader.set_limit(MAX_REQUEST);
    if length > MAX_REQUEST {
        return None;
    }
    let mut body = vec![0; usize::try_from(length).ok()?];
    reader.read_exact(&mut body).await.ok()?;

    let (status, kind, body) = match handler(Request { path, body }).await {
        Answer::File(kind, body) => ("200 OK", kind, body),
        Answer::NotFound => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         cache-control: no-cache\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = reader.into_inner().into_inner();
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}
