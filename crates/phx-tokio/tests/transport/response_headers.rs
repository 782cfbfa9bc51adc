//! The headers of the answer 101 reach the caller, and nothing shows their values.

use std::time::Duration;

use phx_tokio::{Backoff, ResponseHeaders};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::common::{answering, listen, receive_head, switching, within};

/// Accepts a client, and answers with these further headers.
async fn accept(listener: &TcpListener, headers: &str) -> TcpStream {
    let mut stream = listener.accept().await.unwrap().0;
    let answer = format!("{}{headers}\r\n", switching(&receive_head(&mut stream).await));
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

fn node(headers: &ResponseHeaders) -> Option<String> {
    headers.get("X-NODE").map(|value| String::from_utf8_lossy(value).into_owned())
}

#[tokio::test]
async fn a_transport_has_those_of_its_answer() {
    let answer = |head: &str| {
        format!("{}X-Request-Id: F1\r\nSet-Cookie: hush\r\n\r\n", switching(head)).into_bytes()
    };
    let transport = answering(listen().await, answer).await.unwrap();
    let headers = transport.response_headers();
    assert_eq!(headers.get("x-request-id"), Some(&b"F1"[..]));
    assert_eq!(headers.get("SET-COOKIE"), Some(&b"hush"[..]));
    assert_eq!(headers.get("upgrade"), Some(&b"WebSocket"[..]));
    assert_eq!(headers.get("x-absent"), None);
    let shown = format!("{transport:?} {headers:?}");
    assert!(shown.contains("Set-Cookie") && !shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn a_socket_has_those_of_its_latest_connection() {
    let (listener, endpoint) = listen().await;
    let socket = phx_tokio::socket(endpoint).reconnect(Backoff::steps([Duration::ZERO])).spawn();
    let socket = socket.unwrap();
    assert!(socket.response_headers().is_empty(), "nothing has opened");

    // The hooks keep no socket: its last handle would never be gone.
    let (to_test, mut seen) = mpsc::unbounded_channel();
    let (opened, closed) = (to_test.clone(), to_test);
    let _on_open = socket.on_open(move || opened.send("open").unwrap());
    let _on_close = socket.on_close(move |_| closed.send("close").unwrap());

    let first = within(accept(&listener, "X-Node: a\r\nSet-Cookie: hush\r\n")).await;
    assert_eq!(within(seen.recv()).await, Some("open"));
    assert_eq!(node(&socket.response_headers()).as_deref(), Some("a"));
    assert!(!format!("{socket:?} {socket:#?}").contains("hush"));

    drop(first);
    assert_eq!(within(seen.recv()).await, Some("close"));
    assert_eq!(node(&socket.response_headers()).as_deref(), Some("a"), "until the next one opens");

    let _second = within(accept(&listener, "x-node: b\r\n")).await;
    assert_eq!(within(seen.recv()).await, Some("open"));
    let headers = socket.response_headers();
    assert_eq!(node(&headers).as_deref(), Some("b"));
    assert_eq!(headers.get("set-cookie"), None, "those of the first are gone");
}
