//! The life of a channel, from joins that crash to ends that the server says or doesn't say, against servers
//! that are scripts.
//!
//! What they say is what Phoenix 1.8.12 and 1.7.24 were seen to say; the recordings `join_crash`,
//! `rejoin_after_crash`, `server_stop` and `push_unjoined_topic` have it. Where the two differ it is noted.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{
    Channel, ChannelFailure, ChannelFailureCause, ChannelState, ClosePolicy, JoinFailed,
    JoinFailure, PushFailed, Socket, StreamItem,
};

use super::Adapter;
use super::host::client;
use super::raw::{Raw, Sent, serve};

const JOIN_CRASHED: &str = r#"{"reason":"join crashed"}"#;
const UNMATCHED: &str = r#"{"reason":"unmatched topic"}"#;

/// Long enough that whatever waits for it has failed: the suite gives each test 40 s.
const LONG: Duration = Duration::from_secs(60);

/// A line in the name of the channel's life that this join began.
fn of_life(join: &Sent, event: &str, payload: &str) -> String {
    let Sent { join_ref, topic, .. } = join;
    format!(r#"[{join_ref},{join_ref},"{topic}","{event}",{payload}]"#)
}

/// What Phoenix replies in its own name to a push for a topic that it doesn't know: no join is named.
fn unmatched(push: &Sent) -> String {
    let Sent { reference, topic, .. } = push;
    format!(
        r#"[null,{reference},"{topic}","phx_reply",{{"status":"error","response":{UNMATCHED}}}]"#
    )
}

fn accept_join(raw: &mut Raw) -> Option<Sent> {
    let join = raw.receive()?;
    assert_eq!(join.event, "phx_join");
    raw.send([join.reply("ok", "{}")]);
    Some(join)
}

/// Until the client has gone.
fn wait_for_the_end(raw: &mut Raw) {
    while raw.receive().is_some() {}
}

async fn connected<A: Adapter>(url: &str) -> Socket {
    client::<A>(url).connect().await.unwrap()
}

/// What the channel's `on_error` is called with.
fn failures(room: &Channel) -> mpsc::UnboundedReceiver<ChannelFailure> {
    let (sender, failures) = mpsc::unbounded();
    drop(room.on_error(move |failure| drop(sender.unbounded_send(failure.clone()))));
    failures
}

pub(super) async fn a_first_join_that_crashes_is_tried_again<A: Adapter>() {
    let url = serve(|mut raw| {
        for _ in 0..3 {
            let Some(join) = raw.receive() else { return };
            raw.send([join.reply("error", JOIN_CRASHED)]);
        }
        accept_join(&mut raw);
        wait_for_the_end(&mut raw);
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").create().unwrap();
    let failures = failures(&room);
    room.join_with_timeout(LONG).await.unwrap();
    for failure in failures.take(3).collect::<Vec<_>>().await {
        assert!(failure.to_string().contains("join crashed"), "{failure}");
        assert!(failure.retry_in.is_some());
    }
}

pub(super) async fn a_join_that_only_crashes_says_so_at_its_own_deadline<A: Adapter>() {
    let url = serve(|mut raw| {
        while let Some(join) = raw.receive() {
            raw.send([join.reply("error", JOIN_CRASHED)]);
        }
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").create().unwrap();
    let (began, timeout) = (Instant::now(), Duration::from_millis(300));
    let joined = room.join_with_timeout(timeout).await;
    assert!(matches!(joined, Err(JoinFailed::Crashed)), "{joined:?}");
    assert!(began.elapsed() >= timeout);
}

/// An application's own refusal, and what Phoenix itself refuses.
pub(super) async fn a_first_join_that_is_refused_is_final<A: Adapter>() {
    for reason in ["unauthorized", "unmatched topic", "too many channels joined"] {
        let url = serve(move |mut raw| {
            let mut others = 0;
            while let Some(join) = raw.receive() {
                if join.topic == "room:a" {
                    raw.send([join.reply("error", &format!(r#"{{"reason":"{reason}"}}"#))]);
                    continue;
                }
                others += 1;
                let crashed = others == 1;
                let (status, response) =
                    if crashed { ("error", JOIN_CRASHED) } else { ("ok", "{}") };
                raw.send([join.reply(status, response)]);
            }
        });
        let socket = connected::<A>(&url).await;
        let room = socket.channel("room:a").create().unwrap();
        let joined = room.join().await;
        assert!(matches!(joined, Err(JoinFailed::Rejected { .. })), "{joined:?}");
        assert_eq!(room.state(), ChannelState::Closed);
        // This one is tried again, and later than the first would be.
        socket.channel("room:b").create().unwrap().join_with_timeout(LONG).await.unwrap();
        assert_eq!(socket.counters().joins_sent, 1 + 2, "no other attempt");
    }
}

pub(super) async fn a_rejected_rejoin_is_reported_with_its_reason_and_its_retry<A: Adapter>() {
    let url = serve(|mut raw| {
        let Some(join) = accept_join(&mut raw) else { return };
        // 1.7.24 says `{}` instead.
        raw.send([of_life(&join, "phx_error", r#"{"reason":"channel_crash"}"#)]);
        let Some(rejoin) = raw.receive() else { return };
        raw.send([rejoin.reply("error", r#"{"reason":"full"}"#)]);
        accept_join(&mut raw);
        wait_for_the_end(&mut raw);
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").create().unwrap();
    let mut failures = failures(&room);
    room.join().await.unwrap();
    let crashed = failures.next().await.unwrap();
    assert!(matches!(crashed.cause, ChannelFailureCause::Errored(_)), "{crashed:?}");
    let rejected = failures.next().await.unwrap();
    let ChannelFailureCause::JoinFailed(JoinFailure::Rejected(rejection)) = &rejected.cause else {
        panic!("{rejected:?}");
    };
    assert_eq!(rejection.reason().as_deref(), Some("full"));
    assert_eq!(rejected.retry_in, Some(Duration::from_millis(20)));
    let mut states = room.status();
    while states.next().await != Some(ChannelState::Joined) {}
}

pub(super) async fn a_push_that_was_never_sent_says_so<A: Adapter>() {
    let url = serve(|mut raw| {
        let Some(join) = accept_join(&mut raw) else { return };
        raw.send([of_life(&join, "phx_error", "{}")]);
        while let Some(rejoin) = raw.receive() {
            assert_ne!(rejoin.event, "post");
            raw.send([rejoin.reply("error", r#"{"reason":"full"}"#)]);
        }
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").create().unwrap();
    let mut failures = failures(&room);
    room.join().await.unwrap();
    failures.next().await.unwrap();
    let push = room.push_with_timeout(Duration::from_millis(100), "post", &()).acknowledged().await;
    assert!(matches!(push, Err(PushFailed::NotSent)), "{push:?}");
}

pub(super) async fn a_push_in_flight_fails_when_its_channel_crashes<A: Adapter>() {
    let url = serve(|mut raw| {
        let Some(join) = accept_join(&mut raw) else { return };
        let Some(push) = raw.receive() else { return };
        // A task of the channel may outlive it, and reply.
        raw.send([of_life(&join, "phx_error", "{}"), push.reply("ok", "{}")]);
        let Some(again) = accept_join(&mut raw) else { return };
        raw.send([of_life(&again, "after", "{}")]);
        wait_for_the_end(&mut raw);
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").join().await.unwrap();
    let mut after = room.on_raw("after").values();
    let push = room.push_with_timeout(LONG, "post", &()).acknowledged().await;
    assert!(matches!(push, Err(PushFailed::ChannelCrashed)), "{push:?}");
    after.next().await.unwrap();
    assert_eq!(socket.counters().unmatched_replies, 1, "the reply was late");
}

pub(super) async fn a_channel_that_the_server_closed_can_be_joined_again<A: Adapter>() {
    let url = serve(|mut raw| {
        for number in 0..3 {
            let Some(join) = accept_join(&mut raw) else { return };
            raw.send([of_life(&join, "n", &number.to_string())]);
            raw.send([of_life(&join, "phx_close", "{}")]);
        }
        wait_for_the_end(&mut raw);
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").create().unwrap();
    let (sender, mut heard) = mpsc::unbounded();
    drop(room.on_event("n", move |payload| {
        drop(sender.unbounded_send(payload.decode::<u32>().unwrap()));
    }));
    for number in 0..3 {
        let mut states = room.status();
        room.join().await.unwrap();
        assert_eq!(heard.next().await, Some(number), "hooks stay");
        while states.next().await.is_some() {}
        assert_eq!(room.state(), ChannelState::Closed);
        assert!(room.on_raw("n").next().await.is_none());
    }
}

pub(super) async fn a_policy_joins_again_after_a_close_and_streams_have_a_gap<A: Adapter>() {
    let url = serve(|mut raw| {
        let Some(join) = accept_join(&mut raw) else { return };
        raw.send([of_life(&join, "n", "1"), of_life(&join, "phx_close", "{}")]);
        let Some(again) = accept_join(&mut raw) else { return };
        raw.send([of_life(&again, "n", "2")]);
        wait_for_the_end(&mut raw);
    });
    let socket = client::<A>(&url).close_policy(ClosePolicy::always()).connect().await.unwrap();
    let room = socket.channel("room:a").create().unwrap();
    let mut numbers = room.on::<u32>("n");
    room.join().await.unwrap();
    assert!(matches!(numbers.next().await, Some(StreamItem::Message(1))));
    assert!(matches!(numbers.next().await, Some(StreamItem::Gap)));
    assert!(matches!(numbers.next().await, Some(StreamItem::Message(2))));
}

pub(super) async fn a_channel_that_the_server_has_forgotten_rejoins<A: Adapter>() {
    let url = serve(|mut raw| {
        accept_join(&mut raw);
        let (Some(first), Some(second)) = (raw.receive(), raw.receive()) else { return };
        raw.send([unmatched(&first), unmatched(&second)]);
        accept_join(&mut raw);
        while let Some(push) = raw.receive() {
            raw.send([push.reply("ok", "{}")]);
        }
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").join().await.unwrap();
    let first = room.push_with_timeout(LONG, "post", &()).acknowledged();
    let second = room.push_with_timeout(LONG, "post", &()).acknowledged();
    let first = first.await;
    assert!(matches!(first, Err(PushFailed::Rejected { .. })), "{first:?}");
    let second = second.await;
    assert!(matches!(second, Err(PushFailed::ChannelCrashed)), "{second:?}");
    room.push_with_timeout(LONG, "post", &()).acknowledged().await.unwrap();
    assert_eq!(socket.counters().joins_sent, 2);
}

pub(super) async fn an_applications_own_unmatched_topic_is_an_ordinary_error<A: Adapter>() {
    let url = serve(|mut raw| {
        accept_join(&mut raw);
        let Some(push) = raw.receive() else { return };
        raw.send([push.reply("error", UNMATCHED)]);
        while let Some(push) = raw.receive() {
            assert_ne!(push.event, "phx_join");
            raw.send([push.reply("ok", "{}")]);
        }
    });
    let socket = connected::<A>(&url).await;
    let room = socket.channel("room:a").join().await.unwrap();
    let first = room.push_with_timeout(LONG, "post", &()).acknowledged().await;
    assert!(matches!(first, Err(PushFailed::Rejected { .. })), "{first:?}");
    room.push_with_timeout(LONG, "post", &()).acknowledged().await.unwrap();
    assert_eq!(socket.counters().joins_sent, 1);
}
