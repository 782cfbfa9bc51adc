//! What this client does better than the official ones: a test for each point.

use std::time::Duration;

use phx_client::{CallError, ConnectionState, Payload, PushCause, StreamItem};
use phx_supabase::SendError;
use phx_supabase::testing::{self, RealtimeServer, Token};
use serde_json::{Value, json};

use crate::common::{KEY, Log, Project, SECOND, message};

#[test]
fn pushes_in_flight_fail_at_once() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        project.link.set_latency(Duration::from_millis(400));
        let sending = room.send("cursor", &1);
        project.time.sleep(Duration::from_millis(100)).await;
        let before = project.elapsed();
        project.link.cut();
        let error = project.soon(sending).await.unwrap_err();
        let SendError::Push(error) = error else { panic!("{error}") };
        assert!(matches!(error.cause, PushCause::Disconnected), "{error}");
        assert!(project.elapsed() - before < SECOND, "not after 10 s");
    });
}

#[test]
fn a_leave_resolves_on_the_servers_word() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        project.link.set_latency(SECOND);
        let before = project.elapsed();
        room.leave().await.unwrap();
        assert!(project.elapsed() - before >= SECOND * 2, "there and back");
        assert_eq!(room.end(), None);
    });
}

#[test]
fn an_expired_token_does_not_end_a_channel_for_good() {
    let project = Project::of(RealtimeServer::new(KEY).tokens(|token, now| {
        // Those of the first minute are valid for ten seconds of it.
        match token {
            "first" if now.since_epoch() < SECOND * 10 => {
                Token::Valid { recheck_after: Some(SECOND * 10) }
            }
            "first" => Token::Expired { ago: SECOND },
            _ => Token::VALID,
        }
    }));
    project.run(async {
        let time = project.time.runtime();
        let client = project.spawn(
            Project::builder().heartbeat_interval(SECOND * 300).access_token_with(move || {
                let now = phx_client::Runtime::now(&time).since_epoch();
                let token = if now < SECOND * 10 { "first" } else { "second" };
                async move { Ok(Some(token.to_owned())) }
            }),
        );
        let room = client.channel("room").ack(true).broadcast_self(true).create().unwrap();
        let mut cursors = room.on_broadcast::<u32>("cursor");
        room.join().await.unwrap();
        assert!(matches!(project.soon(cursors.next()).await, Some(StreamItem::Gap)), "rejoined");
        assert_eq!(project.elapsed().as_secs() / 5, 2, "some seconds after its end");
        room.send("cursor", &7).await.unwrap();
        assert_eq!(message(project.soon(cursors.next()).await).payload, 7);
    });
}

#[test]
fn reconnects_have_jitter() {
    let delays = |seed| {
        let project = Project::new();
        project.run(async {
            let (runtime, link) = (project.time.runtime(), project.link.clone());
            let client = Project::builder()
                .spawn(|endpoint| {
                    phx_client::SocketBuilder::new(endpoint)
                        .runtime(runtime)
                        .connector(link)
                        .seed(seed)
                })
                .unwrap();
            client.socket().wait_connected().await.unwrap();
            let log = Log::new();
            let records = log.clone();
            let _ = client.socket().on_close(move |closed| records.add(closed.retry_in));
            project.link.cut();
            project.seconds(60).await;
            log.all()
        })
    };
    assert_ne!(delays(1), delays(2));
}

#[test]
fn a_token_function_is_awaited_before_the_first_join() {
    let tokens = Log::new();
    let seen = tokens.clone();
    let project = Project::of(RealtimeServer::new(KEY).joins(move |join| {
        seen.add(join.token.clone());
        Ok(())
    }));
    project.run(async {
        let runtime = project.time.runtime();
        let client = project.spawn(Project::builder().access_token_with(move || {
            let wait = runtime.sleep(SECOND * 3);
            async move {
                wait.await;
                Ok(Some("made".to_owned()))
            }
        }));
        client.channel("room").create().unwrap().join().await.unwrap();
        assert_eq!(project.elapsed(), SECOND * 3);
        assert_eq!(tokens.all(), ["made"]);
    });
}

#[test]
fn no_binary_push_of_kind_0_that_javascript_throws_on() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let binary = Payload::binary("\u{1}\u{2}");
        let refused = room.as_channel().push::<()>("broadcast", binary).await.unwrap_err();
        assert!(matches!(refused.cause, PushCause::InvalidState(CallError::Encode(_))));
        assert!(refused.to_string().contains("JavaScript"), "{refused}");
    });
}

#[test]
fn replies_whose_response_is_a_string_or_null_arrive() {
    let project = Project::of(RealtimeServer::new(KEY).max_payload(100));
    project.run(async {
        let room = project.room().await;
        // The server's reply is `{"status":"error","response":"payload_size_exceeded"}`.
        let error = room.send("big", &"x".repeat(200)).await.unwrap_err();
        let SendError::Rejected(error) = error else { panic!("{error}") };
        assert_eq!(error.message, "payload_size_exceeded");

        let channel = room.as_channel().clone();
        project.link.set_latency(SECOND);
        let push = channel.push::<Value>("broadcast", &json!({ "event": "e", "payload": {} }));
        let reference = push.id().unwrap().as_u64().to_string();
        let reply = json!({ "status": "ok", "response": null });
        let frame = json!([null, reference, "realtime:room", "phx_reply", reply]);
        project.time.sleep(Duration::from_millis(10)).await;
        project.link.inject(phx_client::Frame::text(frame.to_string()));
        assert_eq!(project.soon(push).await.unwrap(), Value::Null);
    });
}

#[test]
fn nothing_is_dropped_from_a_full_buffer_without_an_outcome() {
    let project = Project::new();
    project.run(async {
        let (runtime, link) = (project.time.runtime(), project.link.clone());
        let client = Project::builder()
            .spawn(|endpoint| {
                phx_client::SocketBuilder::new(endpoint)
                    .runtime(runtime)
                    .connector(link)
                    .max_buffered_pushes(100)
            })
            .unwrap();
        let room = client.channel("room").ack(true).create().unwrap();
        room.join().await.unwrap();
        project.link.cut();
        while client.socket().state() == ConnectionState::Open {
            project.time.sleep(Duration::from_millis(1)).await;
        }
        let sendings: Vec<_> = (0..150).map(|number| room.send("n", &number)).collect();
        let mut outcomes = (0, 0);
        for sending in sendings {
            match project.soon(sending).await {
                Ok(()) => outcomes.0 += 1,
                Err(SendError::Push(error)) => {
                    assert!(error.to_string().contains("100"), "{error}");
                    outcomes.1 += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(outcomes, (100, 50));
    });
}

#[test]
fn an_operators_disconnect_is_reported_and_survived() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut system = room.system();
        let mut all = room.broadcasts();
        project.link.with_server(testing::disconnect);
        let said = message(project.soon(system.next()).await);
        assert_eq!((said.channel, &*said.message), (None, "Server requested disconnect"));
        assert!(matches!(project.soon(all.next()).await, Some(StreamItem::Gap)), "rejoined");
    });
}
