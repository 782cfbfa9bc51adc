//! What errors of the server mean for a channel, by the table.

use phx_client::{ChannelState, StreamItem};
use phx_supabase::testing::RealtimeServer;
use phx_supabase::{ChannelEnd, JoinCause, RATE_LIMIT_PAUSE, RETRIES, Retry, ServerError};

use crate::common::{KEY, Log, Project, SECOND};

#[test]
fn codes_are_the_text_in_front_of_the_colon() {
    let error = ServerError::parse("Unauthorized: You do not have permissions: none");
    assert_eq!(error.code.as_deref(), Some("Unauthorized"));
    assert_eq!(error.message, "You do not have permissions: none");
    for text in ["Token has expired 0 seconds ago", ": x", "RPC call error: x", "x"] {
        let error = ServerError::parse(text);
        assert_eq!((error.code, &*error.message), (None, text));
    }
    let shown = ServerError::parse(&format!("A: {}\u{1b}[2J", "x".repeat(500))).to_string();
    assert!(shown.len() < 250 && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn each_row_of_the_table_is_found() {
    for (text, retry) in RETRIES {
        let as_code = ServerError::parse(&format!("{text}: because"));
        let as_text = ServerError::parse(&format!("{text} because"));
        assert_eq!(as_code.retry(), *retry, "{text}");
        assert_eq!(as_text.retry(), *retry, "{text}");
    }
    assert_eq!(ServerError::parse("SomethingNew: x").retry(), Retry::Backoff);
    assert_eq!(ServerError::parse("Unauthorized2: x").retry(), Retry::Backoff);
}

#[test]
fn unauthorized_and_private_only_stop() {
    for reason in ["Unauthorized: no", "PrivateOnly: This project only allows private channels"] {
        let joins = Log::new();
        let seen = joins.clone();
        let project = Project::of(RealtimeServer::new(KEY).joins(move |join| {
            seen.add(join.channel.clone());
            Err(reason.to_owned())
        }));
        project.run(async {
            let room = project.client().channel("room").create().unwrap();
            let error = room.join().await.unwrap_err();
            let JoinCause::Ended(ChannelEnd::Rejected(cause)) = &error.cause else {
                panic!("{error}")
            };
            assert_eq!(*cause, ServerError::parse(reason));
            assert!(error.to_string().contains(reason), "{error}");
            project.seconds(300).await;
            assert_eq!(joins.all().len(), 1);
        });
    }
}

#[test]
fn a_join_that_is_refused_for_a_while_is_tried_again() {
    for (reason, least, most) in [
        ("InitializingProjectConnection: Connecting to the project database", 0, 5),
        ("ClientJoinRateLimitReached: Too many joins per second", 30, 31),
    ] {
        let joins = Log::new();
        let seen = joins.clone();
        let project = Project::of(RealtimeServer::new(KEY).joins(move |_| {
            seen.add(());
            if seen.all().len() == 1 { Err(reason.to_owned()) } else { Ok(()) }
        }));
        project.run(async {
            let room = project.client().channel("room").create().unwrap();
            let mut status = room.as_channel().status();
            assert!(matches!(room.join().await.unwrap_err().cause, JoinCause::Rejected(_)));
            while project.soon(status.next()).await != Some(ChannelState::Joined) {}
            let elapsed = project.elapsed().as_secs();
            assert!((least..=most).contains(&elapsed), "{reason}: {elapsed} s");
        });
    }
}

#[test]
fn a_rate_limit_that_closes_a_channel_pauses_it() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut all = room.broadcasts();
        project.shutdown("Too many messages per second");
        assert!(matches!(project.soon(all.next()).await, Some(StreamItem::Gap)));
        assert!(
            project.elapsed() >= RATE_LIMIT_PAUSE && project.elapsed() < RATE_LIMIT_PAUSE + SECOND
        );
    });
}

#[test]
fn a_close_with_a_final_error_or_without_any_is_the_end() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut all = room.broadcasts();
        project.shutdown("You no longer have permission to read from this Channel topic: room");
        assert!(project.soon(all.next()).await.is_none());
        assert!(matches!(room.end(), Some(ChannelEnd::ClosedByServer(Some(_)))));
    });
}

#[test]
fn a_crash_is_survived() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut all = room.broadcasts();
        project.command(&phx_supabase::testing::Command::Crash);
        assert!(matches!(project.soon(all.next()).await, Some(StreamItem::Gap)));
    });
}
