//! The client in one scenario, and what it cost.

mod channels;
mod connections;
mod echo;
mod flood;
mod in_flight;

use anyhow::{Context as _, bail};
use phx_tokio::Socket;

use crate::runtime::Runtime;

/// Runs the scenario that the command line names.
pub(crate) fn run(runtime: &str, scenario: &[&str]) -> anyhow::Result<()> {
    let runtime = Runtime::parse(runtime)?;
    let [name, args @ ..] = scenario else {
        bail!("no scenario is named");
    };
    let number = |index: usize| -> anyhow::Result<u64> {
        let arg = args.get(index).with_context(|| format!("`{name}` has too few numbers"))?;
        arg.parse().with_context(|| format!("`{arg}` isn't a number"))
    };
    match *name {
        "flood" => {
            let kind = match args.get(2).copied() {
                None => flood::Kind::Raw,
                Some("typed") => flood::Kind::Typed,
                Some(other) => bail!("a flood can be `typed`, but not `{other}`"),
            };
            flood::run(runtime, number(0)?, number(1)?, kind)
        }
        "bin" => flood::run(runtime, number(0)?, number(1)?, flood::Kind::Binary),
        "echo" => echo::run(runtime, number(0)?, number(1)?),
        "inflight" => in_flight::run(runtime, number(0)?),
        "chans" => channels::run(runtime, number(0)?, number(1)?),
        "conns" => connections::run(runtime, number(0)?, number(1)?, number(2)?),
        other => bail!("no scenario `{other}`"),
    }
}

/// A connected socket, made as a program would make it.
async fn connect(runtime: Runtime) -> anyhow::Result<Socket> {
    Ok(runtime.socket(&url()?).connect().await?)
}

fn url() -> anyhow::Result<String> {
    Ok(format!("ws://127.0.0.1:{}/socket", crate::server_port()?))
}
