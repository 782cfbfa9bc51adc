//! The picture of a bad night: a link that is dead at one end, a deploy of the server, and a channel that crashes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use phx_testing::{ClientId, Connectivity, Simulation, demo_server};
use phx_tokio::Payload;
use phx_tokio::proto::{ChannelId, Config};
use phx_tokio::recorder::{Recorder, Ring, RingLimits};

use crate::support::phx;

const SECOND: Duration = Duration::from_secs(1);

/// Pushes an event every `every`, `count` times.
fn push(sim: &mut Simulation, of: (ClientId, ChannelId), event: &str, every: Duration, count: u32) {
    let (client, channel) = of;
    for _ in 0..count {
        sim.with(client, |socket, now| {
            // A push that is refused is in the recording too.
            let _ = socket.push(now, channel, event.to_owned(), Payload::empty(), None);
        });
        sim.advance(every);
    }
}

/// Records the night.
fn night() -> Vec<u8> {
    let ring = Ring::new(RingLimits::default());
    let mut sim = Simulation::new(demo_server().build());
    let client = sim.client_by(Config::default(), |config, seed| {
        Recorder::from(ring.clone()).socket(config, seed)
    });
    sim.set_latency(client, Duration::from_millis(40));
    let (lobby, ticks) = sim.with(client, |socket, now| {
        socket.connect(now);
        let lobby = socket.channel("room:lobby", Payload::empty()).unwrap();
        let ticks = socket.channel("clock:utc", Payload::json(&slow()).unwrap()).unwrap();
        socket.join(now, lobby, None).unwrap();
        socket.join(now, ticks, None).unwrap();
        (lobby, ticks)
    });
    push(&mut sim, (client, lobby), "echo", 10 * SECOND, 9);

    // The cable is pulled: pushes time out, and after a while a heartbeat has no reply.
    sim.half_open(client);
    push(&mut sim, (client, lobby), "echo", 10 * SECOND, 4);
    push(&mut sim, (client, lobby), "echo", 15 * SECOND, 6);

    // The server is deployed, and its port is closed for half a minute.
    sim.with_server(|server, now| server.drain(now));
    sim.set_connectivity(client, Connectivity::Offline);
    sim.advance(30 * SECOND);
    sim.set_connectivity(client, Connectivity::Online);
    push(&mut sim, (client, lobby), "echo", 15 * SECOND, 5);

    // A channel crashes. Later the other one is left.
    push(&mut sim, (client, lobby), "a-bug", 20 * SECOND, 1);
    push(&mut sim, (client, lobby), "echo", 10 * SECOND, 3);
    sim.with(client, |socket, now| socket.leave(now, ticks, None)).unwrap();
    push(&mut sim, (client, lobby), "echo", 10 * SECOND, 3);
    sim.with(client, |socket, now| {
        socket.disconnect(now, phx_tokio::CloseCode::NORMAL, "").unwrap();
    });
    sim.advance(SECOND);
    drop(sim);
    ring.dump()
}

fn slow() -> serde_json::Value {
    serde_json::json!({ "interval_ms": 5_000 })
}

/// The test leaves the page in the target's directory for temporary files, for people to look at.
#[tokio::test]
async fn its_page_shows_the_half_open_link_the_drain_and_the_crash() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("night");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let of = |name: &str| folder.join(name).display().to_string();
    let (recording, page) = (of("night.jsonl"), of("night.html"));
    fs::write(&recording, night()).unwrap();
    let shown = phx(&["replay", &recording, "--html", &page]).await.well();
    assert!(shown.starts_with("same outputs: "), "{shown}");

    let html = fs::read_to_string(&page).unwrap();
    let happened = [
        "joined `room:lobby`",
        "no reply came in time",
        "no answer to a heartbeat came in time",
        "the server closed it with 1012; the next attempt",
        "joined `room:lobby`",
        "`a-bug`",
        "crashed",
        "joined `room:lobby`",
        "`clock:utc` is closed: it was left",
        "end of the session",
    ];
    let mut rest = &html[html.find("What happened").unwrap()..];
    for words in happened {
        let at = rest.find(words).unwrap_or_else(|| panic!("no `{words}` in order in {page}"));
        rest = &rest[at + words.len()..];
    }
    for part in ["class=\"up\"", "class=\"pending\"", "class=\"waiting\"", "class=\"request\""] {
        assert!(html.contains(&format!("<rect {part}")), "no {part} in {page}");
    }
}
