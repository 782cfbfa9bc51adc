//! Broadcasts by HTTP, over sockets: to the server kit's listener, and to servers that misbehave.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod server;

use std::path::Path;
use std::time::Duration;

use phx_client::{Payload, StreamItem};
use phx_conformance::recordings::{Fact, Recording};
use phx_supabase::testing::{Permissions, RealtimeServer, Token};
use phx_supabase::{Broadcast, Client, ClientBuilder, SendError, ServerError};
use phx_testing::listener::Listener;
use serde_json::{Value, json};

use server::Answering;

const KEY: &str = "hush-key";

/// Time in which everything that is awaited must come.
const PATIENCE: Duration = Duration::from_secs(20);

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn listener(server: RealtimeServer) -> Listener {
    Listener::bind(server.builder().build()).await.unwrap()
}

fn client(url: &str) -> ClientBuilder {
    Client::builder(url, KEY)
}

/// A client of the listener's project.
fn client_of(listener: &Listener) -> ClientBuilder {
    client(&format!("http://{}", listener.address()))
}

/// The event and the payload of a stream's next item.
async fn next(stream: &mut phx_supabase::Broadcasts<Payload>) -> Value {
    let item = in_time(stream.next()).await;
    let Some(StreamItem::Message(Broadcast { event, payload, .. })) = item else {
        panic!("{item:?}")
    };
    let payload = match payload.is_binary() {
        true => json!(payload.as_bytes().to_vec()),
        false => payload.decode().unwrap(),
    };
    json!([&*event, payload])
}

/// A broadcast by HTTP that fails, as text.
async fn failed(builder: ClientBuilder) -> SendError {
    let client = builder.spawn(phx_tokio::socket).unwrap();
    let room = client.channel("room").create().unwrap();
    in_time(room.send_by_http("e", &json!({ "n": "hush" }))).await.unwrap_err()
}

#[tokio::test]
async fn all_in_the_channel_get_it_and_nobody_in_the_other_room() {
    let listener = listener(RealtimeServer::new(KEY)).await;
    let member = client_of(&listener).connect(phx_tokio::socket).await.unwrap();
    let sender = client_of(&listener).spawn(phx_tokio::socket).unwrap();
    let name = "a room/ü?#%:\u{1}";
    for private in [false, true] {
        let joined = member.channel(name).private(private).create().unwrap();
        let mut all = joined.broadcasts();
        in_time(joined.join()).await.unwrap();
        // Neither joined nor waited for the connection.
        let room = sender.channel(name).private(private).create().unwrap();
        let other = sender.channel(name.to_owned() + "2").private(private).create().unwrap();
        in_time(room.send_by_http("✓ ./e", &json!({ "x": 1 }))).await.unwrap();
        in_time(other.send_by_http("e", &json!({}))).await.unwrap();
        in_time(room.send_by_http("bytes", Payload::binary(vec![0, 255]))).await.unwrap();
        in_time(joined.send_by_http("own", &json!(7))).await.unwrap();
        assert_eq!(next(&mut all).await, json!(["✓ ./e", { "x": 1 }]));
        assert_eq!(next(&mut all).await, json!(["bytes", [0, 255]]));
        assert_eq!(next(&mut all).await, json!(["own", 7]), "the sender gets it, too");
        in_time(joined.leave()).await.unwrap();
    }
    listener.stop().await;
}

#[tokio::test]
async fn what_a_url_cannot_carry_is_refused_before_sending() {
    let server = Answering::start(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(&server.url).spawn(phx_tokio::socket).unwrap();
    for (channel, event) in [("room", ""), ("room", "."), ("room", ".."), ("..", "e"), (".", "e")] {
        let room = client.channel(channel).create().unwrap();
        let error = room.send_by_http(event, &1).await.unwrap_err();
        assert!(matches!(error, SendError::Encode(_)), "{error}");
    }
    let room = client.channel("room").create().unwrap();
    in_time(room.send_by_http("...", &1)).await.unwrap();
    let posts = server.posts();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].starts_with("POST /realtime/v1/api/broadcast/room/events/%2E%2E%2E HTTP/1.1"));
}

