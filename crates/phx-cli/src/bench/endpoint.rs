//! An HTTP endpoint with the figures so far, for a scraper such as Prometheus: `GET /metrics`, and nothing else.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use httparse::{EMPTY_HEADER, Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::terminal::{self, DIM, styled};

/// Connections at a time. A further one is closed at once.
const MAX_CONNECTIONS: usize = 8;

/// Bytes of a request's head.
const MAX_HEAD: usize = 8 << 10;

/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// Time for a connection, from when it is accepted to the end of the answer.
const MAX_EXCHANGE: Duration = Duration::from_secs(5);

/// Pause after a connection that couldn't be accepted, as where no more files may be open.
const PAUSE: Duration = Duration::from_millis(100);

/// The text that is served, which is replaced as a whole.
type Text = Arc<Mutex<Arc<str>>>;

/// An endpoint that listens. Dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Endpoint {
    text: Text,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Listens on this address, and says so. Call it inside of the runtime.
    pub(super) fn listen(address: SocketAddr) -> Result<Self, String> {
        let why = |error: io::Error| format!("can't listen on {address}: {error}");
        let listener = StdListener::bind(address).map_err(why)?;
        listener.set_nonblocking(true).map_err(why)?;
        let listener = TcpListener::from_std(listener).map_err(why)?;
        let address = listener.local_addr().map_err(why)?;
        terminal::say(&styled(DIM, format!("metrics are on http://{address}/metrics")));
        if !address.ip().to_canonical().is_loopback() {
            terminal::warning(&format!("{address} can be reached from other machines"));
        }
        let text = Text::new(Mutex::new(Arc::from("")));
        let task = tokio::spawn(serve(listener, Arc::clone(&text)));
        Ok(Endpoint { text, task })
    }

    /// Replaces the text.
    pub(super) fn replace(&self, text: &str) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(text);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, text: Text) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropped with this task, which closes them.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let text = Arc::clone(&text);
        connections.spawn(async move {
            exchange(stream, &text).await;
            drop(place);
        });
    }
}

/// Answers the request of a connection, if one comes in time, and closes it.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &Mutex<Arc<str>>) {
    let whole = async {
        let Some(answer) = read(&mut stream).await? else { return Ok(()) };
        let text = Arc::clone(&text.lock().unwrap_or_else(PoisonError::into_inner));
        let length = text.len();
        let head = match answer {
            Answer::Figures | Answer::Head => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
                 Content-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
            ),
            other => format!(
                "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                other.status()
            ),
        };
        stream.write_all(head.as_bytes()).await?;
        if answer == Answer::Figures {
            stream.write_all(text.as_bytes()).await?;
        }
        stream.shutdown().await
    };
    // What a client does wrong concerns nobody else.
    let _: Result<io::Result<()>, _> = timeout(MAX_EXCHANGE, whole).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Figures,
    /// The head of the answer with the figures.
    Head,
    NotThere,
    WrongMethod,
    Malformed,
    TooLarge,
}

impl Answer {
    fn status(self) -> &'static str {
        match self {
            Answer::Figures | Answer::Head => "200 OK",
            Answer::NotThere => "404 Not Found",
            Answer::WrongMethod => "405 Method Not Allowed\r\nAllow: GET, HEAD",
            Answer::Malformed => "400 Bad Request",
            Answer::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// Reads the head of a request; `None` if the client ends before it has sent a whole one.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Answer>> {
    let mut buffer = Vec::with_capacity(1 << 10);
    loop {
        if let Some(answer) = answer(&buffer) {
            return Ok(Some(answer));
        }
        let left = MAX_HEAD.saturating_sub(buffer.len());
        if left == 0 {
            return Ok(Some(Answer::TooLarge));
        }
        let mut part = [0; 1 << 10];
        let part = part.get_mut(..left.min(1 << 10)).unwrap_or_default();
        match stream.read(part).await? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
}

/// The answer to a request; `None` while its head isn't whole.
fn answer(head: &[u8]) -> Option<Answer> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Some(Answer::TooLarge),
        Err(_) => return Some(Answer::Malformed),
    }
    let path = request.path.and_then(|path| path.split('?').next());
    Some(match (path, request.method) {
        (Some("/metrics"), Some("GET")) => Answer::Figures,
        (Some("/metrics"), Some("HEAD")) => Answer::Head,
        (Some("/metrics"), _) => Answer::WrongMethod,
        _ => Answer::NotThere,
    })
}

