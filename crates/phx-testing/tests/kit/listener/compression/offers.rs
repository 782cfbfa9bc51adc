//! Offers, and what each server answers.

use phx_conformance::recordings::{Fact, Recording};
use phx_testing::listener::Listener;
use phx_testing::{HttpServer, demo_server};

use super::BOTH;
use super::client::{answer, bind};

/// Offers, and the answers of Bandit and of Cowboy.
const OFFERS: &[(&str, Option<&str>, Option<&str>)] = &[
    ("permessage-deflate", Some("permessage-deflate"), Some("permessage-deflate")),
    (
        "permessage-deflate; client_max_window_bits",
        Some("permessage-deflate;client_max_window_bits=15"),
        Some("permessage-deflate; client_max_window_bits=15"),
    ),
    (
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
        Some("permessage-deflate;server_max_window_bits=10;client_max_window_bits=9"),
        Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
    ),
    (
        "permessage-deflate;client_no_context_takeover;server_no_context_takeover",
        Some("permessage-deflate;server_no_context_takeover;client_no_context_takeover"),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ),
    (
        "permessage-deflate; client_max_window_bits=\"12\"",
        None,
        Some("permessage-deflate; client_max_window_bits=12"),
    ),
    ("permessage-deflate; server_max_window_bits=7", None, None),
    ("permessage-deflate; client_max_window_bits=7", None, None),
    ("permessage-deflate; server_max_window_bits=16", None, None),
    ("permessage-deflate; client_max_window_bits=16", None, None),
    ("permessage-deflate; client_max_window_bits=+9", None, None),
    ("permessage-deflate; client_max_window_bits=", None, None),
    ("permessage-deflate; server_max_window_bits", None, None),
    ("permessage-deflate; server_no_context_takeover=1", None, None),
    ("permessage-deflate; mode=fast", None, None),
    ("permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", None, None),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None, None),
    ("permessage-bzip2, x-webkit-deflate-frame", None, None),
    (
        "permessage-deflate; mode=fast, permessage-bzip2, permessage-deflate; server_max_window_bits=9",
        Some("permessage-deflate;server_max_window_bits=9"),
        Some("permessage-deflate; server_max_window_bits=9"),
    ),
];

#[tokio::test]
async fn offers_are_answered_as_by_each_server() {
    for server in BOTH {
        let listener = bind(server, demo_server()).await;
        for (offer, bandit, cowboy) in OFFERS {
            let expected = match server {
                HttpServer::Bandit => *bandit,
                _ => *cowboy,
            };
            let headers = format!("sec-websocket-extensions: {offer}\r\n");
            let (status, value) = answer(&listener, &headers).await;
            assert_eq!(status, "101");
            assert_eq!(value.as_deref(), expected, "{server:?}: {offer}");
        }
        assert_eq!(answer(&listener, "").await, ("101".to_owned(), None));
    }
}

#[tokio::test]
async fn an_empty_offer_is_a_bad_request_for_cowboy() {
    for (server, status) in [(HttpServer::Bandit, "101"), (HttpServer::Cowboy, "400")] {
        let listener = bind(server, demo_server()).await;
        let answered = answer(&listener, "sec-websocket-extensions: \r\n").await;
        assert_eq!(answered, (status.to_owned(), None));
    }
}

#[tokio::test]
async fn a_socket_that_does_not_compress_answers_no_offer() {
    let listener = Listener::bind(demo_server().build()).await.unwrap();
    let headers = "sec-websocket-extensions: permessage-deflate\r\n";
    assert_eq!(answer(&listener, headers).await, ("101".to_owned(), None));
}

#[tokio::test]
async fn an_offer_is_answered_as_recorded() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let mut compared = 0;
    for line in Recording::open("handshake_raw").unwrap().lines {
        let Fact::RawHandshake { req, res, .. } = line.fact else { continue };
        let of = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.to_ascii_lowercase().starts_with(name))
                .and_then(|line| line.split_once(": "))
                .map(|(_, value)| value.to_owned())
        };
        if let Some(offer) = of(&req, "sec-websocket-extensions")
            && req.contains("/socket_deflate/")
        {
            let headers = format!("sec-websocket-extensions: {offer}\r\n");
            let recorded = of(&res, "sec-websocket-extensions");
            assert_eq!(answer(&listener, &headers).await.1, recorded);
            compared += 1;
        }
    }
    assert_eq!(compared, 1);
}