#[tokio::test]
async fn key_and_token_are_headers_and_in_no_url() {
    let server = Answering::start(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let with_function =
        client(&server.url).access_token_with(|| async { Ok(Some("hush-made".to_owned())) });
    for (builder, token) in [
        (client(&server.url), None),
        (client(&server.url).access_token("hush-fixed"), Some("hush-fixed")),
        (with_function, Some("hush-made")),
    ] {
        let client = builder.param("log_level", "info").spawn(phx_tokio::socket).unwrap();
        let room = client.channel("room").private(true).create().unwrap();
        in_time(room.send_by_http("e", &json!({ "n": 1 }))).await.unwrap();
        let posts = server.posts();
        let (head, body) = posts.last().unwrap().split_once("\r\n\r\n").unwrap();
        let lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
        let path = "post /realtime/v1/api/broadcast/room/events/e?private=true http/1.1";
        assert_eq!(lines[0], path);
        assert!(lines.contains(&format!("apikey: {KEY}")), "{head}");
        assert!(lines.contains(&"content-type: application/json".to_owned()), "{head}");
        let authorization = lines.iter().find(|line| line.starts_with("authorization: "));
        let wanted = token.map(|token| format!("authorization: bearer {token}"));
        assert_eq!(authorization, wanted.as_ref());
        assert_eq!(body, r#"{"n":1}"#);
    }
}

/// The recording has two posts of single broadcasts; the key is in the query of its client's, and the type of the content
/// isn't recorded.
#[tokio::test]
async fn the_posts_are_those_of_the_official_client() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"));
    let recording = Recording::open_in(folder, "js_send_before_join").unwrap();
    let server = Answering::start(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let client = Client::builder(&server.url, "anon-key").spawn(phx_tokio::socket).unwrap();
    let room = client.channel("room14").create().unwrap();
    let mut compared = 0;
    for line in recording.lines {
        let Fact::HttpReq { method, url, headers, body, .. } = line.fact else { continue };
        let (path, _) = url.split_once('?').unwrap();
        let Some((_, event)) = path.split_once("/room14/events/") else { continue };
        match serde_json::from_str::<Value>(&body) {
            Ok(payload) => in_time(room.send_by_http(event, &payload)).await.unwrap(),
            Err(_) => {
                let payload = Payload::binary(body.clone().into_bytes());
                in_time(room.send_by_http(event, payload)).await.unwrap();
            }
        }
        let ours = server.posts().pop().unwrap();
        let (head, our_body) = ours.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next().unwrap(), format!("{method} {path} HTTP/1.1"));
        assert_eq!(our_body, body);
        let key = headers.iter().find(|(name, _)| name == "apikey").unwrap();
        assert!(head.contains(&format!("apikey: {}", key.1)), "{head}");
        compared += 1;
    }
    assert_eq!(compared, 2);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Answering::start(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: {}/hush\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url
        );
        let server = Answering::start(answer.into_bytes().leak()).await;
        let error = failed(client(&server.url).access_token("hush-token")).await;
        let SendError::Refused { status: refused, .. } = &error else { panic!("{error}") };
        assert!(status.starts_with(&refused.to_string()));
        assert_eq!(server.posts().len(), 1, "and it isn't repeated");
    }
    assert!(elsewhere.posts().is_empty());
}

