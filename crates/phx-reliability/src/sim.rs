//! Simulated runs: random users, a server that misbehaves, and a network that fails, all in virtual
//! time.
//!
//! A run is a [`Plan`], which is made from its seed and is data: equal plans give equal runs, and a
//! plan that shows a violation can be made smaller and kept as a test. [`run`] carries a plan out and
//! checks every event that a client emits against what the users did and what the server saw; then
//! it ends all faults, and checks that everything recovers in time and that nothing is left behind.

mod campaign;
mod channels;
mod checker;
mod faults;
mod finish;
mod generate;
mod outcomes;
mod plan;
mod shrink;
mod users;
mod violation;
mod world;

pub use crate::ledger::room::JoinIs;
pub use campaign::{Args, campaign};
pub use plan::{Damage, Op, Plan, Push, PushEvent, Refuse, Settings, Step, Stray};
pub use shrink::shrink;
pub use violation::{Rule, Violation};
pub use world::{Outcome, Tamper, run, run_logged, run_tampered};
