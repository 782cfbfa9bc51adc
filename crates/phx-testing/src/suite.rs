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
//! Where a client's program can't have a server, as in a web page, that program has the feature `cases`: it implements
//! [`Stage`], and [`start`]s the tests. Their [`Order`]s travel to a [`Host`] in another program, which has the feature
//! `suite`.
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

use futures::future::LocalBoxFuture;

mod credentials;
mod faults;
mod handles;
mod load;
mod order;
mod report;
mod server;
mod stage;
mod story;

#[cfg(feature = "suite")]
mod adapter;
#[cfg(feature = "suite")]
mod flood;
#[cfg(feature = "suite")]
mod host;
#[cfg(feature = "suite")]
mod raw;
#[cfg(feature = "suite")]
mod runner;
#[cfg(feature = "suite")]
mod subject;
#[cfg(feature = "suite")]
mod tls;

pub use order::{Answer, Connect, End, Flood, Order, ServerKind};
pub use report::{Report, Verdict, table};
pub use stage::{Site, Stage};

#[cfg(feature = "suite")]
pub use adapter::Adapter;
#[cfg(feature = "suite")]
pub use host::Host;
#[cfg(feature = "suite")]
pub use runner::{Selection, run};

/// Time limit of a test.
pub const LIMIT: Duration = Duration::from_secs(40);

/// One test, on any stage.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Theme and promise, as in `story::a_push_has_its_reply`.
    pub name: &'static str,
    /// Reason why the test can't be about long-poll, if there is one.
    pub not_over_long_poll: Option<&'static str>,
    /// Reason why the test can't be about a client in a web page or a worker, if there is one.
    pub not_in_a_page: Option<&'static str>,
    /// True if no other test may run at the same time.
    pub alone: bool,
}

/// A test that was started. It passes if it comes to its end, and fails by a panic.
pub type Test = LocalBoxFuture<'static, ()>;

/// The list of the tests, given to another macro, with the reasons where one can't be about long-poll or a page; the
/// compiler warns about an unlisted test, since it is never used.
macro_rules! list {
    ($use:ident) => {
        $use! {
            story {
                a_push_has_its_reply;
                an_error_reply_has_its_response;
                a_push_without_a_reply_times_out;
                a_broadcast_reaches_everybody;
                binary_payloads_go_both_ways;
                presences_come_and_go;
                a_rejected_join_has_its_response;
                a_left_channel_ends_its_streams;
                a_disconnect_has_its_code_and_reason;
                a_close_by_the_server_has_its_code_and_reason
                    not_over_long_poll "a session ends without a code: the server only forgets it";
                the_first_serializer_works_too;
                params_and_token_reach_the_server;
                headers_reach_the_server
                    not_in_a_page "a page can't send headers with a WebSocket";
            }
            handles {
                a_ping_measures_the_way;
                hooks_report_opening_and_closing;
                the_drop_of_the_last_handle_closes_the_connection;
                a_slow_stream_holds_back_and_loses_nothing;
                a_forgotten_stream_frees_the_others_and_the_connection_lives;
                many_sockets_share_a_runtime;
                the_longest_times_never_end;
                hooks_of_a_disconnect_have_run_when_its_future_is_done;
                hooks_of_a_refused_connect_have_run_when_its_future_is_done
                    not_in_a_page "a page can't see a refusal, so none is final";
            }
            faults {
                after_a_cut_the_channel_rejoins_and_streams_have_a_gap;
                a_push_made_without_a_connection_is_sent_after_the_rejoin;
                a_sent_push_fails_when_the_connection_is_lost;
                a_server_that_restarts_is_found_again;
                a_crashed_channel_rejoins;
                a_half_open_connection_is_noticed_by_the_heartbeat
                    not_over_long_poll "a session has no heartbeats; a poll's deadline of 20 s is tested under virtual time";
                garbage_does_no_harm;
                nobody_listens;
                a_refusal_for_good_is_the_error_of_connect
                    not_in_a_page "a page can't see a refusal, so none is final";
                a_server_that_says_nothing_is_given_up;
            }
            load {
                a_reader_that_pauses_loses_nothing;
                a_flood_whose_heartbeats_are_answered_late_loses_nothing
                    not_over_long_poll "a session has no heartbeats"
                    alone true;
            }
            credentials {
                every_attempt_has_its_own;
                a_token_that_the_server_ignores_is_reported_once
                    not_over_long_poll "no answer says whether the token was read"
                    not_in_a_page "a browser refuses an answer without a subprotocol";
            }
        }
    };
}

/// The list of the tests of TLS, which no page has settings for.
macro_rules! list_of_tls {
    ($use:ident) => {
        $use! {
            tls {
                a_server_that_a_root_vouches_for not_in_a_page NO_TLS;
                a_server_that_no_root_vouches_for not_in_a_page NO_TLS;
                a_certificate_for_another_name not_in_a_page NO_TLS;
                a_certificate_out_of_its_time not_in_a_page NO_TLS;
                a_certificate_that_was_given not_in_a_page NO_TLS;
                a_certificate_that_was_not_given not_in_a_page NO_TLS;
                a_client_certificate_that_is_demanded not_in_a_page NO_TLS;
            }
        }
    };
}

const NO_TLS: &str = "certificates are the browser's business";

/// Makes a list into cases.
macro_rules! cases {
    ($($theme:ident { $(
        $name:ident
            $(not_over_long_poll $long_poll:tt)?
            $(not_in_a_page $page:tt)?
            $(alone $alone:tt)?;
    )* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($theme), "::", stringify!($name)),
            not_over_long_poll: only(&[$($long_poll)?]),
            not_in_a_page: only(&[$($page)?]),
            alone: only(&[$($alone)?]).unwrap_or(false),
        },)*)*]
    };
}

/// Makes a list into an array of names and functions that start the tests on the stage `S`.
macro_rules! starts {
    ($($theme:ident { $($name:ident $($option:ident $value:tt)*;)* })*) => {
        [$($((
            concat!(stringify!($theme), "::", stringify!($name)),
            || Box::pin($theme::$name::<S>()),
        ),)*)*]
    };
}

fn only<T: Copy>(value: &[T]) -> Option<T> {
    value.first().copied()
}

/// Returns all tests, in the order of the list: the same for every stage.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut all = list!(cases);
    all.extend(list_of_tls!(cases));
    all
}

/// Starts a test on a stage; `None` if there is none of this name, or it is about TLS, which needs an [`Adapter`].
#[must_use]
pub fn start<S: Stage>(name: &str) -> Option<Test> {
    find(&list!(starts), name)
}

/// Starts a test with an adapter; `None` if there is none of this name.
#[cfg(feature = "suite")]
fn start_with_adapter<S: subject::Subject>(name: &str) -> Option<Test> {
    start::<S>(name).or_else(|| find(&list_of_tls!(starts), name))
}

/// Name of a test, and the function that starts it.
type Start = (&'static str, fn() -> Test);

fn find(starts: &[Start], name: &str) -> Option<Test> {
    starts.iter().find(|(listed, _)| *listed == name).map(|(_, start)| start())
}
