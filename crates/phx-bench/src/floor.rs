//! The floor: the WebSocket library the client is built on, and as little around it
//! as does the same job.
//!
//! | floor | is |
//! |---|---|
//! | `none` | frames are read and counted |
//! | `decode` | and decoded by the core's serializer |
//! | `task` | frames are read, parsed by serde into borrowed parts, found a channel by one look-up, and sent to its task |
//! | `each` | echoes, with a flush for each push |
//! | `batch` | echoes, with a flush for as many pushes as there are |
//!
//! They run on tokio. Echoes and connections do so on the other runtimes as well, as `each@smol` or
//! `none@async-std`: what a runtime itself costs.

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
