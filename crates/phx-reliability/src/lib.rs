//! Programs that show what this workspace's clients do under faults. Not published.
//!
//! | `cargo xtask` | shows |
//! |---|---|
//! | `faults` | each fault of real connections and servers on every adapter: how soon it is noticed, and how soon all is well again |
//! | `soak` | traffic under faults for as long as you like: nothing lost, nothing doubled, no memory growing |

mod adapters;
mod background;
pub mod faults;
mod ledger;
mod port;
pub mod serve;
pub mod soak;
