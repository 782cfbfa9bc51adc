//! A game: sixty ticks a second, and in each of them one turn of the core, which never blocks.
//!
//! ```sh
//! cargo run --example game_loop
//! ```
//!
//! A player walks through `room:arena` and broadcasts each position with `shout`; the server sends each
//! position to all, us included. Ends by itself after three seconds, and prints what the network cost
//! of a tick.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant as Clock};

use phx_proto::{Config, Endpoint, Event, Payload, Socket};
use support::embedded_server;
use support::link::Driver;

const TICK: Duration = Duration::from_nanos(1_000_000_000 / 60);
const TICKS: u32 = 180;
/// The player moves in every sixth tick.
const STEP: u32 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::parse(&embedded_server()?)?;
    let mut driver = Driver::new(Socket::new(Config::default(), 1), endpoint);
    let (now, core) = (driver.now(), &mut driver.core);
    let arena = core.channel("room:arena", Payload::empty())?;
    core.connect(now);
    core.join(now, arena, None)?;

    let mut world = World::default();
    let mut longest = Duration::ZERO;
    let begun = Clock::now();
    for tick in 1..=TICKS {
        let network = Clock::now();
        driver.turn();
        while let Some(event) = driver.core.poll_event() {
            match event {
                Event::Joined { .. } => world.joined_in = Some(tick),
                Event::Message { payload, .. } => {
                    world.seen += 1;
                    world.position = payload.decode()?;
                }
                Event::Closed { cause, .. } => println!("tick {tick}: {cause}"),
                _ => {}
            }
        }
        // The game's own work. Moves are pushed only while joined: an old position is worth nothing.
        if world.joined_in.is_some() && tick % STEP == 0 && tick < TICKS - STEP {
            world.moves += 1;
            let position = Payload::json(&(world.moves, tick))?;
            let now = driver.now();
            driver.core.push(now, arena, "shout", position, None)?;
        }
        // What it led to goes out in the same tick.
        driver.turn();
        longest = longest.max(network.elapsed());
        thread::park_timeout((begun + TICK * tick).saturating_duration_since(Clock::now()));
    }

    let World { joined_in, moves, seen, position } = world;
    println!("joined in tick {}", joined_in.ok_or("never joined")?);
    println!("{moves} moves sent, {seen} positions seen, the last {position:?}");
    println!("the network took {longest:?} of a tick of {TICK:?} at the most");
    if seen == moves { Ok(()) } else { Err("a position is missing".into()) }
}

#[derive(Default)]
struct World {
    joined_in: Option<u32>,
    moves: u32,
    seen: u32,
    position: (u32, u32),
}
