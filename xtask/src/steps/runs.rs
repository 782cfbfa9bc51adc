//! Steps that run a program of the workspace, for a time that is acceptable in `ci`.

use crate::programs;
use crate::step::Outcome;

/// Runs over each transport: as many as take about half a minute together.
const DIFFERENTIAL_RUNS: [(&str, &str); 2] = [("websocket", "6000"), ("longpoll", "1500")];

/// Runs simulations under faults, and a herd of clients whose server restarts.
pub(crate) fn simulation() -> Outcome {
    programs::SIM.run(["--runs", "20000"])?;
    programs::HERD.run(["--clients", "10000"])?;
    Ok(None)
}

/// Runs the core and the official JavaScript client in the same random scripts, and compares them.
pub(crate) fn differential() -> Outcome {
    for (transport, runs) in DIFFERENTIAL_RUNS {
        programs::DIFFERENTIAL.run(["--transport", transport, "--runs", runs, "--seed", "1"])?;
    }
    let runs = DIFFERENTIAL_RUNS.map(|(transport, runs)| format!("{runs} runs over {transport}"));
    Ok(Some(runs.join(", ")))
}

/// Runs real faults on every adapter, as `cargo xtask faults`.
pub(crate) fn faults() -> Outcome {
    programs::FAULTS.run([])?;
    Ok(None)
}

/// Runs a hostile server against every adapter, as `cargo xtask hostile`.
pub(crate) fn hostile() -> Outcome {
    programs::HOSTILE.run([])?;
    Ok(None)
}

/// Runs the behaviour suite and the life of a page in a real browser, as `cargo xtask web`.
pub(crate) fn web() -> Outcome {
    programs::WEB.run([])?;
    Ok(None)
}

/// Runs traffic under faults for a minute after the warm-up, as `cargo xtask soak --minutes 1`, and then for a shorter
/// time over sockets that switch between WebSocket and long-poll.
pub(crate) fn soak() -> Outcome {
    programs::SOAK.run(["--minutes", "1"])?;
    programs::SOAK.run(["--switching", "--minutes", "0.2", "--fault-every-ms", "1000"])?;
    Ok(None)
}
