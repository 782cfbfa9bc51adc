//! Floors: the same jobs with the WebSocket library alone, and as little code around it as possible.
//!
//! | floor | does |
//! |---|---|
//! | `none` | reads frames and counts them |
//! | `decode` | the same, and decodes them with the core's serializer |
//! | `task` | reads frames, parses them with serde into borrowed parts, finds the channel by one look-up, and sends them to its task |
//! | `each` | echoes, with a flush for each push |
//! | `batch` | echoes, with one flush for all pushes that are ready |
//!
//! Floors run on tokio. Those of echoes and connections run on the other runtimes as well, as `each@smol` or
//! `none@async-std`, which shows the costs of the runtime itself.

mod channels;
mod connections;
mod echo;
mod flood;
mod socket;

use anyhow::bail;

use crate::measure::print;
use crate::runtime::Runtime;
use crate::scenario::Scenario;

/// Runs the scenario that the command line names.
pub(crate) fn run(name: &str, scenario: &[&str]) -> anyhow::Result<()> {
    let (floor, runtime) = name.split_once('@').unwrap_or((name, "tokio"));
    let on = Runtime::parse(runtime)?;
    let scenario = Scenario::parse(scenario)?;
    let number = |index| scenario.number(index);
    let label = name.to_owned();
    print(&match (scenario.name, floor, on) {
        ("flood", "none" | "decode" | "task", Runtime::Tokio) => {
            let kind = match floor {
                "none" => flood::Kind::None,
                "decode" => flood::Kind::Decode,
                _ => flood::Kind::Task,
            };
            tokio()?.block_on(flood::run(number(0)?, number(1)?, kind))?
        }
        ("bin", "none", Runtime::Tokio) => {
            tokio()?.block_on(flood::run(number(0)?, number(1)?, flood::Kind::Binary))?
        }
        ("echo", "each" | "batch", _) => {
            on.run(echo::run(on, label, number(0)?, number(1)?, floor == "batch"))?
        }
        ("chans", "task", Runtime::Tokio) => {
            tokio()?.block_on(channels::run(number(0)?, number(1)?))?
        }
        ("conns", "none", _) => {
            on.run(connections::run(on, label, number(0)?, number(1)?, number(2)?))?
        }
        (scenario, ..) => bail!("no floor `{name}` for `{scenario}`"),
    })
}

fn tokio() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
