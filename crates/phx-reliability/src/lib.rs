//! Shows under faults what the client promises: nothing lost, nothing doubled, nothing stuck.
//!
//! [`sim`] runs client cores against a server under virtual time, by the ten thousand; [`herd`]
//! restarts the server of very many clients. `docs/RELIABILITY.md` says what is promised and what isn't.

pub mod herd;
pub mod sim;
