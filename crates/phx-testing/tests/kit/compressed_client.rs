//! This client against a kit that compresses as Bandit and as Cowboy do.

use phx_testing::listener::Listener;
use phx_testing::{HttpServer, demo_server};
use phx_tokio::Payload;
use phx_tokio::websocket::Compression;
use serde_json::{Value, json};

#[tokio::test]
async fn pushes_and_replies_are_compressed_and_no_ratio_ends_the_connection() {
    for server in [HttpServer::Bandit, HttpServer::Cowboy] {
        for takeover in [false, true] {
            let kit = demo_server().http_server(server).compress(true).build();
            let listener = Listener::bind(kit).await.unwrap();
            let compression = Compression::new().context_takeover(takeover);
            let socket = phx_tokio::socket(listener.url()).compression(compression);
            let socket = socket.connect().await.unwrap();
            let room = socket.channel("room:a").join().await.unwrap();
            let before = socket.counters();
            // The last one would have a ratio of about 1,000.
            for body in ["hello ".repeat(200), "row ".repeat(300), "a".repeat(200_000)] {
                let sent = json!({ "body": body });
                let reply: Value = room.push("echo", &sent).await.unwrap();
                assert_eq!(reply, sent);
            }
            let marked =
                Payload::json(&json!({ "token": "b".repeat(1_000) })).unwrap().uncompressed();
            let _reply: Value = room.push("echo", marked).await.unwrap();
            let (after, wire) = (socket.counters(), socket.wire_bytes());
            assert_eq!(after.opened, before.opened, "{server:?} didn't close the connection");
            assert!(wire.sent < 20_000 && wire.received < 20_000, "{wire:?}");
            assert!(after.bytes_sent > 200_000 && after.bytes_received > 200_000, "{after:?}");
        }
    }
}