/// Parses `IP:PORT`, or a port of this machine alone.
pub(super) fn address(value: &str) -> Result<SocketAddr, String> {
    let text = crate::value::text(value)?;
    let port = text.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|_| text.parse()).map_err(|_| "expected a port, or IP:PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use tokio::io::{DuplexStream, duplex};
    use tokio::runtime::Builder;
    use tokio::time::Instant;

    use super::*;

    /// Returns what a client gets that sends these bytes, and nothing after them.
    async fn answer_to(request: &[u8]) -> String {
        let (mut client, server) = duplex(1 << 20);
        client.write_all(request).await.unwrap();
        exchange(server, &served("figures\n")).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn served(text: &str) -> Mutex<Arc<str>> {
        Mutex::new(Arc::from(text))
    }

    #[tokio::test(start_paused = true)]
    async fn one_path_answers() {
        let figures = answer_to(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(figures.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
        assert!(figures.contains("\r\nContent-Length: 8\r\n"), "{figures}");
        assert!(figures.ends_with("\r\n\r\nfigures\n"), "{figures}");
        assert!(answer_to(b"GET /metrics?a=b HTTP/1.0\r\n\r\n").await.ends_with("figures\n"));
        let head = answer_to(b"HEAD /metrics HTTP/1.1\r\n\r\n").await;
        assert!(head.contains("\r\nContent-Length: 8\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404"),
            ("GET /metrics/../etc HTTP/1.1\r\n\r\n", "404"),
            ("GET http://a/metrics HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "405"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
            ("\u{16}\u{3}\u{1}\u{2}", "400"),
            ("GET /metrics HTTP/1.1\r\nno header\r\n\r\n", "400"),
            ("GET /metrics HTTP/1.1\r\nA: \u{0}\r\n\r\n", "400"),
        ] {
            let answer = answer_to(request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
            assert!(!answer.contains("figures") && !answer.contains("etc"), "{answer}");
        }
    }

    #[test]
    fn heads_without_end_are_refused_at_the_limit() {
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(1 << 20));
        let wide = format!("GET /metrics HTTP/1.1\r\nA: {}", "x".repeat(1 << 20));
        let many = format!("GET /metrics HTTP/1.1\r\n{}", "A: b\r\n".repeat(MAX_HEADERS + 1));
        let many = format!("{many}\r\n");
        for request in [long, wide, many] {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            let mut answer = None;
            let used = measure(|| {
                let mut request = request.as_bytes();
                answer = runtime.block_on(read_from(&mut request));
            });
            assert_eq!(answer, Some(Answer::TooLarge));
            assert!(used.bytes_max < 3 * MAX_HEAD as u64, "{used:?}");
        }
    }

    async fn read_from(request: &mut &[u8]) -> Option<Answer> {
        read(request).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn slow_clients_are_cut() {
        let cut = async |stream: DuplexStream, text: &str| {
            let start = Instant::now();
            exchange(stream, &served(text)).await;
            start.elapsed()
        };
        // One that says nothing, one that sends a byte each second, and one that doesn't read.
        let (client, server) = duplex(64);
        assert_eq!(cut(server, "").await, MAX_EXCHANGE);
        drop(client);
        let (mut client, server) = duplex(64);
        let drip = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.write_all(b"G").await.unwrap();
            }
        };
        tokio::select! {
            () = drip => {}
            took = cut(server, "") => assert_eq!(took, MAX_EXCHANGE),
        }
        let (mut client, server) = duplex(64);
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(cut(server, &"x".repeat(1_000)).await, MAX_EXCHANGE);
        drop(client);
        // One that goes away is nothing to wait for.
        let (client, server) = duplex(64);
        drop(client);
        assert_eq!(cut(server, "").await, Duration::ZERO);
    }

    #[test]
    fn a_port_alone_is_of_this_machine() {
        assert_eq!(address("9464"), Ok("127.0.0.1:9464".parse().unwrap()));
        assert_eq!(address("0.0.0.0:1"), Ok("0.0.0.0:1".parse().unwrap()));
        assert_eq!(address("[::1]:1"), Ok("[::1]:1".parse().unwrap()));
        for text in ["", "localhost:1", "127.0.0.1", "65536", ":1", "-1"] {
            assert!(address(text).unwrap_err().starts_with("expected a port"), "{text}");
        }
    }
}
