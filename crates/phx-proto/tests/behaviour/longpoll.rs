//! The long-poll session: PROTOCOL's facts about it one by one, every state with every answer, and the recordings.

mod answers;
mod any_order;
mod batches;
mod creation;
mod drive;
mod memory;
mod polls;
mod posts;
mod recordings;
mod table;
mod tokens;
