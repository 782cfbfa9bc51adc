//! Changes of the database.

use phx_client::{Frame, StreamItem};
use phx_supabase::testing::{self, Change as Row, Command};
use phx_supabase::{ChangeKind, ChannelEnd, JoinCause, PostgresChanges, PostgresError};
use serde::Deserialize;
use serde_json::json;

use crate::common::{Project, SECOND, message};

#[derive(Debug, PartialEq, Deserialize)]
struct Msg {
    id: u64,
    body: String,
}

fn change(project: &Project, row: &Row) {
    project.link.with_server(|server, now| testing::change(server, now, "realtime:room", row));
}

#[test]
fn each_stream_gets_the_changes_of_its_binding() {
    let project = Project::new();
    project.run(async {
        let room = project.client().channel("room").create().unwrap();
        let inserts = PostgresChanges::insert().table("msgs").filter("id=gt.5");
        let mut inserts = room.on_postgres_changes::<Msg>(inserts).unwrap();
        let mut all =
            room.on_postgres_changes::<Msg>(PostgresChanges::all().table("msgs")).unwrap();
        room.join().await.unwrap();
        assert!(room.on_postgres_changes::<Msg>(PostgresChanges::all()).is_err(), "too late");
        let before = project.elapsed();
        room.postgres_ready().await.unwrap();
        assert!(project.elapsed() > before, "the server says so later than the join");
        room.postgres_ready().await.unwrap();

        change(&project, &Row::insert("msgs", json!({ "id": 1, "body": "a" })));
        change(&project, &Row::insert("msgs", json!({ "id": 7, "body": "b" })));
        change(&project, &Row::insert("other", json!({ "id": 8 })));
        let new = json!({ "id": 7, "body": "c" });
        change(&project, &Row::update("msgs", new, json!({ "id": 7 })));
        change(&project, &Row::delete("msgs", json!({ "id": 7 })));

        let insert = message(project.soon(inserts.next()).await);
        assert_eq!(insert.record, Some(Msg { id: 7, body: "b".into() }));
        assert_eq!(
            (insert.kind, &*insert.table, insert.errors),
            (ChangeKind::Insert, "msgs", None)
        );
        let mut kinds = Vec::new();
        for _ in 0..4 {
            let change = message(project.soon(all.next()).await);
            kinds.push((change.kind, change.record.is_some(), change.old_record.is_some()));
        }
        let wanted = [
            (ChangeKind::Insert, true, false),
            (ChangeKind::Insert, true, false),
            (ChangeKind::Update, true, true),
            (ChangeKind::Delete, false, true),
        ];
        assert_eq!(kinds, wanted);

        // The ids stay right across a rejoin.
        project.link.cut();
        assert!(matches!(project.soon(inserts.next()).await, Some(StreamItem::Gap)));
        room.postgres_ready().await.unwrap();
        change(&project, &Row::insert("msgs", json!({ "id": 9, "body": 5 })));
        assert!(matches!(project.soon(inserts.next()).await, Some(StreamItem::Malformed(_))));
    });
}

#[test]
fn a_subscription_that_fails_is_an_error_with_the_servers_text() {
    let project = Project::new();
    project.run(async {
        let room = project.client().channel("room").create().unwrap();
        let _changes = room.on_postgres_changes::<Msg>(PostgresChanges::all()).unwrap();
        room.join().await.unwrap();
        project.command(&Command::System {
            extension: "postgres_changes".into(),
            status: "error".into(),
            message: "Unable to subscribe to changes with given parameters".into(),
        });
        let error = room.postgres_ready().await.unwrap_err();
        assert!(matches!(&error, PostgresError::NotSubscribed(_)), "{error}");
        assert!(error.to_string().contains("Unable to subscribe"), "{error}");
    });
}

#[test]
fn a_channel_without_changes_is_ready_and_a_closed_one_never_is() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        room.postgres_ready().await.unwrap();
        let other = project.client().channel("other").create().unwrap();
        let _changes = other.on_postgres_changes::<Msg>(PostgresChanges::all()).unwrap();
        other.join().await.unwrap();
        other.leave().await.unwrap();
        assert_eq!(other.postgres_ready().await, Err(PostgresError::Closed(None)));
    });
}

#[test]
fn other_bindings_in_the_reply_end_the_channel() {
    let project = Project::new();
    project.run(async {
        let room = project.client().channel("room").create().unwrap();
        let _changes =
            room.on_postgres_changes::<Msg>(PostgresChanges::all().table("msgs")).unwrap();
        project.link.set_latency(SECOND);
        let join = room.join();
        // The join's ref is the third number: the channel's params have the one before.
        project.time.sleep(SECOND * 2 + SECOND / 2).await;
        for reference in 1..6 {
            let reply = json!([
                reference.to_string(), reference.to_string(), "realtime:room", "phx_reply",
                { "status": "ok", "response": { "postgres_changes": [
                    { "id": 1, "event": "*", "schema": "public", "table": "users" }
                ] } }
            ]);
            project.link.inject(Frame::text(reply.to_string()));
        }
        let error = project.soon(join).await.unwrap_err();
        assert!(matches!(error.cause, JoinCause::Ended(ChannelEnd::BindingsDiffer)), "{error}");
        assert_eq!(room.end(), Some(ChannelEnd::BindingsDiffer));
    });
}
