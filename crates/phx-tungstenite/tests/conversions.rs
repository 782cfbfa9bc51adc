//! Requests, answers, messages and failures, each way; the last tests over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use phx_proto::{CloseCause, CloseCode, Config, Endpoint, Frame};
use phx_tungstenite::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use phx_tungstenite::tungstenite::handshake::client::Response;
use phx_tungstenite::tungstenite::protocol::CloseFrame;
use phx_tungstenite::tungstenite::{Error, Message, WebSocket, accept};
use phx_tungstenite::{
    Received, close, close_cause, close_code, close_frame_cause, close_message, connect, message,
    read, received, rejection, request, send,
};

#[test]
fn a_request_has_its_headers_and_offers_its_subprotocols() {
    let endpoint = Endpoint::parse("wss://example.com/socket").unwrap().with_param("a", "b");
    let endpoint = endpoint.with_header("x-app", "tracker").unwrap();
    let plain = request(&endpoint.request("2.0.0")).unwrap();
    assert_eq!(plain.uri(), "wss://example.com/socket/websocket?a=b&vsn=2.0.0");
    assert_eq!(plain.headers()["x-app"], "tracker");
    assert_eq!(plain.headers()["host"], "example.com");
    assert!(!plain.headers().contains_key("sec-websocket-protocol"));

    let with_token = endpoint.with_auth_token("s3cret").request("2.0.0");
    let offered = request(&with_token).unwrap();
    let values: Vec<_> = offered.headers().get_all("sec-websocket-protocol").iter().collect();
    assert_eq!(values, [with_token.protocols().join(", ").as_str()]);
}

#[test]
fn a_request_that_http_cannot_carry_quotes_nothing() {
    let endpoint = Endpoint::parse("ws://localhost/socket").unwrap();
    let long = endpoint.with_param("token", &"s3cret".repeat(20_000));
    let cause = request(&long.request("2.0.0")).unwrap_err();
    assert!(matches!(cause, CloseCause::InvalidRequest { .. }), "{cause}");
    assert!(!format!("{cause} {cause:?}").contains("s3cret"));
}

#[test]
fn an_answer_that_rejects_the_upgrade_keeps_what_the_core_uses() {
    let mut response = Response::new(Some(b"x".repeat(20_000)));
    *response.status_mut() = "503".parse().unwrap();
    response.headers_mut().insert("retry-after", "7".parse().unwrap());
    let refusal = rejection(&response);
    assert_eq!((refusal.status, refusal.retry_after), (503, Some(Duration::from_secs(7))));
    assert_eq!(refusal.body.len(), 16 << 10);

    let bare = rejection(&Response::new(None));
    assert_eq!((bare.retry_after, bare.body.len()), (None, 0));
    assert!(bare.headers.is_empty());
}

#[test]
fn an_answer_that_rejects_the_upgrade_keeps_its_headers_up_to_a_limit() {
    let mut response = Response::new(None);
    let headers = response.headers_mut();
    headers.append("Set-Cookie", "hush".parse().unwrap());
    headers.append("x-request-id", "F1".parse().unwrap());
    let refusal = rejection(&response);
    assert_eq!(refusal.headers.get("set-cookie"), Some(&b"hush"[..]));
    assert_eq!(refusal.headers.get("X-Request-Id"), Some(&b"F1"[..]));
    let shown = format!("{refusal} {refusal:?}");
    assert!(shown.contains("set-cookie") && !shown.contains("hush"), "{shown}");

    // `a:` and a line end take three bytes.
    for (len, kept) in [((32 << 10) - 3, 32 << 10), ((32 << 10) - 2, 0)] {
        let mut response = Response::new(None);
        response.headers_mut().insert("a", "x".repeat(len).parse().unwrap());
        assert_eq!(rejection(&response).headers.len(), kept);
    }
}

#[test]
fn frames_are_messages_and_back() {
    for (frame, sent) in [
        (Frame::text("[]"), Message::text("[]")),
        (Frame::binary(vec![0, 255]), Message::binary(vec![0, 255])),
    ] {
        assert_eq!(message(frame.clone()), Ok(sent.clone()));
        assert_eq!(received(Ok(sent)), Received::Frame(frame));
    }
    assert!(matches!(message(Frame::text(vec![0xff])), Err(CloseCause::Io { .. })));
    assert_eq!(received(Ok(Message::Pong("".into()))), Received::Control);
    for nothing in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
        assert_eq!(received(Err(Error::Io(nothing.into()))), Received::Empty);
    }
}

