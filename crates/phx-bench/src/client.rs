//! The client in one scenario, and its costs.

mod channels;
mod connections;
mod echo;
mod flood;
mod in_flight;

use anyhow::bail;
use phx_tokio::TransportKind::{LongPoll, WebSocket};

use crate::measure::print;
use crate::runtime::Runtime;
use crate::scenario::Scenario;

/// Runs the scenario that the command line names.
pub(crate) fn run(runtime: &str, scenario: &[&str]) -> anyhow::Result<()> {
    let on = Runtime::parse(runtime)?;
    let scenario = Scenario::parse(scenario)?;
    let number = |index| scenario.number(index);
    print(&match scenario.name {
        "flood" => {
            let kind = match scenario.word(2) {
                None => flood::Kind::Raw,
                Some("typed") => flood::Kind::Typed,
                Some(other) => bail!("a flood can be `typed`, but not `{other}`"),
            };
            on.run(flood::run(on, WebSocket, number(0)?, number(1)?, kind))?
        }
        "bin" => on.run(flood::run(on, WebSocket, number(0)?, number(1)?, flood::Kind::Binary))?,
        "polled" => on.run(flood::run(on, LongPoll, number(0)?, number(1)?, flood::Kind::Raw))?,
        "echo" => on.run(echo::run(on, WebSocket, number(0)?, number(1)?))?,
        "posted" => on.run(echo::run(on, LongPoll, number(0)?, number(1)?))?,
        "inflight" => on.run(in_flight::run(on, number(0)?))?,
        "chans" => on.run(channels::run(on, number(0)?, number(1)?))?,
        "conns" => on.run(connections::run(on, number(0)?, number(1)?, number(2)?))?,
        other => bail!("no scenario `{other}`"),
    })
}
