//! The WebSocket transport over real sockets: each module is one behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what goes wrong in the script of a test fails the test"
)]

mod common;

mod backpressure;
mod broken_pipe;
mod close;
mod echo;
mod flood;
mod limits;
mod ping;
mod refusal;
mod request;
mod response_headers;
mod silence;
mod subprotocol;
#[cfg(feature = "tls")]
mod tls;
mod unreachable;
#[cfg(not(feature = "tls"))]
mod without_tls;
mod wrong_answer;
