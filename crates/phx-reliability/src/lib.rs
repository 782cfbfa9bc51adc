//! Tests of the client's promises under faults: no message lost, doubled or stuck.
//!
//! | `cargo xtask` | shows |
//! |---|---|
//! | `sim` | thousands of simulated runs of clients and a server in virtual time; every promise is checked at every event |
//! | `herd` | the times at which thousands of clients reconnect after their server restarted |
//! | `faults` | each fault of real connections and servers on every adapter: the time until it is noticed, and until recovery |
//! | `hostile` | the effects of an attacking server on other tasks, heartbeats, times and memory, on every adapter |
//! | `soak` | traffic under faults for any length of time: nothing lost or doubled, and no growth of memory |
//! | `suspend` | a connected client whose machine sleeps, in a time namespace of Linux |
//!
//! `docs/RELIABILITY.md` lists the promises, and what isn't promised.

mod adapters;
mod background;
pub mod faults;
pub mod herd;
pub mod hostile;
mod ledger;
mod matrix;
mod memory;
mod port;
mod process;
pub mod serve;
pub mod sim;
pub mod soak;
pub mod suspend;