#[tokio::test]
async fn refusals_have_the_status_and_supabases_code() {
    let server = RealtimeServer::new(KEY)
        .permissions(|join| {
            let may = join.token == "friend";
            Permissions { read: may, write: may }
        })
        .tokens(|token, _| if token == "friend" { Token::VALID } else { Token::Malformed });
    let listener = listener(server).await;
    for (key, private, token, status) in [
        ("hush-wrong", false, None, Some(401)),
        (KEY, true, None, Some(401)),
        (KEY, false, None, None),
        (KEY, true, Some("friend"), None),
    ] {
        let builder = Client::builder(&format!("http://{}", listener.address()), key);
        let builder = match token {
            Some(token) => builder.access_token(token),
            None => builder,
        };
        let client = builder.spawn(phx_tokio::socket).unwrap();
        let room = client.channel("room").private(private).create().unwrap();
        let sent = in_time(room.send_by_http("e", &json!({}))).await;
        match (sent, status) {
            (Ok(()), None) => {}
            (Err(SendError::Refused { status: refused, error }), Some(status)) => {
                assert_eq!((refused, &*error.message), (status, "Unauthorized"));
            }
            (sent, _) => panic!("{key} {private} {token:?}: {sent:?}"),
        }
    }
    listener.stop().await;

    let no_reason = "the server gave no reason";
    for (status, body, code, message) in [
        (429, r#"{"message":"Too many requests"}"#, None, "Too many requests"),
        (403, r#"{"error":"Unauthorized: no \u001b[2J"}"#, Some("Unauthorized"), "no \u{1b}[2J"),
        (422, r#"{"errors":{"messages":["hush"]}}"#, None, no_reason),
        (503, "<html>hush", None, no_reason),
        (500, "", None, no_reason),
    ] {
        let len = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {len}\r\n\r\n{body}");
        let server = Answering::start(answer.into_bytes().leak()).await;
        let error = failed(client(&server.url)).await;
        let SendError::Refused { status: refused, error: said } = &error else { panic!("{error}") };
        let wanted = (status, code, message);
        assert_eq!((*refused, said.code.as_deref(), &*said.message), wanted);
        assert!(error.to_string().contains(&format!("HTTP status {status}")), "{error}");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("hush") && !text.contains('\u{1b}'), "{text}");
        }
        assert_eq!(ServerError::parse("Unauthorized: x").code.as_deref(), Some("Unauthorized"));
    }
}

#[tokio::test]
async fn an_answer_has_limits_in_time_and_bytes() {
    // It never answers.
    let silent = Answering::start(b"").await;
    let limit = Duration::from_millis(50);
    let error = failed(client(&silent.url).http_timeout(limit)).await;
    let SendError::Http(http) = &error else { panic!("{error}") };
    assert!(http.may_have_arrived, "{error}");
    assert_eq!(silent.posts().len(), 1);

    let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 16385\r\n\r\n".to_vec();
    large.extend([b'h'; 16385]);
    let server = Answering::start(large.leak()).await;
    let error = failed(client(&server.url)).await;
    assert!(matches!(&error, SendError::Http(http) if http.may_have_arrived), "{error}");
    assert!(error.to_string().contains("16384 bytes"), "{error}");

    // A port without a listener: it can't have arrived.
    let error = failed(client("http://127.0.0.1:1").access_token("hush-token")).await;
    let SendError::Http(http) = &error else { panic!("{error}") };
    assert!(!http.may_have_arrived, "{error}");
    assert!(!format!("{error} {error:?} {http:?}").contains("hush"), "{error}");
}

#[tokio::test]
async fn a_token_that_cannot_be_made_sends_nothing() {
    let server = Answering::start(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let failing =
        client(&server.url).access_token_with(|| async { Err("offline\u{1b}[2J".into()) });
    let error = failed(failing).await;
    assert!(matches!(error, SendError::Token(_)));
    assert_eq!(error.to_string(), r"the access token couldn't be made: offline\u{1b}[2J");
    assert_eq!(format!("{error:?}"), error.to_string());
    let unfit = client(&server.url).access_token("hush\r\nX-Other: 1");
    let error = failed(unfit).await;
    assert!(matches!(&error, SendError::Http(http) if !http.may_have_arrived), "{error}");
    assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    assert!(server.posts().is_empty());
}
