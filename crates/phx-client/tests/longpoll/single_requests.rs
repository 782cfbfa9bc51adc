//! Single HTTP requests beside a socket.

use std::time::Duration;

use phx_client::{
    CloseCause, ConnectCause, HttpAnswer, HttpClient, HttpError, HttpRequest, SocketBuilder,
};
use serde_json::json;
use tokio::time::Instant;

use crate::server::{Net, Req, answer, with_status};

fn client(net: &Net) -> HttpClient {
    net.builder().http_client().unwrap()
}

/// Sends a request to a server that says this, and then closes.
async fn send(
    net: &mut Net,
    client: HttpClient,
    request: HttpRequest,
    said: impl AsRef<[u8]>,
) -> (Result<HttpAnswer, HttpError>, Req) {
    tokio::join!(client.send(request), async {
        let mut conn = net.accept().await;
        let request = conn.request().await;
        conn.say(said).await;
        request
    })
}

#[test]
fn a_request_goes_out_and_its_answer_comes_back() {
    Net::both(|mut net| async move {
        let client = client(&net);
        let request = HttpRequest::post("http://server.test:8000/a/b?key=1#f", r#"{"n":1}"#);
        let request = request.unwrap().with_header("apikey", "secret").unwrap();
        let said = answer("x-a: b\r\n", &json!({ "ok": true }));
        let (answered, sent) = send(&mut net, client.clone(), request.clone(), said).await;
        assert_eq!(sent.line, "POST /a/b?key=1 HTTP/1.1");
        assert_eq!(sent.values("host"), ["server.test:8000"]);
        assert_eq!(sent.values("apikey"), ["secret"]);
        assert_eq!(sent.values("connection"), ["close"]);
        assert!(sent.values("user-agent")[0].starts_with("phx/"));
        assert!(sent.values("accept-encoding").is_empty());
        assert_eq!(sent.body, br#"{"n":1}"#);
        let answered = answered.unwrap();
        assert_eq!((answered.status, &answered.body[..]), (200, &br#"{"ok":true}"#[..]));
        assert_eq!(answered.headers.get("x-a"), Some(&b"b"[..]));

        // No redirect is followed: it may lead to a place that mustn't see the headers.
        let location = "location: http://other.test/\r\n";
        let said = with_status("302 Found", location, "there");
        let (answered, _) = send(&mut net, client.clone(), request.clone(), said).await;
        let answered = answered.unwrap();
        assert_eq!((answered.status, &answered.body[..]), (302, &b"there"[..]));
        assert!(net.is_quiet());

        let (answered, sent) = send(
            &mut net,
            client,
            HttpRequest::get("http://[::1]").unwrap(),
            "HTTP/1.0 204\r\n\r\n",
        )
        .await;
        assert_eq!((answered.unwrap().status, &sent.line[..]), (204, "GET / HTTP/1.1"));
        assert!(sent.values("content-length").is_empty() && sent.body.is_empty());
        assert_eq!(sent.values("host"), ["[::1]"]);
    });
}

/// A large request that the server refuses before it has read it.
#[test]
fn an_answer_may_come_before_the_request_is_sent() {
    Net::both(|mut net| async move {
        let request = HttpRequest::post("http://server.test/", vec![b'x'; 16 << 20]).unwrap();
        let (answered, mut conn) = tokio::join!(client(&net).send(request), async {
            let mut conn = net.accept().await;
            conn.say(with_status("413 Payload Too Large", "", "no")).await;
            conn
        });
        let answered = answered.unwrap();
        assert_eq!((answered.status, &answered.body[..]), (413, &b"no"[..]));
        conn.say("").await;
    });
}

#[tokio::test(start_paused = true)]
async fn failures_say_if_the_request_may_have_arrived() {
    let mut net = Net::pipes();
    let request = HttpRequest::get("http://server.test/?key=canary").unwrap();
    net.refuse([CloseCause::io("refused")]);
    let failed = client(&net).send(request.clone()).await.unwrap_err();
    assert_eq!((failed.cause, failed.may_have_arrived), (CloseCause::io("refused"), false));

    net.swallow_dial();
    let began = Instant::now();
    let failed = client(&net).send(request.clone()).await.unwrap_err();
    assert_eq!(
        (failed.to_string().as_str(), failed.may_have_arrived),
        ("no answer in time", false)
    );
    assert_eq!(began.elapsed().as_secs(), 10);

    // Of a refusal the beginning is kept; another answer is whole or an error.
    let said = with_status("500 Oh", "", &"x".repeat(100_000));
    let kept = client(&net);
    let answered = send(&mut net, kept, request.clone(), said).await.0;
    assert_eq!(answered.unwrap().body.len(), 16 << 10);
    let long = with_status("200 OK", "", &"x".repeat(101));
    for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx", "HTTP/1.1 2", &long] {
        let client = client(&net).with_max_body(100);
        let failed = send(&mut net, client, request.clone(), said).await.0.unwrap_err();
        assert!(failed.may_have_arrived, "{failed}");
        assert!(!format!("{failed} {failed:?} {request:?}").contains("canary"));
    }

    // A server that trickles has no more time than one that is silent.
    let began = Instant::now();
    let client = client(&net).with_timeout(Duration::from_secs(3));
    let mut conn = None;
    let trickle = async {
        let conn = conn.insert(net.accept().await);
        conn.say("HTTP/1.1 200 OK\r\n\r\n").await;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            conn.say("x").await;
        }
    };
    tokio::select! {
        failed = client.send(request) => {
            assert_eq!(failed.unwrap_err().to_string(), "no answer in time");
        }
        () = trickle => {}
    }
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[test]
fn requests_that_cannot_be_made() {
    for url in ["", "ws://a.test/", "https://", "https://u:p@a.test/", "/path", "http://a b/"] {
        let failed = HttpRequest::get(url).unwrap_err();
        assert!(matches!(failed.cause, CloseCause::InvalidRequest { .. }), "{url}");
        assert!(!failed.may_have_arrived);
    }
    for (name, value) in
        [("Host", "a"), ("content-length", "1"), ("a b", "c"), ("a", "b\r\nc: d"), ("", "x")]
    {
        let request = HttpRequest::get("https://a.test/").unwrap();
        assert!(request.with_header(name, value).is_err(), "{name}: {value}");
    }
    let incomplete = SocketBuilder::new("ws://a.test/socket").http_client().unwrap_err();
    assert!(matches!(incomplete.cause, ConnectCause::Incomplete { .. }));
}
