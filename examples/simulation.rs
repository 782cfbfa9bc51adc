//! No sockets and no waiting: two cores and a server machine under virtual time.
//!
//! ```sh
//! cargo run --example simulation
//! ```
//!
//! Ann and Bob meet in a room. Ann's cable is pulled in silence; her heartbeat finds out, and
//! she comes back. A minute and a half pass in no time, and every run prints the same.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::time::Duration;

use phx_proto::{ChannelId, Config, Event, Payload};
use phx_testing::{ClientId, Simulation, demo_server};

fn main() -> Result<(), Box<dyn Error>> {
    let mut sim = Simulation::new(demo_server().build());
    let (ann, ann_room) = join(&mut sim, "ann", Duration::from_millis(20))?;
    let (bob, bob_room) = join(&mut sim, "bob", Duration::from_millis(80))?;
    let people = [(ann, "ann"), (bob, "bob")];
    run(&mut sim, &people, Duration::from_secs(1));

    say(&mut sim, ann, ann_room, "hello")?;
    run(&mut sim, &people, Duration::from_secs(1));

    show(&sim, "world", "ann's cable is pulled");
    sim.half_open(ann);
    say(&mut sim, bob, bob_room, "are you there?")?;
    run(&mut sim, &people, Duration::from_secs(90));

    say(&mut sim, ann, ann_room, "I was away")?;
    run(&mut sim, &people, Duration::from_secs(1));
    Ok(())
}

/// A client of this name, which is about to connect and join, over a line with this latency.
fn join(
    sim: &mut Simulation,
    name: &str,
    latency: Duration,
) -> Result<(ClientId, ChannelId), Box<dyn Error>> {
    let client = sim.client(Config::default());
    sim.set_latency(client, latency);
    let params = Payload::json(&serde_json::json!({ "name": name }))?;
    let room = sim.with(client, |core, now| -> Result<_, Box<dyn Error>> {
        let room = core.channel("room:lobby", params)?;
        core.connect(now);
        core.join(now, room, None)?;
        Ok(room)
    })?;
    Ok((client, room))
}

fn say(
    sim: &mut Simulation,
    client: ClientId,
    room: ChannelId,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    let payload = Payload::json(text)?;
    sim.with(client, |core, now| core.push(now, room, "shout", payload, None))?;
    Ok(())
}

/// Lets time pass in steps that are short enough to show when things happened.
fn run(sim: &mut Simulation, people: &[(ClientId, &str)], duration: Duration) {
    let end = sim.now() + duration;
    while sim.now() < end {
        sim.advance(Duration::from_millis(10));
        for (client, name) in people {
            for event in sim.events(*client) {
                match event {
                    Event::Opened { .. } => show(sim, name, "connected"),
                    Event::Joined { rejoined: false, .. } => show(sim, name, "joined"),
                    Event::Joined { .. } => {
                        show(sim, name, "joined again: something may be missing");
                    }
                    Event::Message { event, payload, .. } if &*event == "shout" => {
                        let text: String = payload.decode().unwrap_or_default();
                        show(sim, name, &format!("hears \"{text}\""));
                    }
                    Event::Closed { cause, .. } => show(sim, name, &cause.to_string()),
                    _ => {}
                }
            }
        }
    }
}

fn show(sim: &Simulation, who: &str, what: &str) {
    println!("{:>6.2} s  {who}: {what}", sim.now().since_epoch().as_secs_f64());
}
