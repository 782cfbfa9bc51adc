//! A wait for a script ends: when it has ended, at a mismatch, or at its deadline.

use std::time::Duration;

use phx_proto::{ChannelErrorCause, Config, Event, Instant, Payload};
use phx_testing::{ClientId, Script, Simulation};
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);

fn join(script: &Script, topic: &str) -> (Simulation, ClientId, phx_testing::Expectations) {
    let (server, expectations) = script.serve();
    let mut sim = Simulation::new(server);
    let ann = sim.client(Config::phoenix_cr());
    sim.set_latency(ann, SECOND);
    sim.with(ann, |socket, now| {
        socket.connect(now);
        let room = socket.channel(topic.to_owned(), Payload::empty()).unwrap();
        socket.join(now, room, None).unwrap();
    });
    (sim, ann, expectations)
}

fn seconds(sim: &Simulation) -> u64 {
    sim.now().saturating_duration_since(Instant::EPOCH).as_secs()
}

#[test]
fn it_ends_with_the_script() {
    let script = Script::new().expect_join("room:*").reply_ok(&json!({}));
    let (mut sim, _, expectations) = join(&script, "room:a");
    assert_eq!(sim.verify(&expectations, 60 * SECOND), Ok(()));
    // Two ways for the upgrade, one for the join.
    assert_eq!(seconds(&sim), 3);
}

#[test]
fn it_ends_at_a_mismatch() {
    let script = Script::new().expect_join("room:a").reply_ok(&json!({}));
    let (mut sim, _, expectations) = join(&script, "room:b");
    let mismatch = sim.verify(&expectations, 60 * SECOND).unwrap_err();
    assert_eq!(mismatch.at(), Some(sim.now()));
    assert_eq!(seconds(&sim), 3);
}

#[test]
fn it_ends_at_its_deadline() {
    let script = Script::new()
        .expect_join("room:*")
        .reply_ok(&json!({}))
        .expect_push("room:*", "new_msg")
        .no_reply();
    let (mut sim, _, expectations) = join(&script, "room:a");
    assert_eq!(
        sim.verify(&expectations, 20 * SECOND).unwrap_err().to_string(),
        r#"the script was not followed at 20 s, step 2 of 2:
  expected  push "new_msg" on "room:*"
  got       nothing
  before    join of "room:a" with {} at 3 s"#
    );
    assert_eq!(seconds(&sim), 20);
}

#[test]
fn without_a_reply_the_clients_own_timeout_comes() {
    let script = Script::new().expect_join("room:*").no_reply();
    let (mut sim, ann, expectations) = join(&script, "room:a");
    sim.verify(&expectations, 10 * SECOND).unwrap();
    let failed = sim.find_event(ann, 60 * SECOND, |event| {
        matches!(event, Event::JoinFailed { cause: ChannelErrorCause::TimedOut, .. })
    });
    assert!(failed.is_some());
}
