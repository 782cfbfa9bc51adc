//! Shows under faults what the client promises: nothing lost, nothing doubled, nothing stuck.
//!
//! | `cargo xtask` | shows |
//! |---|---|
//! | `sim` | client cores and a server under virtual time, by the ten thousand: every promise is checked at every event |
//! | `herd` | very many clients whose server restarts: when they come back |
//! | `faults` | each fault of real connections and servers on every adapter: how soon it is noticed, and how soon all is well again |
//! | `hostile` | a server that attacks: what it does to other tasks, heartbeats, times and memory, on every adapter |
//! | `soak` | traffic under faults for as long as you like: nothing lost, nothing doubled, no memory growing |
//! | `suspend` | a connected client whose machine sleeps, as Linux shows it to a process |
//!
//! `docs/RELIABILITY.md` says what is promised and what isn't.

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
