//! Handles, streams and one driver for Phoenix Channels, on any async runtime. (stub)
mod connector;
mod runtime;
pub use connector::{Connector, Transport};
pub use runtime::{BoxFuture, Runtime, Timer};
