//! Params, tokens, headers and payloads appear in no Debug output, no error and no log.

mod common;

use std::fmt::{Debug, Write};

use common::{Net, Notes, settle};
use phx_client::{CloseCause, Credentials, Frame, Message, Payload};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes every event down.
#[derive(Clone, Default)]
struct Log(Notes);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("phx_client")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Fields(String);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut fields = Fields(event.metadata().target().to_owned());
        event.record(&mut fields);
        self.0.note(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_holds_a_secret() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut shown = String::new();

    let mut net = Net::new();
    let builder = net
        .builder()
        .param("token", "hush-param")
        .header("x-key", "hush-header")
        .auth_token("hush-token")
        .credentials(|| async { Ok(Credentials::new().param("fresh", "hush-fresh")) });
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
    peer.close(CloseCause::lost("cable"));
    settle().await;

    let log = log.0.taken().join("\n");
    for expected in ["opened", "joined", "errored", "join failed", "malformed", "closed", "skipped"]
    {
        assert!(log.contains(expected), "{expected} is not in {log}");
    }
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!log.contains("hush"), "{log}");
}
