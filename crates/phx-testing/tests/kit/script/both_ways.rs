//! One script serves in memory and behind a listener.

use std::time::Duration;

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use phx_proto::{Config, Payload};
use phx_testing::listener::Listener;
use phx_testing::{Script, Simulation};
use serde_json::json;

use crate::wire::{JOIN, JOINED};

const DEADLINE: Duration = Duration::from_secs(10);

fn script() -> Script {
    Script::new().expect_join("room:a").with_payload(&json!({})).reply_ok(&json!({}))
}

#[tokio::test]
async fn met_here_and_there() {
    let script = script();

    let (server, expectations) = script.serve();
    let mut sim = Simulation::new(server);
    let ann = sim.client(Config::default());
    sim.with(ann, |socket, now| {
        socket.connect(now);
        let room = socket.channel("room:a", Payload::empty()).unwrap();
        socket.join(now, room, None).unwrap();
    });
    sim.verify(&expectations, DEADLINE).unwrap();

    let (server, expectations) = script.serve();
    let listener = Listener::bind(server).await.unwrap();
    let url = format!("{}/websocket?vsn=2.0.0", listener.url());
    let (mut client, _) = connect_async(url).await.unwrap();
    client.send(Message::text(JOIN)).await.unwrap();
    listener.verify(&expectations, DEADLINE).await.unwrap();
    let reply = tokio::time::timeout(DEADLINE, client.next()).await.unwrap();
    assert_eq!(reply.unwrap().unwrap(), Message::text(JOINED));
}

#[tokio::test]
async fn a_wait_behind_a_listener_ends_at_a_mismatch() {
    let (server, expectations) = script().serve();
    let listener = Listener::bind(server).await.unwrap();
    let url = format!("{}/websocket?vsn=2.0.0", listener.url());
    // In a separate task, so that only the script wakes this one.
    let client = tokio::spawn(async move {
        let (mut client, _) = connect_async(url).await.unwrap();
        client.send(Message::text(r#"["1","1","room:b","phx_join",{}]"#)).await.unwrap();
        while let Some(Ok(_)) = client.next().await {}
    });
    let met = tokio::time::timeout(DEADLINE, listener.verify(&expectations, 360 * DEADLINE));
    assert_eq!(met.await.unwrap().unwrap_err().step(), 1);
    client.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wait_behind_a_listener_ends_at_its_deadline() {
    let (server, expectations) = script().serve();
    let listener = Listener::bind(server).await.unwrap();
    let mismatch = listener.verify(&expectations, DEADLINE).await.unwrap_err();
    assert_eq!(mismatch.at().unwrap().since_epoch(), DEADLINE);
    assert_eq!(mismatch.got(), None);
}
