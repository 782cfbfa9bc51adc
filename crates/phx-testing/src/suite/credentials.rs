//! Credentials are asked for before every attempt, and an ignored token is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{Credentials, Payload, SocketError, StreamItem, TransportKind};
use serde_json::{Value, json};

use super::order::{Order, ServerKind};
use super::server::Server;
use super::stage::Stage;

pub(super) async fn every_attempt_has_its_own<S: Stage>() {
    let server = Server::<S>::demo().await;
    let turns = Arc::new(AtomicU32::new(0));
    let builder = server.client().credentials(move || {
        let turn = turns.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let credentials = Credentials::new().param("turn", turn.to_string());
            Ok(credentials.auth_token(format!("token {turn}")))
        }
    });
    let socket = builder.connect().await.unwrap();
    let joins = Arc::new(AtomicU32::new(0));
    let room = socket
        .channel("room:a")
        .params_with(move || {
            let join = joins.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(Payload::json(&json!({ "name": format!("join {join}") }))?) }
        })
        .create()
        .unwrap();
    let mut messages = room.on::<Value>("shout");
    let present = room.presence::<Value>();
    let mut changes = present.changes();
    room.join().await.unwrap();
    server.lose_clients().await;
    assert!(matches!(messages.next().await, Some(StreamItem::Gap)));
    // Over long-poll this may be for the poll that failed, and the end of the session another one: or they are one, for a
    // stream that nobody has read in between. The second join is what both lead to.
    while present.entry("join 2").is_none() {
        changes.next().await.unwrap();
    }

    let turn = |turn: u32| (json!(turn.to_string()), Some(format!("token {turn}")));
    let mut connects = server.take_connects().await;
    if S::TRANSPORT == TransportKind::LongPoll {
        // A poll that finds no session makes one that is never used.
        connects.retain(|connect| connect.auth_token.is_some());
    }
    let seen: Vec<_> = connects
        .into_iter()
        .map(|connect| (connect.params["turn"].clone(), connect.auth_token))
        .collect();
    assert_eq!(seen, [turn(1), turn(2)]);
}

pub(super) async fn a_token_that_the_server_ignores_is_reported_once<S: Stage>() {
    for (kind, expected) in [(ServerKind::Version(1, 7, 24), 1), (ServerKind::Demo, 0)] {
        let server = Server::<S>::start(kind).await;
        let (opens, mut opened) = mpsc::unbounded();
        let (reports, mut reported) = mpsc::unbounded();
        let builder = server.client().auth_token("token");
        let builder = builder.on_open(move || drop(opens.unbounded_send(())));
        let builder = builder.on_error(move |error| {
            if let SocketError::TokenIgnored = error {
                let _ = reports.unbounded_send(());
            }
        });
        let socket = builder.connect().await.unwrap();
        for _ in 0..3 {
            opened.next().await.unwrap();
            // The token's report comes in the turn in which the connection opens, and the ping's answer after that.
            socket.ping().await.unwrap();
            server.order(Order::Cut).await;
        }
        reported.close();
        assert_eq!(reported.count().await, expected, "{kind:?}");
    }
}
