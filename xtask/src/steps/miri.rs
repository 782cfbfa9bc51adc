//! phx-proto's tests of decoders and machines under Miri, which interprets them and finds undefined
//! behaviour.
//!
//! There is no `unsafe` in phx-proto itself: what is looked at is how it uses the crates below it. The
//! tests that are left out do the same many thousand times, read files, or count allocations.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// Files of `tests/behaviour`, besides the tests beside the code.
const TESTS: &[&str] = &[
    "connection_table::",
    "dispatch::",
    "heartbeat::",
    "join::",
    "leave::",
    "outcomes::",
    "presence_rules::",
    "push::",
    "serializer_binary::",
    "serializer_replies::",
    "serializer_v1::",
    "serializer_v2_text::",
    "stale_transports::",
];

/// Tests that do their thing with hundreds of inputs.
const SKIPPED: &[&str] = &[
    "agrees_with_serde_json_on_",
    "nesting_is_remembered_",
    "does_what_a",
    "a_diff_touches_only_the_keys",
    "the_first_special_byte_is_found_",
];

pub(crate) fn check() -> Outcome {
    let toolchain = tools::miri()?;
    for (target, tests) in [(&["--lib"][..], &[][..]), (&["--test", "behaviour"], TESTS)] {
        Program::cargo_of(toolchain)
            .args(["miri", "test", "--locked", "-p", "phx-proto"])
            .args(target.iter().copied())
            .args(["--"])
            .args(tests.iter().copied())
            .args(SKIPPED.iter().flat_map(|name| ["--skip", name]))
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            .run()?;
    }
    Ok(Some(format!("{} files of tests", TESTS.len() + 1)))
}
