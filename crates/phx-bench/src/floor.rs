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
//!
//! They run on tokio. Echoes and connections do so on the other runtimes as well, as `each@smol` or
//! `none@async-std`: what a runtime itself costs.

mod channels;
mod connections;
mod echo;
mod flood;
mod socket;

use anyhow::{Context as _, bail};

use crate::runtime::Runtime;

/// Runs the scenario that the command line names.
pub(crate) fn run(name: &str, scenario: &[&str]) -> anyhow::Result<()> {
    let (floor, runtime) = name.split_once('@').unwrap_or((name, "tokio"));
    let on = Runtime::parse(runtime)?;
    let [scenario, args @ ..] = scenario else {
        bail!("no scenario is named");
    };
    let number = |index: usize| -> anyhow::Result<u64> {
        let arg = args.get(index).with_context(|| format!("`{scenario}` has too few numbers"))?;
        arg.parse().with_context(|| format!("`{arg}` isn't a number"))
    };
    let label = name.to_owned();
    let costs = match (*scenario, floor, on) {
        ("flood", "none" | "decode" | "task", Runtime::Tokio) => {
            let kind = match floor {
                "none" => flood::Kind::None,
                "decode" => flood::Kind::Decode,
                _ => flood::Kind::Task,
            };
            vec![tokio()?.block_on(flood::run(number(0)?, number(1)?, kind))?]
        }
        ("bin", "none", Runtime::Tokio) => {
            vec![tokio()?.block_on(flood::run(number(0)?, number(1)?, flood::Kind::Binary))?]
        }
        ("echo", "each" | "batch", _) => {
            vec![on.run(echo::run(on, label, number(0)?, number(1)?, floor == "batch"))?]
        }
        ("chans", "task", Runtime::Tokio) => {
            tokio()?.block_on(channels::run(number(0)?, number(1)?))?
        }
        ("conns", "none", _) => {
            on.run(connections::run(on, label, number(0)?, number(1)?, number(2)?))?
        }
        (scenario, ..) => bail!("no floor `{name}` for `{scenario}`"),
    };
    costs.iter().try_for_each(|cost| cost.print())
}

fn tokio() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
