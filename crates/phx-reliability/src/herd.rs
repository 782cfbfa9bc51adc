//! A herd: many clients whose server restarts at once.
//!
//! All clients lose their connection at the same moment. Jitter keeps them from reconnecting at the same moment:
//! each delay of the schedule is spread over half its length, a quarter either way. So the first attempts of `N`
//! clients come at a rate of at most `N` in half a second, and later ones more slowly, since the delays grow.

use std::fmt::Write as _;
use std::time::Duration;

use phx_proto::{CloseCode, Config, Event, Payload};
use phx_testing::{ClientId, Connectivity, Simulation, demo_server};

/// Restart the server of thousands of clients, and show when they reconnect.
///
/// Exits with 1 if more reconnect at the same time than is promised, or if not all of them do in time.
#[derive(Clone, Copy, Debug, clap::Args)]
#[non_exhaustive]
pub struct Args {
    /// Number of clients
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// Seconds without a server
    #[arg(long, default_value_t = 10)]
    pub down: u64,
}

/// The result of a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Herd {
    /// Attempts to connect since the restart, in each [`SLICE`] of time.
    pub attempts: Vec<u64>,
    /// Number of clients that had rejoined at the end.
    pub rejoined: usize,
    /// Time at which the last client had rejoined.
    pub all_rejoined: Duration,
}

/// Width of a slot in which attempts are counted.
pub const SLICE: Duration = Duration::from_millis(100);

/// Longest time between two attempts of a client: the last step of the schedule and a quarter.
const LONGEST_WAIT: Duration = Duration::from_millis(12_500);

/// Runs the herd, prints the result, and returns true if it is as promised.
#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#[must_use]
pub fn run(args: &Args) -> bool {
    let down = Duration::from_secs(args.down);
    let herd = restart(args.clients, down);
    print!("{}", lines(&herd.attempts));
    let (peak, bound) =
        (herd.attempts.iter().copied().max().unwrap_or_default(), peak_bound(args.clients));
    let in_time = herd.all_rejoined <= down + LONGEST_WAIT && herd.rejoined == args.clients;
    println!(
        "herd: clients={} peak_per_100ms={peak} promised={bound} rejoined={} all_rejoined_after_s={:.1}",
        args.clients,
        herd.rejoined,
        herd.all_rejoined.as_secs_f64(),
    );
    peak <= bound && in_time
}

/// Returns the promised limit of attempts in one [`SLICE`]: the first step is a second, and its jitter spreads it
/// over half of that. Chance adds a little: four standard deviations.
#[must_use]
pub fn peak_bound(clients: usize) -> u64 {
    let mean = u64::try_from(clients / 5).unwrap_or(u64::MAX);
    mean.saturating_add(mean.isqrt().saturating_mul(4))
}

/// Connects and joins clients with default settings, and restarts their server.
#[must_use]
pub fn restart(clients: usize, down: Duration) -> Herd {
    let mut sim = Simulation::new(demo_server().build());
    let herd: Vec<ClientId> = (0..clients).map(|_| join(&mut sim)).collect();
    // Long enough for every connection to count as stable.
    sim.advance(Duration::from_secs(20));
    for client in &herd {
        let _before = sim.events(*client);
        sim.set_connectivity(*client, Connectivity::Offline);
        sim.close(*client, CloseCode::RESTART);
    }

    let began = sim.now();
    let mut attempts = Vec::new();
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
                    // Attempts take no time here: they open or fail at once.
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

/// Returns a line for each slice with attempts: its start, a bar, and the count.
#[must_use]
pub fn lines(counts: &[u64]) -> String {
    let (peak, mut text) = (counts.iter().copied().max().unwrap_or_default(), String::new());
    for (at, count) in (0_u32..).zip(counts).filter(|(_, count)| **count > 0) {
        let bar = "#".repeat(usize::try_from(count * 60 / peak).unwrap_or_default().max(1));
        let _infallible =
            writeln!(text, "{:>6.1} s  {bar:<60} {count}", (SLICE * at).as_secs_f64());
    }
    text
}
