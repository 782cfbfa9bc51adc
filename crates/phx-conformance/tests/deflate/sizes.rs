//! Sizes on the wire of 100 messages of 1 kB, between the client's codec and the server kit.

use phx_testing::listener::Listener;
use phx_testing::{HttpServer, Payload, demo_server};
use phx_websocket::{Event, Message, Offer};

use crate::codec::{Client, connect_to};

/// Rows of 1 kB, with the bytes of those that were sent through Bandit and Cowboy: 104,557 together.
fn rows() -> impl Iterator<Item = String> {
    let text = "x".repeat(996);
    (1..=100).map(move |number| format!(r#"{{"id":{number},"text":"{text}"}}"#))
}

async fn joined(server: HttpServer) -> (Listener, Client) {
    let server = demo_server().http_server(server).compress(true);
    let listener = Listener::bind(server.build()).await.unwrap();
    let offer = Offer::new().context_takeover(true);
    let path = "/socket/websocket?vsn=2.0.0";
    let mut client = connect_to(listener.address().port(), path, &offer).await.unwrap();
    send(&mut client, r#"["1","1","room:a","phx_join",{}]"#.to_owned()).await;
    text(&mut client).await;
    (listener, client)
}

async fn send(client: &mut Client, text: String) -> u64 {
    let before = client.written;
    client.codec.send(Message::Text(text.into()), true).unwrap();
    client.flush().await;
    client.written - before
}

async fn text(client: &mut Client) -> String {
    match client.next().await {
        Event::Message(Message::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
        event => panic!("{event:?}"),
    }
}

/// Bandit and Cowboy send them as 1,788 to 1,899 bytes.
#[tokio::test]
async fn rows_from_the_server_are_as_small_as_those_of_phoenix() {
    for server in [HttpServer::Bandit, HttpServer::Cowboy] {
        let (listener, mut client) = joined(server).await;
        let before = client.read;
        for row in rows() {
            listener.broadcast("room:a", "row", Payload::from_json_text(row.clone()).unwrap());
            assert_eq!(text(&mut client).await, format!(r#"[null,null,"room:a","row",{row}]"#));
        }
        let bytes = client.read - before;
        assert!(bytes <= 1_899 * 11 / 10, "{bytes}");
    }
}

/// Bandit would close the connection at a ratio over 25.
#[tokio::test]
async fn rows_to_the_server_are_small_and_none_is_smaller_than_bandit_takes() {
    for server in [HttpServer::Bandit, HttpServer::Cowboy] {
        let (_listener, mut client) = joined(server).await;
        let (mut plain, mut wire) = (0, 0);
        for (number, row) in (2..).zip(rows()) {
            let message = format!(r#"["1","{number}","room:a","echo",{row}]"#);
            let length = message.len() as u64;
            let bytes = send(&mut client, message).await;
            // A header of 2 or 4 bytes and the mask don't count for the ratio.
            let payload = bytes - if bytes < 126 + 6 { 6 } else { 8 };
            assert!(length <= 20 * payload, "{length} bytes as {payload}");
            plain += length;
            wire += payload;
            let reply = text(&mut client).await;
            assert!(reply.contains(&row), "{reply}");
        }
        assert!(wire * 18 <= plain, "{plain} bytes as {wire}");
    }
}

/// A run of one letter, which Bandit refuses at the size that zlib gives it.
#[tokio::test]
async fn bandit_takes_200_kb_of_one_letter() {
    let (_listener, mut client) = joined(HttpServer::Bandit).await;
    for number in 2..5 {
        let letters = "a".repeat(200_000);
        let message = format!(r#"["1","{number}","room:a","echo",{{"a":"{letters}"}}]"#);
        let bytes = send(&mut client, message).await;
        assert!(bytes < 200_000 / 19, "{bytes}");
        assert!(text(&mut client).await.contains(&letters));
    }
}
