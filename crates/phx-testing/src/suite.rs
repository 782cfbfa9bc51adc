//! Behaviour suite for every runtime and transport, over real sockets.
//!
//! The adapters of this workspace pass it, and you can check a custom runtime or transport
//! with it: implement [`Adapter`], and call [`run`] from a test without the usual harness. Every test runs once
//! for each transport of the adapter; a test that can't be about a transport is in the table with the reason.
//!
//! The server is this crate's [`Listener`](crate::listener::Listener), or a script, on separate threads, with any
//! adapter. Each test runs on a separate thread, and fails if it isn't done within [`LIMIT`]; so every wait in it
//! has a deadline. None of them sleeps.
//!
//! # Examples
//!
//! As `tests/suite.rs`, with `harness = false` in Cargo.toml:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use phx_client::websocket::WebSocketConfig;
//! use phx_client::StreamConnector;
//! use phx_client::{SocketBuilder, Endpoint};
//! use phx_testing::suite::{self, Adapter};
//!
//! struct Tokio;
//!
//! impl Adapter for Tokio {
//!     const NAME: &'static str = "phx-tokio";
//!
//!     fn block_on<F: Future<Output = ()>>(future: F) {
//!         let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
//!         runtime.expect("a runtime").block_on(future);
//!     }
//!
//!     fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
//!         let connector = StreamConnector::new(phx_tokio::TcpDialer::new()).with_config(config);
//!         phx_tokio::socket(endpoint).connector(connector)
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let reports = suite::run::<Tokio>(&suite::Selection::from_args(std::env::args().skip(1)));
//!     println!("{}", suite::table(&reports));
//!     if reports.iter().all(suite::Report::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
//! }
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use phx_client::TransportKind;

mod adapter;
mod credentials;
mod faults;
mod handles;
mod host;
mod load;
mod raw;
mod report;
mod runner;
mod story;
mod subject;
mod tls;

pub use adapter::Adapter;
pub use report::{Report, Verdict, table};
pub use runner::{Selection, run};

use subject::{LongPoll, Subject, WebSocket};

/// Time limit of a test.
pub const LIMIT: Duration = Duration::from_secs(40);

/// One test of one adapter over one transport.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Theme and promise, as in `story::a_push_has_its_reply`.
    pub name: &'static str,
    /// Reason why the transport can't have what the test is about. Such a test doesn't run.
    pub omitted: Option<&'static str>,
    /// True if no other test may run at the same time.
    pub(crate) alone: bool,
    pub(crate) test: fn(),
}

/// Lists the tests, each with the reason why it can't be about long-poll, if there is one; the compiler warns about
/// an unlisted test, since it is never used.
macro_rules! cases {
    (alone: $alone:literal; $($theme:ident { $($name:ident $(not over long-poll: $why:literal)?,)* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($theme), "::", stringify!($name)),
            omitted: not_over_long_poll::<S>(&[$($why)?]),
            alone: $alone,
            test: || S::block_on($theme::$name::<S>()),
        },)*)*]
    };
}

fn not_over_long_poll<S: Subject>(reason: &[&'static str]) -> Option<&'static str> {
    reason.first().copied().filter(|_| S::TRANSPORT == TransportKind::LongPoll)
}

/// Returns all tests over a transport, in the order of the list: the same for every adapter.
///
/// # Panics
///
/// If the suite doesn't know the transport.
#[must_use]
pub fn cases<A: Adapter>(transport: TransportKind) -> Vec<Case> {
    match transport {
        TransportKind::WebSocket => all::<WebSocket<A>>(),
        TransportKind::LongPoll => all::<LongPoll<A>>(),
        other => panic!("the suite has no tests over {other}"),
    }
}

fn all<S: Subject>() -> Vec<Case> {
    let mut all = cases! {
        alone: false;
        story {
            a_push_has_its_reply,
            an_error_reply_has_its_response,
            a_push_without_a_reply_times_out,
            a_broadcast_reaches_everybody,
            binary_payloads_go_both_ways,
            presences_come_and_go,
            a_rejected_join_has_its_response,
            a_left_channel_ends_its_streams,
            a_disconnect_has_its_code_and_reason,
            a_close_by_the_server_has_its_code_and_reason
                not over long-poll: "a session ends without a code: the server only forgets it",
            the_first_serializer_works_too,
            params_headers_and_token_reach_the_server,
        }
        handles {
            a_ping_measures_the_way,
            hooks_report_opening_and_closing,
            the_drop_of_the_last_handle_closes_the_connection,
            a_slow_stream_holds_back_and_loses_nothing,
            a_forgotten_stream_frees_the_others_and_the_connection_lives,
            many_sockets_share_a_runtime,
            the_longest_times_never_end,
            hooks_of_a_disconnect_have_run_when_its_future_is_done,
            hooks_of_a_refused_connect_have_run_when_its_future_is_done,
        }
        faults {
            after_a_cut_the_channel_rejoins_and_streams_have_a_gap,
            a_push_made_without_a_connection_is_sent_after_the_rejoin,
            a_sent_push_fails_when_the_connection_is_lost,
            a_server_that_restarts_is_found_again,
            a_crashed_channel_rejoins,
            a_half_open_connection_is_noticed_by_the_heartbeat
                not over long-poll: "a session has no heartbeats; a poll's deadline of 20 s is tested under virtual time",
            garbage_does_no_harm,
            nobody_listens,
            a_refusal_for_good_is_the_error_of_connect,
            a_server_that_says_nothing_is_given_up,
        }
        load {
            a_reader_that_pauses_loses_nothing,
        }
        credentials {
            every_attempt_has_its_own,
            a_token_that_the_server_ignores_is_reported_once
                not over long-poll: "no answer says whether the token was read",
        }
        tls {
            a_server_that_a_root_vouches_for,
            a_server_that_no_root_vouches_for,
            a_certificate_for_another_name,
            a_certificate_out_of_its_time,
            a_certificate_that_was_given,
            a_certificate_that_was_not_given,
            a_client_certificate_that_is_demanded,
        }
    };
    all.extend(cases! {
        alone: true;
        load {
            a_flood_whose_heartbeats_are_answered_late_loses_nothing
                not over long-poll: "a session has no heartbeats",
        }
    });
    all
}
