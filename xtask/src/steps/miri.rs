//! phx-proto's tests of decoders and machines under Miri, which interprets them and finds undefined
//! behaviour.
//!
//! There is no `unsafe` in phx-proto itself: what is looked at is how it uses the crates below it. The
//! tests that are left out do the same many thousand times, read files, or count allocations.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// Test files, besides the tests beside the code.
const TESTS: &[&str] = &[
    "connection_table",
    "dispatch",
    "heartbeat",
    "join",
    "leave",
    "outcomes",
    "presence_rules",
    "push",
    "serializer_binary",
    "serializer_replies",
    "serializer_v1",
    "serializer_v2_text",
    "stale_transports",
];

pub(crate) fn check() -> Outcome {
    let toolchain = tools::miri()?;
    let tests = TESTS.iter().flat_map(|name| ["--test", name]);
    Program::cargo_of(toolchain)
        .args(["miri", "test", "--locked", "-p", "phx-proto", "--lib"])
        .args(tests)
        // These do their thing with hundreds of inputs.
        .args(["--", "--skip", "agrees_with_serde_json_on_", "--skip", "nesting_is_remembered_"])
        .args(["--skip", "does_what_a", "--skip", "a_diff_touches_only_the_keys"])
        .args(["--skip", "the_first_special_byte_is_found_"])
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .run()?;
    Ok(Some(format!("{} files of tests", TESTS.len() + 1)))
}