#[test]
fn close_frames_are_causes_and_back() {
    let frame = CloseFrame { code: 4001.into(), reason: "gone".into() };
    let cause = CloseCause::frame(CloseCode::from_u16(4001), "gone");
    assert_eq!(
        close_message(CloseCode::from_u16(4001), "gone"),
        Message::Close(Some(frame.clone()))
    );
    assert_eq!(received(Ok(Message::Close(Some(frame)))), Received::Closed(cause));
    assert_eq!(close_frame_cause(None), CloseCause::frame(CloseCode::NO_STATUS, ""));
    assert_eq!(close_message(CloseCode::NO_STATUS, "never sent"), Message::Close(None));
    // Cut at a character: 61 of two bytes each are 122.
    assert_eq!(close_message(CloseCode::NORMAL, &"é".repeat(100)).len(), 122);
}

#[test]
fn failures_say_what_happened() {
    let too_long = || Error::Capacity(CapacityError::MessageTooLong { size: 9, max_size: 5 });
    let unnamed = SubProtocolError::NoSubProtocol;
    for (error, text, code) in [
        (Error::ConnectionClosed, "without a close frame", None),
        (Error::Io(ErrorKind::UnexpectedEof.into()), "without a close frame", None),
        (Error::Io(ErrorKind::ConnectionReset.into()), "connection reset", None),
        (too_long(), "larger than the limit of 5 bytes", Some(1009)),
        (Error::Utf8("s3cret".into()), "not UTF-8", Some(1007)),
        (Error::Protocol(ProtocolError::SendAfterClosing), "broke the WebSocket protocol", None),
        (
            Error::Protocol(ProtocolError::UnmaskedFrameFromClient),
            "broke the WebSocket protocol",
            Some(1002),
        ),
        (
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(unnamed)),
            "auth_token: true",
            Some(1002),
        ),
        (Error::AttackAttempt, "the WebSocket connection failed", None),
    ] {
        let cause = close_cause(&error);
        assert!(cause.to_string().contains(text), "{cause}");
        assert!(!format!("{cause:?}").contains("s3cret"));
        assert_eq!(close_code(&error).map(CloseCode::as_u16), code, "{cause}");
    }
}

/// Starts a server for one connection.
fn serve(serve: impl FnOnce(TcpStream) + Send + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    Endpoint::parse(&format!("ws://{address}/socket")).unwrap()
}

fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut chunk).unwrap();
        head.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_conversation_over_tcp() {
    let (go, gone) = mpsc::channel();
    let endpoint = serve(move |stream| {
        let mut server = accept(stream).unwrap();
        let Message::Text(text) = server.read().unwrap() else { panic!("no text") };
        // A message in two pieces, with the read timeout between them.
        let stream = server.get_mut();
        stream.write_all(b"\x81\x05he").unwrap();
        assert_eq!(text.as_str(), "ping");
        gone.recv().unwrap();
        stream.write_all(b"llo").unwrap();
        assert!(matches!(server.read(), Ok(Message::Close(Some(frame))) if frame.reason == "done"));
    });
    let (mut websocket, headers) = connect(&endpoint, &Config::default()).unwrap();
    assert_eq!(headers.get("upgrade"), Some(&b"websocket"[..]));
    send(&mut websocket, Frame::text("ping")).unwrap();
    assert_eq!(read(&mut websocket, Some(Duration::ZERO)), Received::Empty);
    go.send(()).unwrap();
    assert_eq!(read(&mut websocket, None), Received::Frame(Frame::text("hello")));
    close(websocket, CloseCode::NORMAL, "done");
}

#[test]
fn a_403_is_a_refusal() {
    let endpoint = serve(|mut stream| {
        let head = head_of(&mut stream);
        assert!(head.contains("x-app: 1\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
    });
    let endpoint = endpoint.with_header("x-app", "1").unwrap();
    match connect(&endpoint, &Config::default()) {
        Err(CloseCause::UpgradeRejected(refusal)) => assert_eq!(refusal.status, 403),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection() {
    let endpoint = serve(|stream| {
        let mut server = accept(stream).unwrap();
        server.send(Message::text("x".repeat(200))).unwrap();
        let _ = server.read();
    });
    let mut config = Config::default();
    config.max_frame_size = 100;
    let (mut websocket, _): (WebSocket<TcpStream>, _) = connect(&endpoint, &config).unwrap();
    match read(&mut websocket, None) {
        Received::Closed(cause) => assert!(cause.to_string().contains("100 bytes"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let endpoint = serve(|mut stream| {
        head_of(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let mut config = Config::default();
    config.connect_timeout = Duration::from_millis(20);
    let cause = connect(&endpoint, &config).map(|_| ()).unwrap_err();
    assert!(cause.to_string().contains("didn't answer the upgrade in time"), "{cause}");
}

#[test]
fn tls_is_not_left_out() {
    let endpoint = Endpoint::parse("wss://127.0.0.1:9/socket").unwrap();
    let cause = connect(&endpoint, &Config::default()).map(|_| ()).unwrap_err();
    assert!(matches!(cause, CloseCause::InvalidRequest { .. }), "{cause}");
}
