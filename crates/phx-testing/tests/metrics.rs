//! What a client reports to a recorder of the `metrics` crate.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use phx_testing::demo_server;
use phx_testing::in_memory::VirtualTime;
use serde_json::{Value, json};

/// What was reported, by name and labels: the sum of a counter; the values of a histogram.
#[derive(Clone, Debug, Default)]
struct Reported(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

#[derive(Debug)]
struct One(Reported, String);

impl One {
    fn add(&self, value: f64) {
        self.0.0.lock().unwrap().entry(self.1.clone()).or_default().push(value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, _: u64) {
        panic!("the client only adds");
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

fn name(key: &Key) -> String {
    key.labels().fold(key.name().to_owned(), |name, label| {
        format!("{name} {}={}", label.key(), label.value())
    })
}

impl Recorder for Reported {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(One(self.clone(), name(key))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("the client has no gauges");
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(One(self.clone(), name(key))))
    }
}

impl Reported {
    #[track_caller]
    fn sum(&self, name: &str) -> f64 {
        let reported = self.0.lock().unwrap();
        reported.get(name).unwrap_or_else(|| panic!("no {name} in {reported:?}")).iter().sum()
    }

    #[track_caller]
    fn values(&self, name: &str) -> Vec<f64> {
        let reported = self.0.lock().unwrap();
        reported.get(name).cloned().unwrap_or_else(|| panic!("no {name} in {reported:?}"))
    }
}

/// A line of 100 ms each way: two pushes with replies, two without, a link that dies, and a reconnect.
fn session(reported: &Reported) {
    metrics::with_local_recorder(reported, || {
        let time = VirtualTime::new();
        let link = time.link(demo_server().build());
        time.run(async {
            link.set_latency(Duration::from_millis(100));
            let socket = link.socket().connect().await.unwrap();
            let room = socket.channel("room:lobby").join().await.unwrap();
            room.push("echo", &json!({ "key": "hush" })).reply().await.unwrap();
            room.push("fail", &json!({ "key": "hush" })).reply().await.unwrap();
            let mut shouts = room.on::<Value>("shout");
            room.push("shout", &json!({ "key": "hush" })).detach().unwrap();
            shouts.next().await.unwrap();
            time.sleep(Duration::from_secs(40)).await;
            link.half_open();
            let second = Duration::from_secs(1);
            let lost = room.push_with_timeout(second, "echo", &1).reply().await;
            assert!(lost.is_err(), "{lost:?}");
            time.sleep(Duration::from_secs(60)).await;
            socket.disconnect().await;
            time.sleep(Duration::from_secs(1)).await;
        });
    });
}

#[test]
fn counters_and_times_of_a_session() {
    let reported = Reported::default();
    session(&reported);
    let sums = [
        ("phx_client_connect_attempts_total", 2.0),
        ("phx_client_connections_opened_total", 2.0),
        ("phx_client_connections_closed_total cause=heartbeat_timeout", 1.0),
        ("phx_client_connections_closed_total cause=disconnected", 1.0),
        ("phx_client_joins_sent_total", 2.0),
        ("phx_client_pushes_total", 4.0),
        ("phx_client_messages_total", 1.0),
        ("phx_client_heartbeats_missed_total", 1.0),
        // The join that was called, and a push.
        ("phx_client_requests_total outcome=ok", 2.0),
        ("phx_client_requests_total outcome=error", 1.0),
        // The server doesn't reply to a shout.
        ("phx_client_requests_total outcome=timed_out", 2.0),
    ];
    for (name, sum) in sums {
        let found = reported.sum(name);
        assert!((found - sum).abs() < f64::EPSILON, "{name}: {found}");
    }
    assert!(
        reported.sum("phx_client_sent_bytes_total") > reported.sum("phx_client_frames_sent_total")
    );
    let there_and_back = |name: &str, count: usize| {
        let values = reported.values(name);
        assert_eq!(values.len(), count, "{name}: {values:?}");
        assert!(values.iter().all(|value| (0.19..0.41).contains(value)), "{name}: {values:?}");
    };
    there_and_back("phx_client_connect_seconds", 2);
    there_and_back("phx_client_join_seconds", 2);
    there_and_back("phx_client_push_seconds", 2);
    assert!(!reported.values("phx_client_heartbeat_seconds").is_empty());
}

/// Names and labels are a short list, whatever a session's topics, events and payloads are.
#[test]
fn nothing_of_a_session_is_in_a_name_or_a_label() {
    let reported = Reported::default();
    session(&reported);
    let reported = reported.0.lock().unwrap();
    for name in reported.keys() {
        for part in ["room", "lobby", "echo", "shout", "hush", "memory"] {
            assert!(!name.contains(part), "{name}");
        }
    }
    assert!(reported.len() < 40, "{reported:?}");
}

/// GUIDE's table has every name, and no other.
#[test]
fn the_guide_has_the_names() {
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let names = |text: &str, before: char| {
        let found = text.split(before).filter(|part| part.starts_with("phx_client_"));
        let mut names: Vec<String> = found
            .map(|part| part.split(|c: char| c != '_' && !c.is_ascii_lowercase()).next().unwrap())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let source = names(&read("../phx-client/src/driver/dispatch/meter.rs"), '"');
    let guide = names(&read("../../docs/GUIDE.md"), '`');
    assert!(source.len() > 15, "{source:?}");
    assert_eq!(source, guide);
}
