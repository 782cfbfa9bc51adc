//! A script that wasn't followed is reported once, at the latest by a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use phx_testing::{Expectations, Script};
use serde_json::json;

use super::served;
use crate::wire::{JOIN, Wire};

fn unmet() -> Expectations {
    Script::new().expect_join("room:*").no_reply().serve().1
}

fn panics(f: impl FnOnce()) -> Option<String> {
    let panicked = catch_unwind(AssertUnwindSafe(f)).err()?;
    panicked.downcast::<String>().ok().map(|text| *text)
}

const MISSING: &str = r#"the script was not followed, step 1 of 1:
  expected  join of "room:*"
  got       nothing"#;

#[test]
fn dropping_it_unmet_panics() {
    assert_eq!(panics(|| drop(unmet())).as_deref(), Some(MISSING));
}

#[test]
fn asserting_it_unmet_panics() {
    assert_eq!(panics(|| unmet().assert_met()).as_deref(), Some(MISSING));
}

#[test]
fn what_was_reported_is_not_reported_again() {
    assert_eq!(unmet().finish().unwrap_err().to_string(), MISSING);
    let mut sim = phx_testing::Simulation::new(Script::new().serve().0);
    let expectations = unmet();
    assert!(sim.verify(&expectations, std::time::Duration::ZERO).is_err());
}

#[test]
fn a_panic_is_not_made_worse() {
    let text = panics(|| {
        let _expectations = unmet();
        panic!("{}", "the test's own");
    });
    assert_eq!(text.as_deref(), Some("the test's own"));
}

#[test]
fn a_mismatch_after_an_early_look_still_panics() {
    let (server, expectations) = Script::new().serve();
    assert_eq!(expectations.mismatch(), None);
    let mut wire = Wire::new(server);
    let ann = wire.open();
    wire.send(ann, JOIN);
    assert!(panics(|| drop(expectations)).is_some());
}

#[test]
fn a_met_one_is_silent() {
    let (mut wire, ann, expectations) =
        served(&Script::new().expect_join("*").reply_ok(&json!({})));
    wire.send(ann, JOIN);
    assert!(expectations.is_met());
    drop(expectations);
}
