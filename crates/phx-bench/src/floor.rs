//! What can't be had for less: the WebSocket library the client is built on, and as little around it
//! as does the same job.
//!
//! | floor | is |
//! |---|---|
//! | `none` | frames are read and counted |
//! | `decode` | and decoded by the core's serializer |
//! | `task` | frames are read, parsed by serde into borrowed parts, found a channel by one look-up, and sent to its task |
//! | `each` | echoes, with a flush for each push |
//! | `batch` | echoes, with a flush for as many pushes as there are |

mod channels;
mod connections;
mod echo;
mod flood;
mod socket;

use anyhow::{Context as _, bail};

/// Runs the scenario that the command line names.
pub(crate) fn run(floor: &str, scenario: &[&str]) -> anyhow::Result<()> {
    let [name, args @ ..] = scenario else {
        bail!("no scenario is named");
    };
    let number = |index: usize| -> anyhow::Result<u64> {
        let arg = args.get(index).with_context(|| format!("`{name}` has too few numbers"))?;
        arg.parse().with_context(|| format!("`{arg}` isn't a number"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let costs = match (*name, floor) {
        ("flood", "none" | "decode" | "task") => {
            let kind = match floor {
                "none" => flood::Kind::None,
                "decode" => flood::Kind::Decode,
                _ => flood::Kind::Task,
            };
            vec![runtime.block_on(flood::run(number(0)?, number(1)?, kind))?]
        }
        ("bin", "none") => {
            vec![runtime.block_on(flood::run(number(0)?, number(1)?, flood::Kind::Binary))?]
        }
        ("echo", "each" | "batch") => {
            vec![runtime.block_on(echo::run(number(0)?, number(1)?, floor == "batch"))?]
        }
        ("chans", "task") => runtime.block_on(channels::run(number(0)?, number(1)?))?,
        ("conns", "none") => {
            runtime.block_on(connections::run(number(0)?, number(1)?, number(2)?))?
        }
        (scenario, floor) => bail!("no floor `{floor}` for `{scenario}`"),
    };
    costs.iter().try_for_each(|cost| cost.print())
}
