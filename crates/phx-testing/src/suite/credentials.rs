//! Credentials are asked for before every attempt, and an ignored token is reported.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{Credentials, Payload, SocketError, StreamItem, TransportKind};
use serde_json::{Value, json};

use super::host::{Host, client};
use super::subject::Subject;
use crate::{PhoenixVersion, demo_server};

pub(super) async fn every_attempt_has_its_own<S: Subject>() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let server = demo_server().auth_token(true).connect(move |info| {
        let param = info.param("turn").map(str::to_owned);
        note.lock().unwrap().push((param, info.auth_token().map(str::to_owned)));
        Ok(None)
    });
    let host = Host::start(server.build());
    let turns = Arc::new(AtomicU32::new(0));
    let builder = client::<S>(host.url()).credentials(move || {
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
    host.lose_clients::<S>();
    assert!(matches!(messages.next().await, Some(StreamItem::Gap)));
    // Over long-poll this may be for the poll that failed, and the end of the session another one: or they are one, for a
    // stream that nobody has read in between. The second join is what both lead to.
    while present.entry("join 2").is_none() {
        changes.next().await.unwrap();
    }

    let turn = |turn: u32| (Some(turn.to_string()), Some(format!("token {turn}")));
    if S::TRANSPORT == TransportKind::LongPoll {
        // A poll that finds no session makes one that is never used.
        seen.lock().unwrap().retain(|(_, token)| token.is_some());
    }
    assert_eq!(*seen.lock().unwrap(), [turn(1), turn(2)]);
}

pub(super) async fn a_token_that_the_server_ignores_is_reported_once<S: Subject>() {
    for (version, expected) in [(PhoenixVersion::new(1, 7, 24), 1), (PhoenixVersion::default(), 0)]
    {
        let host = Host::start(demo_server().version(version).auth_token(true).build());
        let (opens, mut opened) = mpsc::unbounded();
        let (reports, mut reported) = mpsc::unbounded();
        let builder = client::<S>(host.url()).auth_token("token");
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
            host.all().cut();
        }
        reported.close();
        assert_eq!(reported.count().await, expected, "{version:?}");
    }
}
