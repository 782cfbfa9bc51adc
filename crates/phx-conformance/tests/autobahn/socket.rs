//! Cases 1 to 7 against the client's transport over real sockets, with the frames of both libraries: tungstenite's, and the codec's
//! where the server agreed to compress.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use phx_tokio::websocket::Compression;
use phx_tokio::{
    AdapterRuntime, Attempt, CloseCause, Connector as _, Endpoint, Frame, Received,
    StreamConnector, TcpDialer, Transport,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::case::{Answer, CLOSE, Case, End, FIN, close, code, take_frame};
use crate::cases;

/// Time limit of a case.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Connection = Pin<Box<dyn Transport>>;

/// Connects the transport, with this offer.
pub(crate) async fn connect(url: &str, compression: Option<Compression>) -> Connection {
    let endpoint = Endpoint::parse(url).unwrap();
    let mut attempt = Attempt::new(endpoint.request("2.0.0"), AdapterRuntime::current().unwrap());
    attempt.compression = compression;
    StreamConnector::new(TcpDialer::new()).connect(attempt).await.unwrap()
}

/// Receives messages and sends each back, up to the end.
pub(crate) async fn echo(connection: &mut Connection) -> CloseCause {
    loop {
        let frame = match poll_fn(|cx| connection.as_mut().poll_receive(cx)).await {
            Ok(Received::Frame(frame)) => frame,
            Ok(_) => panic!("a WebSocket has no gaps"),
            Err(cause) => return cause,
        };
        if let Err(cause) = send(connection, frame).await {
            return cause;
        }
    }
}

async fn send(connection: &mut Connection, frame: Frame) -> Result<(), CloseCause> {
    poll_fn(|cx| connection.as_mut().poll_ready(cx)).await?;
    connection.as_mut().start_send(frame)?;
    poll_fn(|cx| connection.as_mut().poll_flush(cx)).await
}

/// Answers the upgrade, and agrees to compress if that is offered.
async fn accept(listener: &TcpListener) -> TcpStream {
    let mut stream = listener.accept().await.unwrap().0;
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = phx_websocket::accept(key);
    let extension = match head.contains("permessage-deflate") {
        true => "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
        false => "",
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{extension}\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

/// The server's side of a case: sends what it sends, and reads the client's frames up to its close frame.
async fn serve(case: &Case, mut stream: TcpStream) -> (Vec<Answer>, Option<Option<u16>>) {
    let (mut reading, mut writing) = stream.split();
    let end = if case.end == End::Open { close(1000, b"") } else { Vec::new() };
    let write = async {
        for part in case.parts.iter().chain([&case.rest, &end]) {
            // The client may have ended the connection already.
            if writing.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        let (mut input, mut answers) = (Vec::new(), Vec::new());
        loop {
            while let Some((first, payload)) = take_frame(&mut input) {
                if first == FIN | CLOSE {
                    assert!(input.is_empty(), "{}: nothing follows a close frame", case.id);
                    return (answers, Some(code(&payload)));
                }
                answers.push((first, payload));
            }
            if reading.read_buf(&mut input).await.unwrap() == 0 {
                return (answers, None);
            }
        }
    };
    tokio::join!(write, read).1
}

async fn run(case: &Case, compression: Option<Compression>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let client = async {
        let mut connection = connect(&url, compression).await;
        let cause = echo(&mut connection).await;
        (connection, cause)
    };
    let server = async { serve(case, accept(&listener).await).await };
    let both = async { tokio::join!(client, server) };
    let ((_connection, cause), (answers, closed)) =
        tokio::time::timeout(PATIENCE, both).await.unwrap_or_else(|_| panic!("{} hangs", case.id));
    let about = format!("{} with {compression:?}: {cause:?}", case.id);
    let expected = match case.end {
        End::Open => Some(1000),
        End::Closed(code) => code,
        End::Failed(code) => Some(code),
    };
    assert_eq!(closed, Some(expected), "{about}");
    assert!(answers == case.answers, "{about}");
    let is_closed = matches!(&cause, CloseCause::Frame { .. });
    assert_eq!(is_closed, !matches!(case.end, End::Failed(_)), "{about}");
}

#[tokio::test]
async fn tungstenite_passes_cases_1_to_7() {
    for case in cases() {
        run(&case, None).await;
    }
}

#[tokio::test]
async fn the_codec_passes_cases_1_to_7_with_compression_agreed() {
    // Nothing that the client sends is compressed, so that its frames are those that a case names.
    let offer = Compression::new().threshold(usize::MAX);
    // The first reserved bit has a meaning then.
    for case in cases().into_iter().filter(|case| case.id != "3.4") {
        run(&case, Some(offer)).await;
    }
}
