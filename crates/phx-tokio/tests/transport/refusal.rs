//! An HTTP answer that isn't the upgrade is a refusal: status, `Retry-After`, and a bounded body.

use std::time::Duration;

use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{CloseCause, ResponseHeaders, UpgradeRejection};
use tokio::io::AsyncWriteExt;

use crate::common::{answering, connect_with, listen, receive_head};

async fn refused(answer: &str) -> UpgradeRejection {
    match answering(listen().await, |_| answer.into()).await {
        Err(CloseCause::UpgradeRejected(refusal)) => {
            refusal.with_headers(ResponseHeaders::default())
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn each_has_its_status_and_its_body() {
    for (answer, status, body) in [
        ("403 Forbidden\r\ncontent-length: 0\r\n\r\n", 403, ""),
        (
            "401 Unauthorized\r\nContent-Type: application/json\r\n\
             Content-Length: 17\r\n\r\n{\"reason\":\"late\"}and no more",
            401,
            "{\"reason\":\"late\"}",
        ),
        // It isn't followed.
        ("302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n", 302, ""),
        // A success without an upgrade.
        ("200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        (
            "103 Early Hints\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            403,
            "",
        ),
        (
            "503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n\
             6;note=x\r\n<html>\r\n7\r\n</html>\r\n0\r\n\r\n",
            503,
            "<html></html>",
        ),
    ] {
        let refusal = refused(&format!("HTTP/1.1 {answer}")).await;
        assert_eq!(refusal, UpgradeRejection::new(status).with_body(body), "{answer}");
    }
    // A body without a length lasts until the end.
    let refusal = refused("HTTP/1.0 502 Bad Gateway\r\n\r\nno backend").await;
    assert_eq!(refusal, UpgradeRejection::new(502).with_body("no backend"));
}

#[tokio::test]
async fn its_headers_are_kept_and_not_shown() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: https://h.test/login?next=hush\r\nSet-Cookie: hush\r\n\
                  X-Request-Id: F1\r\nContent-Length: 0\r\n\r\n";
    let Err(CloseCause::UpgradeRejected(refusal)) =
        answering(listen().await, |_| answer.into()).await
    else {
        panic!("not refused")
    };
    assert_eq!(refusal.headers.get("set-cookie"), Some(&b"hush"[..]));
    assert_eq!(refusal.headers.get("X-REQUEST-ID"), Some(&b"F1"[..]));
    let shown = format!("{refusal} {refusal:?}");
    assert!(shown.contains("https://h.test/login") && shown.contains("Set-Cookie"), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn broken_chunks_leave_what_came_before() {
    for broken in ["6\r\n<html>\r\nnonsense", "6\r\n<html>", "a\r\n<html>"] {
        let answer =
            format!("HTTP/1.1 503 Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
        assert_eq!(
            refused(&answer).await,
            UpgradeRejection::new(503).with_body("<html>"),
            "{broken}"
        );
    }
}

#[tokio::test]
async fn retry_after_in_seconds() {
    let answer = |value: &str| {
        format!("HTTP/1.1 429 Slow Down\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n")
    };
    let refusal = refused(&answer("120")).await;
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(120)));
    let refusal = refused(&answer("99999999999999999999999")).await;
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(u64::MAX)));
    for nonsense in ["", "-1", "1.5", "soon"] {
        assert_eq!(refused(&answer(nonsense)).await, UpgradeRejection::new(429), "{nonsense}");
    }
}

#[tokio::test]
async fn retry_after_as_a_date_counts_from_the_servers_own_date() {
    let answer = |date: &str| {
        format!(
            "HTTP/1.1 503 Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Retry-After: {date}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let refusal = refused(&answer("Sun, 06 Nov 1994 08:50:07 GMT")).await;
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(30)));
    let refusal = refused(&answer("Sun, 06 Nov 1994 08:00:00 GMT")).await;
    assert_eq!(refusal.retry_after, Some(Duration::ZERO));
}

#[tokio::test]
async fn retry_after_as_a_date_counts_from_now_where_the_server_names_no_date() {
    let answer = |date: &str| {
        format!("HTTP/1.1 503 Unavailable\r\nRetry-After: {date}\r\nContent-Length: 0\r\n\r\n")
    };
    let refusal = refused(&answer("Sun, 06 Nov 1994 08:49:37 GMT")).await;
    assert_eq!(refusal.retry_after, Some(Duration::ZERO));
    let refusal = refused(&answer("Fri, 31 Dec 9999 23:59:59 GMT")).await;
    assert!(refusal.retry_after > Some(Duration::from_secs(3_600)), "{refusal:?}");
}

/// Connects to a server that sends `answer` and then stalls.
async fn refused_and_held(answer: Vec<u8>, config: WebSocketConfig) -> UpgradeRejection {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        receive_head(&mut stream).await;
        // The client may have enough before all of it is written.
        let _ = stream.write_all(&answer).await;
        stream
    };
    match futures::join!(connect_with(&endpoint, config), serve).0 {
        Err(CloseCause::UpgradeRejected(refusal)) => {
            refusal.with_headers(ResponseHeaders::default())
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn no_more_of_the_body_is_read_than_the_limit() {
    let heads = ["Content-Length: 1000000", "Transfer-Encoding: chunked", "Connection: close"];
    for header in heads {
        let mut config = WebSocketConfig::default();
        config.max_refusal_body = 5_000;
        let size = if header.starts_with("Tr") { "f4240\r\n" } else { "" };
        let mut answer = format!("HTTP/1.1 503 Unavailable\r\n{header}\r\n\r\n{size}").into_bytes();
        answer.resize(answer.len() + 20_000, b'x');
        let refusal = refused_and_held(answer, config).await;
        assert_eq!(refusal.body, vec![b'x'; 5_000], "{header}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_does_not_take_back_the_status() {
    let mut config = WebSocketConfig::default();
    config.refusal_timeout = Duration::ZERO;
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbeginning";
    let refusal = refused_and_held(answer.into(), config).await;
    assert_eq!(refusal, UpgradeRejection::new(403).with_body("beginning"));
}
