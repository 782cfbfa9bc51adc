//! Params, tokens, headers and payloads appear in no Debug output, no error and no log.

mod common;

use std::fmt::Write;

use common::log::Log;
use common::{Net, settle};
use phx_client::{CloseCause, Credentials, Frame, Message, Payload};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_holds_a_secret() {
    let log = Log::default();
    let logged = common::Notes::default();
    let lines = logged.clone();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut shown = String::new();

    let mut net = Net::new();
    let builder = net
        .builder()
        .param("token", "hush-param")
        .header("x-key", "hush-header")
        .auth_token("hush-token")
        .credentials(|| async { Ok(Credentials::new().param("fresh", "hush-fresh")) })
        .logger(move |record| lines.note(format!("{} {record:?}", record.message)));
    write!(shown, "{builder:?}").unwrap();
    let (socket, mut peer) = net.connected_with(builder).await;
    write!(shown, "{socket:?} {} {:?}", socket.endpoint(), socket.endpoint()).unwrap();

    let channel = socket.channel("room:a").params(&json!({"password": "hush-join"}));
    write!(shown, "{channel:?}").unwrap();
    let (room, join) = tokio::join!(channel.join(), peer.accept_join());
    let room = room.unwrap();
    let mut messages = room.on::<u32>("n");
    let mut numbers = room.on::<u32>("n").values();
    let push = room.push::<()>("post", &json!("hush-push"));
    write!(shown, "{room:?} {messages:?} {numbers:?} {push:?}").unwrap();
    let refused = room.push("phx_join", &json!("hush-refused")).detach().unwrap_err();
    write!(shown, "{refused:?} {refused}").unwrap();

    let message = peer.receive().await;
    peer.reply(&message, "error", &json!("hush-response"));
    let rejected = push.await.unwrap_err();
    write!(shown, "{rejected:?} {rejected}").unwrap();
    peer.broadcast("n", &json!("hush-message"));
    write!(shown, "{:?}", messages.next().await).unwrap();
    settle().await;
    assert!(futures::FutureExt::now_or_never(numbers.next()).is_none());
    peer.send_frame(Frame::text("hush-garbage"));
    let crash = Message::new("room:a", "phx_error", Payload::json(&"hush-crash").unwrap());
    peer.send(&crash.with_join_ref(join.join_ref.clone()).with_reference(join.join_ref));
    let rejoin = peer.receive().await;
    peer.reply(&rejoin, "error", &json!("hush-rejection"));
    settle().await;
    peer.close(CloseCause::io("cable"));
    settle().await;

    let log = log.0.taken().join("\n");
    for expected in
        ["opened", "joined", "crashed", "rejected the join", "malformed", "closed", "skipped"]
    {
        assert!(log.contains(expected), "{expected} is not in {log}");
    }
    let logged = logged.taken().join("\n");
    assert!(logged.contains("room:a joined"), "{logged}");
    assert!(!logged.contains("hush"), "{logged}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!log.contains("hush"), "{log}");
}
