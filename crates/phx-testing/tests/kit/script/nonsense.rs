//! A script that can't be followed is refused where it is written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use phx_proto::CloseCode;
use phx_testing::Script;
use serde_json::json;

fn refused(write: impl FnOnce() -> Script) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(write)).expect_err("it was taken");
    *panicked.downcast::<String>().unwrap()
}

fn join() -> phx_testing::Expected {
    Script::new().expect_join("room:*")
}

#[test]
fn nothing_comes_first_but_an_expectation() {
    let text = refused(|| Script::new().then_push("news", &json!({})));
    assert_eq!(text, "then_push comes first in the script: begin with an expectation");
}

#[test]
fn without_a_channel_nothing_is_pushed() {
    for before in [
        join().reply_error(&json!({})),
        join().no_reply(),
        join().crash(),
        join().reply_ok(&json!({})).expect_leave("room:*"),
        join().reply_ok(&json!({})).then_stop(),
        join().reply_ok(&json!({})).then_crash(),
        join().reply_ok(&json!({})).then_cut(),
    ] {
        let text = refused(|| before.clone().then_push("news", &json!({})));
        assert!(text.starts_with("then_push can't follow "), "{text}");
        refused(|| before.clone().then_broadcast("news", &json!({})));
        refused(|| before.clone().then_stop());
        refused(|| before.clone().then_crash());
    }
}

#[test]
fn an_ended_connection_is_not_ended_again() {
    for before in [
        join().crash(),
        join().reply_ok(&json!({})).then_stop(),
        join().no_reply().then_cut(),
        join().no_reply().then_close(CloseCode::NORMAL),
    ] {
        refused(|| before.clone().then_close(CloseCode::NORMAL));
        refused(|| before.clone().then_cut());
        refused(|| before.clone().after(Duration::ZERO));
    }
}

#[test]
fn payloads_are_json() {
    let not_json = std::collections::BTreeMap::from([(vec![1], 1)]);
    let text = refused(|| join().reply_ok(&not_json));
    assert!(text.starts_with("a payload of the script can't be written as JSON"), "{text}");
}
