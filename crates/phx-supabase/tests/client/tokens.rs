//! Access tokens: what joins send, `set_auth`, renewals, and expiry without a successor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use phx_client::{ChannelState, StreamItem};
use phx_supabase::testing::{RealtimeServer, Token};
use phx_supabase::{ChannelEnd, JoinCause, NoNewToken};

use crate::common::{KEY, Log, Project, SECOND};

/// A project that records the tokens that it checks, and takes those for which `check` says so.
fn recording(check: impl Fn(&str) -> Token + Send + Sync + 'static) -> (Project, Log<String>) {
    let log = Log::new();
    let records = log.clone();
    let server = RealtimeServer::new(KEY).tokens(move |token, _| {
        records.add(token.to_owned());
        check(token)
    });
    (Project::of(server), log)
}

#[test]
fn set_auth_reaches_joined_channels_once_and_later_joins() {
    let (project, seen) = recording(|_| Token::VALID);
    project.run(async {
        let client = project.spawn(Project::builder().access_token("one"));
        let room = client.channel("room").create().unwrap();
        let mut all = room.broadcasts();
        room.join().await.unwrap();
        client.set_auth("two");
        client.set_auth("two");
        project.seconds(1).await;
        assert_eq!(seen.all(), ["one", "two"]);
        project.link.cut();
        assert!(matches!(project.soon(all.next()).await, Some(StreamItem::Gap)));
        assert_eq!(seen.all(), ["one", "two", "two"]);
    });
}

#[test]
fn a_token_that_changed_is_sent_at_the_heartbeat() {
    let (project, seen) = recording(|_| Token::VALID);
    project.run(async {
        let runtime = project.time.runtime();
        let client = project.spawn(Project::builder().access_token_with(move || {
            let now = phx_client::Runtime::now(&runtime).since_epoch();
            async move { Ok(Some(if now < SECOND * 40 { "one" } else { "two" }.to_owned())) }
        }));
        client.channel("room").create().unwrap().join().await.unwrap();
        let room = client.channel("room2").create().unwrap();
        room.join().await.unwrap();
        project.seconds(49).await;
        assert_eq!(seen.all(), ["one", "one"], "the first room was dropped, and so left");
        project.seconds(2).await;
        assert_eq!(seen.all(), ["one", "one", "two"]);
        project.seconds(100).await;
        assert_eq!(seen.all().len(), 3, "the same token isn't sent again");
    });
}

#[test]
fn without_a_function_an_expired_token_ends_the_channel_and_it_says_so() {
    let (project, _) = recording(|_| Token::VALID);
    project.run(async {
        let client = project.spawn(Project::builder().access_token("one"));
        let room = client.channel("room").create().unwrap();
        let mut all = room.broadcasts();
        room.join().await.unwrap();
        project.shutdown("Token has expired 0 seconds ago");
        assert!(project.soon(all.next()).await.is_none(), "the stream ends");
        let Some(ChannelEnd::TokenExpired { error, because: NoNewToken::NoFunction }) = room.end()
        else {
            panic!("{:?}", room.end())
        };
        assert_eq!((error.code, &*error.message), (None, "Token has expired 0 seconds ago"));
        // With another token it can be joined again.
        client.set_auth("two");
        room.join().await.unwrap();
        assert_eq!(room.end(), None);
    });
}

#[test]
fn a_function_without_another_token_ends_the_channel() {
    let (project, seen) = recording(|_| Token::VALID);
    project.run(async {
        let builder = Project::builder().access_token_with(|| async { Ok(Some("one".to_owned())) });
        let room = project.spawn(builder).channel("room").create().unwrap();
        let mut all = room.broadcasts();
        room.join().await.unwrap();
        project.shutdown("Token has expired 0 seconds ago");
        assert!(project.soon(all.next()).await.is_none());
        let because = NoNewToken::SameToken;
        assert!(matches!(room.end(), Some(ChannelEnd::TokenExpired { because: it, .. }) if it == because));
        assert_eq!(seen.all(), ["one"], "no join with a token that has expired");
    });
}

#[test]
fn three_new_tokens_in_a_row_are_tried() {
    let (project, seen) = recording(|token| match token {
        "0" => Token::VALID,
        _ => Token::Expired { ago: SECOND },
    });
    project.run(async {
        let made = Arc::new(AtomicU32::new(0));
        let builder = Project::builder().heartbeat_interval(SECOND * 1000).access_token_with(move || {
            let token = made.fetch_add(1, Ordering::Relaxed).to_string();
            async move { Ok(Some(token)) }
        });
        let room = project.spawn(builder).channel("room").create().unwrap();
        let mut all = room.broadcasts();
        room.join().await.unwrap();
        project.shutdown("Token has expired 0 seconds ago");
        assert!(project.within(120, all.next()).await.is_none());
        let because = NoNewToken::ThreeRefused;
        assert!(matches!(room.end(), Some(ChannelEnd::TokenExpired { because: it, .. }) if it == because));
        assert_eq!(seen.all(), ["0", "1", "2", "3"]);
        assert!(project.elapsed() > SECOND * 5, "with backoff");
    });
}

#[test]
fn a_first_join_with_an_expired_token_asks_for_another_one() {
    let (project, _) = recording(|token| match token {
        "0" => Token::Expired { ago: SECOND },
        _ => Token::VALID,
    });
    project.run(async {
        let made = Arc::new(AtomicU32::new(0));
        let builder = Project::builder().access_token_with(move || {
            let token = made.fetch_add(1, Ordering::Relaxed).to_string();
            async move { Ok(Some(token)) }
        });
        let room = project.spawn(builder).channel("room").create().unwrap();
        let mut status = room.as_channel().status();
        let error = room.join().await.unwrap_err();
        let JoinCause::Rejected(cause) = &error.cause else { panic!("{error}") };
        assert_eq!(cause.code.as_deref(), Some("InvalidJWTToken"));
        while project.soon(status.next()).await != Some(ChannelState::Joined) {}
    });
}

#[test]
fn an_error_of_the_function_is_tried_again() {
    let project = Project::new();
    project.run(async {
        let made = Arc::new(AtomicU32::new(0));
        let builder = Project::builder().access_token_with(move || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            async move { if number < 2 { Err("offline".into()) } else { Ok(None) } }
        });
        let room = project.spawn(builder).channel("room").create().unwrap();
        room.join().await.unwrap();
    });
}

#[test]
fn a_join_error_is_an_expiry_by_its_code_alone() {
    for (reason, is_expiry) in [
        ("InvalidJWTToken: Token has expired 3 seconds ago", true),
        ("Fields `role` and `exp` are required in JWT", false),
        ("Token has expired 3 seconds ago", false),
    ] {
        let joins = Log::new();
        let seen = joins.clone();
        let project = Project::of(RealtimeServer::new(KEY).joins(move |join| {
            seen.add(join.token.clone());
            Err(reason.to_owned())
        }));
        project.run(async {
            let builder =
                Project::builder().access_token_with(|| async { Ok(Some("same".to_owned())) });
            let room = project.spawn(builder).channel("room").create().unwrap();
            let error = room.join().await.unwrap_err();
            assert!(matches!(error.cause, JoinCause::Rejected(_)), "{error}");
            project.seconds(60).await;
            // The same token again would be of no use after an expiry; another error may pass.
            let expired = matches!(room.end(), Some(ChannelEnd::TokenExpired { .. }));
            assert_eq!((expired, joins.all().len() > 2), (is_expiry, !is_expiry), "{reason}");
        });
    }
}
