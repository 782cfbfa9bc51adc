//! Presence: tracked, tracked again, and untracked.

use phx_client::{PresenceChange, PresenceItem};
use phx_supabase::SendError;
use serde_json::{Value, json};

use crate::common::Project;

#[test]
fn a_presence_is_tracked_again_after_a_rejoin() {
    let project = Project::new();
    project.run(async {
        let ann = project.client().channel("room").presence_key("ann").create().unwrap();
        ann.join().await.unwrap();
        let other = another_client(&project);
        let bob = other.channel("room").create().unwrap();
        let presence = bob.presence::<Value>().unwrap();
        let mut changes = presence.changes();
        bob.join().await.unwrap();
        ann.track(&json!({ "a": 1 })).await.unwrap();

        let mut seen = Vec::new();
        let mut wait_for = async |seen: &mut Vec<String>, wanted: usize| {
            while seen.len() < wanted {
                match project.soon(changes.next()).await {
                    Some(PresenceItem::Change(PresenceChange::Joined { key, .. })) => {
                        seen.push(format!("+{key}"));
                    }
                    Some(PresenceItem::Change(PresenceChange::Left { key, .. })) => {
                        seen.push(format!("-{key}"));
                    }
                    Some(_) => {}
                    None => panic!("{seen:?}"),
                }
            }
        };
        wait_for(&mut seen, 1).await;
        assert_eq!(seen, ["+ann"]);
        // Ann's line breaks; bob's doesn't.
        project.link.cut();
        wait_for(&mut seen, 3).await;
        assert_eq!(seen, ["+ann", "-ann", "+ann"]);
        ann.untrack().await.unwrap();
        wait_for(&mut seen, 4).await;
        assert_eq!(seen[3], "-ann");
        // What isn't tracked any more isn't tracked again.
        project.link.cut();
        project.seconds(20).await;
        assert!(presence.is_empty());
    });
}

/// A client on a line of another device.
fn another_client(project: &Project) -> phx_supabase::Client {
    let link = project.link.new_client();
    let runtime = project.time.runtime();
    Project::builder()
        .spawn(move |endpoint| {
            phx_client::SocketBuilder::new(endpoint).runtime(runtime).connector(link)
        })
        .unwrap()
}

#[test]
fn presence_is_turned_on_before_the_join() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        assert!(room.presence::<Value>().is_err());
        let other = project.client().channel("other").create().unwrap();
        let presence = other.presence::<Value>().unwrap();
        other.join().await.unwrap();
        other.track(&json!({})).await.unwrap();
        assert!(other.presence::<Value>().is_ok());
        assert_eq!(presence.len(), 1);
    });
}

#[test]
fn what_is_tracked_is_an_object() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        assert!(matches!(room.track(&5).await, Err(SendError::NotAnObject)));
        let unjoined = project.client().channel("other").create().unwrap();
        assert!(matches!(unjoined.track(&json!({})).await, Err(SendError::Push(_))));
    });
}
