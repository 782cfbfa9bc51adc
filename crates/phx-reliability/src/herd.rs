//! A herd: very many clients whose server restarts at once.
//!
//! They all lose their connection at the same moment. What keeps them from coming back at the same
//! moment is the jitter: each delay of the schedule is spread over half its length, a quarter either
//! way. So the first attempts of `N` clients come at `N` in half a second at the most, and later ones
//! at less, since the delays grow.

mod histogram;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use phx_proto::{CloseCode, Config, Event, Payload};
use phx_testing::{ClientId, Connectivity, Simulation, rooms};

pub use histogram::Histogram;

/// Restarts the server of very many clients, and shows when they come back.
///
/// Ends with 1 if more came back at a time than is promised, or not all of them in time.
#[derive(Clone, Debug, clap::Args)]
#[non_exhaustive]
pub struct Args {
    /// How many clients.
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// For how many seconds there is no server.
    #[arg(long, default_value_t = 10)]
    pub down: u64,
    /// Where to draw the attempts over time.
    #[arg(long, value_name = "FILE.svg")]
    pub svg: Option<PathBuf>,
}

/// What came of a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Herd {
    /// Attempts to connect over the time since the restart.
    pub attempts: Histogram,
    /// How many clients had rejoined in the end.
    pub rejoined: usize,
    /// When the last of them had.
    pub all_rejoined: Duration,
}

/// How finely the attempts are counted.
pub const SLICE: Duration = Duration::from_millis(100);

/// The longest that a client waits between two attempts: the last step of the schedule and a
/// quarter.
const LONGEST_WAIT: Duration = Duration::from_millis(12_500);

/// Runs, prints what came of it, and says whether it is as promised.
///
/// # Errors
///
/// If the drawing can't be written.
#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let down = Duration::from_secs(args.down);
    let herd = restart(args.clients, down);
    print!("{}", herd.attempts.lines());
    if let Some(path) = &args.svg {
        let svg = herd.attempts.svg(&format!(
            "{} clients whose server is away for {} s: attempts to connect",
            args.clients, args.down
        ));
        fs::write(path, svg).with_context(|| format!("can't write {}", path.display()))?;
    }
    let (peak, bound) = (herd.attempts.peak(), peak_bound(args.clients));
    let in_time = herd.all_rejoined <= down + LONGEST_WAIT && herd.rejoined == args.clients;
    println!(
        "herd: clients={} peak_per_100ms={peak} promised={bound} rejoined={} all_rejoined_after_s={:.1}",
        args.clients,
        herd.rejoined,
        herd.all_rejoined.as_secs_f64(),
    );
    Ok(peak <= bound && in_time)
}

/// How many attempts there may be in one [`SLICE`] at the most: the first step is a second, and its
/// jitter spreads it over half of that. Chance adds a little: four standard deviations.
#[must_use]
pub fn peak_bound(clients: usize) -> u64 {
    let mean = u64::try_from(clients / 5).unwrap_or(u64::MAX);
    mean.saturating_add(mean.isqrt().saturating_mul(4))
}

/// Lets clients with default settings connect and join, and restarts their server.
#[must_use]
pub fn restart(clients: usize, down: Duration) -> Herd {
    let mut sim = Simulation::new(rooms().build());
    let herd: Vec<ClientId> = (0..clients).map(|_| join(&mut sim)).collect();
    // Long enough for every connection to have proved stable.
    sim.advance(Duration::from_secs(20));
    for client in &herd {
        let _before = sim.events(*client);
        sim.set_connectivity(*client, Connectivity::Offline);
        sim.close(*client, CloseCode::RESTART);
    }

    let began = sim.now();
    let mut attempts = Histogram::new(SLICE);
    let (mut rejoined, mut all_rejoined) = (0, Duration::ZERO);
    let mut is_down = true;
    while rejoined < clients && sim.now() < began + down + LONGEST_WAIT * 2 {
        sim.advance(SLICE);
        let passed = sim.now().saturating_duration_since(began);
        if is_down && passed >= down {
            is_down = false;
            herd.iter().for_each(|client| sim.set_connectivity(*client, Connectivity::Online));
        }
        let mut count = 0;
        for client in &herd {
            for event in sim.events(*client) {
                match event {
                    // Nothing takes any time here: an attempt opens or fails at once.
                    Event::Opened { .. } | Event::Closed { was_open: false, .. } => count += 1,
                    Event::Joined { rejoined: true, .. } => {
                        rejoined += 1;
                        all_rejoined = passed;
                    }
                    _ => {}
                }
            }
        }
        attempts.push(count);
    }
    Herd { attempts, rejoined, all_rejoined }
}

fn join(sim: &mut Simulation) -> ClientId {
    let client = sim.client(Config::default());
    sim.with(client, |socket, now| {
        socket.connect(now);
        if let Ok(room) = socket.channel("room:lobby", Payload::empty()) {
            let _joined = socket.join(now, room, None);
        }
    });
    client
}
