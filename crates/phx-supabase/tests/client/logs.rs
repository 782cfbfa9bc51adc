//! What is logged, shown by `Debug` and said by errors: neither the key nor a token nor a payload, at any level.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use phx_client::SocketBuilder;
use phx_supabase::testing::{RealtimeServer, Token};
use phx_supabase::{Client, PostgresChanges};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::{Log, Project, SECOND};

/// Subscriber that records every event of this project's crates, with its level and target.
#[derive(Clone)]
struct Events(Log<String>);

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("phx_")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        self.0.add(fields.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut fields = Fields(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut fields);
        self.0.add(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }

    // As most subscribers write them: without quotes or escapes.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 += &format!(" {field}={value}");
    }
}

/// What no output may hold: of the key, the tokens and the payloads.
const SECRET: &str = "hush";

#[test]
fn neither_logs_nor_debug_nor_errors_show_a_key_a_token_or_a_payload() {
    let shown: Log<String> = Log::new();
    let _guard = tracing::subscriber::set_default(Events(shown.clone()));
    let server = RealtimeServer::new("hush-key").tokens(|token, _| match token {
        "hush-expired" => Token::Expired { ago: SECOND },
        _ => Token::VALID,
    });
    let server = server.joins(|join| match &*join.channel {
        "denied" => Err("Unauthorized: no rights".to_owned()),
        _ => Ok(()),
    });
    let project = Project::of(server);
    project.run(async {
        let made = Arc::new(AtomicU32::new(0));
        let builder = Client::builder("http://localhost", "hush-key")
            .param("log_level", "hush")
            .heartbeat_interval(SECOND)
            .access_token_with(move || {
                let number = made.fetch_add(1, Ordering::Relaxed);
                async move {
                    match number {
                        // The first join and the third heartbeat have trouble.
                        0 | 5 => Err("offline\u{1b}[2J".into()),
                        _ => Ok(Some(format!("hush-{number}"))),
                    }
                }
            });
        shown.add(format!("{builder:?}"));
        let (runtime, link) = (project.time.runtime(), project.link.clone());
        let log = shown.clone();
        let client = builder.spawn(move |endpoint| {
            let builder = SocketBuilder::new(endpoint).runtime(runtime).connector(link).seed(1);
            builder.logger(move |record| log.add(format!("{} {}", record.kind, record.message)))
        });
        let client = client.unwrap();
        let room = client.channel("room").ack(true).presence_key("ann").create().unwrap();
        let mut all = room.broadcasts();
        let wanted = PostgresChanges::all().filter("token=eq.7");
        let changes = room.on_postgres_changes::<Value>(wanted).unwrap();
        room.join().await.unwrap();
        room.track(&json!({ "secret": "hush" })).await.unwrap();
        room.send("cursor", &json!({ "secret": "hush" })).await.unwrap();
        let refused = room.send_stored("e", "hush", phx_supabase::Persist::Default).await;
        shown.add(format!("{refused:?}"));
        shown.add(format!("{client:?} {room:?} {all:?} {changes:?} {:?}", client.channel("other")));
        project.seconds(10).await;

        let denied = client.channel("denied").create().unwrap();
        let error = denied.join().await.unwrap_err();
        shown.add(format!("{error} {error:?} {:?} {:?}", error.cause, denied.end()));
        client.set_auth("hush-expired");
        project.shutdown("Token has expired 1 seconds ago");
        assert!(project.soon(all.next()).await.is_none());
        shown.add(format!("{:?} {:?}", room.end(), room.join().await));
        client.disconnect().await;

        let wrong = project.spawn(Client::builder("http://localhost", "hush-wrong"));
        let error = wrong.socket().wait_connected().await.unwrap_err();
        let error = phx_supabase::ConnectError::from(error);
        shown.add(format!("{error} {error:?}"));
    });
    let all = shown.all();
    for text in &all {
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    }
    let of = |start: &str| all.iter().filter(|text| text.contains(start)).count();
    assert!(of("phx_client") > 10, "{all:#?}");
    assert!(of("WARN phx_supabase::channel") >= 2, "{all:#?}");
    assert!(of("WARN phx_supabase::token") >= 1, "{all:#?}");
}
