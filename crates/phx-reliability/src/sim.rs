//! Simulated runs: random users, a server that misbehaves, and a network that fails, in virtual time.
//!
//! A run is a [`Plan`]: data, generated from a seed. Equal plans give equal runs, and a plan that shows a violation
//! can be shrunk and kept as a test. [`run`] executes a plan and checks every event of a client against the users'
//! calls and the server's record. Then it ends all faults, and checks that everything recovers in time and that
//! nothing is left.

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
pub use world::{Outcome, Tamper, run, run_logged, run_recorded, run_tampered};
