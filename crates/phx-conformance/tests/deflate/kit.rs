//! The server kit's compression: clients of `ws` and `websockets` push random messages, and read them again.

use phx_testing::listener::Listener;
use phx_testing::{HttpServer, demo_server};

use crate::judge::{Judge, messages};

/// Offers as the options of `ws`.
const WS: [&str; 4] = [
    "{}",
    r#"{"serverNoContextTakeover":true,"clientNoContextTakeover":true}"#,
    r#"{"serverMaxWindowBits":9,"clientMaxWindowBits":10}"#,
    r#"{"serverNoContextTakeover":true,"clientMaxWindowBits":15}"#,
];

/// Offers as the options of `websockets`, and the answers.
const WEBSOCKETS: [(&str, &str); 5] = [
    ("{}", "client_max_window_bits=15"),
    (
        r#"{"server_no_context_takeover":true,"client_no_context_takeover":true}"#,
        "server_no_context_takeover;client_no_context_takeover;client_max_window_bits=15",
    ),
    (
        r#"{"server_max_window_bits":9,"client_max_window_bits":10}"#,
        "server_max_window_bits=9;client_max_window_bits=10",
    ),
    (r#"{"server_max_window_bits":15}"#, "server_max_window_bits=15;client_max_window_bits=15"),
    (
        r#"{"server_no_context_takeover":true}"#,
        "server_no_context_takeover;client_max_window_bits=15",
    ),
];

async fn listen(server: HttpServer) -> Listener {
    let server = demo_server().http_server(server).compress(true);
    Listener::bind(server.build()).await.unwrap()
}

async fn judge_ws(server: HttpServer) {
    let listener = listen(server).await;
    let count = messages().to_string();
    for (seed, options) in ["1", "2", "3", "4"].into_iter().zip(WS) {
        let report = Judge::Ws.run("client", &[listener.url(), &count, seed, options]).await;
        assert_eq!(report["agreed"], "permessage-deflate", "{options}");
        assert_eq!((&report["messages"], &report["code"]), (&messages().into(), &1000.into()));
        let of = |name: &str| report[name].as_u64().unwrap();
        assert!(of("bytesRead") < of("bytes"), "nothing was compressed: {report}");
    }
}

async fn judge_websockets(server: HttpServer) {
    let listener = listen(server).await;
    let count = messages().to_string();
    let separator = if server == HttpServer::Bandit { ";" } else { "; " };
    for (seed, (options, answer)) in ["1", "2", "3", "4", "5"].into_iter().zip(WEBSOCKETS) {
        let args = [listener.url(), &count, seed, options];
        let report = Judge::Websockets.run("client", &args).await;
        let expected = format!("permessage-deflate;{answer}").replace(';', separator);
        assert_eq!(report["agreed"], expected, "{options}");
        assert_eq!((&report["messages"], &report["code"]), (&messages().into(), &1000.into()));
    }
}

#[tokio::test]
async fn bandits_compression_is_what_ws_expects() {
    judge_ws(HttpServer::Bandit).await;
}

#[tokio::test]
async fn cowboys_compression_is_what_ws_expects() {
    judge_ws(HttpServer::Cowboy).await;
}

#[tokio::test]
async fn bandits_compression_is_what_websockets_expects() {
    judge_websockets(HttpServer::Bandit).await;
}

#[tokio::test]
async fn cowboys_compression_is_what_websockets_expects() {
    judge_websockets(HttpServer::Cowboy).await;
}
