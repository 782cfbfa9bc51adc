//! What comes before what: replies and messages on one wire, hooks and futures. The servers are scripts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use phx_client::{Incoming, Payload, StreamItem, TopicFilter, TopicMessage};

use super::Adapter;
use super::host::client;
use super::raw::{Raw, Sent, serve};
use super::refusals::{Then, server};

/// Often enough for threads to meet in every order.
const TIMES: u32 = 40;

/// Answers every join, and to each other push says what `answer` makes of its number.
fn answering(answer: impl Fn(&Sent, u32) -> Vec<String> + Send + Sync + 'static) -> String {
    serve(move |mut raw: Raw| {
        let mut pushes = 0;
        while let Some(sent) = raw.receive() {
            let texts = match &*sent.event {
                "phx_join" | "phx_leave" | "heartbeat" => vec![sent.reply("ok", "{}")],
                _ => {
                    pushes += 1;
                    answer(&sent, pushes)
                }
            };
            if !raw.send(texts) {
                return;
            }
        }
    })
}

fn text(payload: &Payload) -> &str {
    payload.as_json().unwrap_or_default()
}

async fn next_on_topic(
    stream: &mut (impl StreamExt<Item = StreamItem<TopicMessage>> + Unpin),
) -> String {
    match stream.next().await {
        Some(StreamItem::Message(message)) => {
            format!("{} {}", message.topic, text(&message.payload))
        }
        Some(StreamItem::Gap) => "gap".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Absinthe names a topic in its reply, and sends on it right behind.
pub(super) async fn data_of_a_subscription_behind_its_reply_is_not_missed<A: Adapter>() {
    let url = answering(|sent, number| {
        let topic = format!("__absinthe__:doc:{number}");
        let data = |n: u32| format!(r#"[null,null,"{topic}","subscription:data",{n}]"#);
        vec![sent.reply("ok", &format!(r#"{{"subscriptionId":"{topic}"}}"#)), data(1), data(2)]
    });
    let socket = client::<A>(&url).connect().await.unwrap();
    let mut data = socket.topic_messages(TopicFilter::prefix("__absinthe__:"));
    let control = socket.channel("__absinthe__:control").join().await.unwrap();
    for number in 1..=TIMES {
        control.push("doc", &()).acknowledged().await.unwrap();
        for n in 1..=2 {
            let expected = format!("__absinthe__:doc:{number} {n}");
            assert_eq!(next_on_topic(&mut data).await, expected);
        }
    }
}

pub(super) async fn streams_of_topics_have_a_gap_after_a_reconnect<A: Adapter>() {
    let url = serve(|mut raw: Raw| {
        let Some(join) = raw.receive() else { return };
        raw.send([join.reply("ok", "{}"), r#"[null,null,"topic","event",1]"#.to_owned()]);
        raw.close(1012);
    });
    let socket = client::<A>(&url).connect().await.unwrap();
    let mut messages = socket.topic_messages(TopicFilter::topic("topic"));
    let _room = socket.channel("room:a").join().await.unwrap();
    for expected in ["topic 1", "gap", "topic 1", "gap"] {
        assert_eq!(next_on_topic(&mut messages).await, expected);
    }
}

/// A LiveView's renderer applies the diffs of both, one after another.
pub(super) async fn replies_and_messages_keep_the_order_of_the_wire<A: Adapter>() {
    let url = answering(|sent, number| {
        let diff = |n: &str| format!(r#"[null,null,"room:a","diff","{n}{number}"]"#);
        vec![diff("before"), sent.reply("ok", &format!(r#""reply{number}""#)), diff("after")]
    });
    let socket = client::<A>(&url).connect().await.unwrap();
    let room = socket.channel("room:a").create().unwrap();
    let mut incoming = room.incoming();
    room.join().await.unwrap();
    let Some(StreamItem::Message(Incoming::Joined { rejoined: false, .. })) = incoming.next().await
    else {
        panic!("the join comes first");
    };
    let pushes: Vec<_> = (0..TIMES).map(|_| room.push::<String>("event", &())).collect();
    for (number, push) in (1..).zip(&pushes) {
        for what in ["before", "reply", "after"] {
            let payload = match incoming.next().await {
                Some(StreamItem::Message(Incoming::Message(message))) => message.payload,
                Some(StreamItem::Message(Incoming::Reply { push: id, response, .. })) => {
                    assert_eq!((Some(id), what), (push.id(), "reply"));
                    response.unwrap()
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(text(&payload), format!(r#""{what}{number}""#));
        }
    }
    for (number, push) in (1..).zip(pushes) {
        assert_eq!(push.await.unwrap(), format!("reply{number}"));
    }
}

pub(super) async fn hooks_of_a_disconnect_have_run_when_its_future_is_done<A: Adapter>() {
    let url = answering(|_, _| Vec::new());
    for _ in 0..TIMES {
        let has_run = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&has_run);
        let builder = client::<A>(&url).on_close(move |_| hook.store(true, Ordering::SeqCst));
        let socket = builder.connect().await.unwrap();
        socket.disconnect().await;
        assert!(has_run.load(Ordering::SeqCst));
    }
}

pub(super) async fn hooks_of_a_refused_connect_have_run_when_its_future_is_done<A: Adapter>() {
    let url = server("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", Then::End);
    for _ in 0..TIMES {
        let has_run = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&has_run);
        let builder = client::<A>(&url).on_close(move |_| hook.store(true, Ordering::SeqCst));
        builder.connect().await.unwrap_err();
        assert!(has_run.load(Ordering::SeqCst));
    }
}

pub(super) async fn a_malformed_frame_is_a_gap_of_its_topic<A: Adapter>() {
    let url = answering(|sent, _| {
        let malformed = [r#"[null,null,"room:a","event"]"#, r#"[null,null,"room:a","event",{]"#];
        let mut texts: Vec<_> = malformed.map(str::to_owned).into();
        texts.push(r#"[null,null,"room:b","event",1]"#.to_owned());
        texts.push(sent.reply("ok", "{}"));
        texts
    });
    let socket = client::<A>(&url).connect().await.unwrap();
    let (a, b) = (socket.channel("room:a"), socket.channel("room:b"));
    let (a, b) = (a.join().await.unwrap(), b.join().await.unwrap());
    let (mut of_a, mut of_b) = (a.messages(), b.messages());
    a.push("event", &()).acknowledged().await.unwrap();
    assert!(matches!(of_a.next().await, Some(StreamItem::Gap)));
    assert!(matches!(of_b.next().await, Some(StreamItem::Message(_))));
}
