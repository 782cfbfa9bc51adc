//! Supabase's official clients, npm's `@supabase/realtime-js` and Python's `realtime`, against the server kit's
//! listener. `cargo xtask supabase` runs them.
//!
//! | story | holds |
//! |---|---|
//! | `story.mjs` | join, broadcasts both ways (JSON, bytes, none, with metadata, as text), presence, changes of rows with a filter, a new token, a cut connection and the rejoin, leave |
//! | `story.py` | the same without bytes, which the Python client doesn't have |
//! | `room.mjs`, `room.py` | one room with each other and with phx-supabase: each sees what the others send, over the socket and by HTTP |
//!
//! `codec.mjs` is the serializer of the JavaScript client, for random messages. The programs are in `tests/judges/`; here
//! is what each must report, line by line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod codec;
mod judge;
mod room;
mod stories;
