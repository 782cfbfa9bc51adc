//! Scenarios and their rounds. A round runs every client once, so that noise affects all of them.

use anyhow::Context as _;

use super::host::Server;
use crate::measure::{Cost, complain};

/// Clients and floors in one scenario.
pub(super) struct Scenario {
    pub(super) name: String,
    /// Arguments of each scenario's command.
    commands: Vec<Vec<String>>,
    pinned: bool,
}

pub(super) const RUNTIMES: [&str; 3] = ["tokio", "async-std", "smol"];

/// Floors on every runtime, which show the costs of the runtime itself.
const EACH: [&str; 3] = ["each", "each@async-std", "each@smol"];
const NONE: [&str; 3] = ["none", "none@async-std", "none@smol"];

/// Floods of other sizes than the goals'.
const SIZES: [u64; 3] = [16, 1_024, 16_384];

/// Returns all scenarios; `quick` ones are shorter, but long enough for a ratio.
pub(super) fn all(quick: bool) -> Vec<Scenario> {
    let n = |full: u64| if quick { full / 4 } else { full };
    let mut all = vec![
        scenario("flood80", &["none", "decode", "task"], &["flood", &n(400_000).to_string(), "80"]),
        scenario("typed80", &[], &["flood", &n(400_000).to_string(), "80", "typed"]),
        scenario(
            "flood4k",
            &["none", "decode", "task"],
            &["flood", &n(40_000).to_string(), "4060"],
        ),
        scenario("bin", &["none"], &["bin", &n(400_000).to_string(), "100"]),
        scenario("echo1", &EACH, &["echo", &n(40_000).to_string(), "1"]).pinned(),
        scenario("echo64", &["each", "batch"], &["echo", &n(100_000).to_string(), "64"]).pinned(),
        scenario("conns", &NONE, &["conns", "1000", if quick { "2" } else { "5" }, "1000"])
            .pinned(),
    ];
    for channels in [1, 100, 1_000, 10_000_u64] {
        let args = ["chans", &channels.to_string(), &n(200_000).to_string()];
        all.push(scenario(&format!("chans{channels}"), &["task"], &args));
    }
    for size in SIZES {
        let args = ["flood", &(n(16_000_000) / (size + 400)).to_string(), &size.to_string()];
        all.push(scenario(&format!("size{size}"), &["none", "task"], &args));
    }
    all
}

/// Returns the scenarios of each way of recording.
#[cfg(feature = "recorder")]
pub(super) fn recorded(modes: &[&str]) -> Vec<Scenario> {
    [["flood", "200000", "80"], ["echo", "50000", "64"]]
        .into_iter()
        .map(|args| {
            let with = |mode: &&str| {
                let words = ["client", "--record", mode].into_iter().chain(args);
                words.map(str::to_owned).collect()
            };
            let commands = modes.iter().map(with).collect();
            Scenario { name: args.join(" "), commands, pinned: false }
        })
        .collect()
}

fn scenario(name: &str, floors: &[&str], args: &[&str]) -> Scenario {
    let with = |first: &[&str]| first.iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    let floors = floors.iter().map(|floor| with(&["floor", floor]));
    let clients = RUNTIMES.iter().map(|runtime| with(&["client", "--runtime", runtime]));
    Scenario { name: name.to_owned(), commands: floors.chain(clients).collect(), pinned: false }
}

impl Scenario {
    fn pinned(mut self) -> Self {
        self.pinned = true;
        self
    }
}

/// The medians of all rounds, one for each scenario and client.
pub(super) struct Medians(Vec<Cost>);

impl Medians {
    pub(super) fn rows(&self) -> &[Cost] {
        &self.0
    }

    pub(super) fn find(&self, scenario: &str, client: &str) -> Option<&Cost> {
        self.0.iter().find(|cost| cost.scenario == scenario && cost.client == client)
    }
}

/// Runs the scenarios, one after the other, each in `rounds` rounds.
pub(super) fn measure(scenarios: &[Scenario], rounds: u32) -> anyhow::Result<Medians> {
    let server = Server::start()?;
    let mut medians = Vec::new();
    for scenario in scenarios {
        complain(&format!("{}: {rounds} rounds of {}", scenario.name, scenario.commands.len()));
        let mut costs: Vec<Cost> = Vec::new();
        for _ in 0..rounds {
            for args in &scenario.commands {
                let ran = server.run(args, scenario.pinned);
                costs.extend(ran.with_context(|| format!("scenario {}", scenario.name))?);
            }
        }
        while let Some(first) = costs.first().cloned() {
            let same = |cost: &Cost| cost.scenario == first.scenario && cost.client == first.client;
            let runs: Vec<Cost> = costs.extract_if(.., |cost| same(cost)).collect();
            medians.push(median(&first, &runs));
        }
    }
    Ok(Medians(medians))
}

/// Returns the median of each figure, taken separately.
fn median(first: &Cost, runs: &[Cost]) -> Cost {
    let memory = |figure: fn(&Cost) -> Option<f64>| {
        let mut figures: Vec<f64> = runs.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied()
    };
    let of = |figure| memory(figure).unwrap_or_default();
    Cost {
        wall_s: of(|cost| Some(cost.wall_s)),
        rate: of(|cost| Some(cost.rate)),
        cpu_us: of(|cost| Some(cost.cpu_us)),
        user_us: of(|cost| Some(cost.user_us)),
        sys_us: of(|cost| Some(cost.sys_us)),
        allocs: of(|cost| Some(cost.allocs)),
        alloc_bytes: of(|cost| Some(cost.alloc_bytes)),
        rss_mib: memory(|cost| cost.rss_mib),
        rss_each_kib: memory(|cost| cost.rss_each_kib),
        ..first.clone()
    }
}
