//! Runs phx-proto's tests of decoders and state machines under Miri, an interpreter that finds undefined behaviour.
//!
//! phx-proto has no `unsafe`; this tests its use of the crates below it. The skipped tests repeat their work many
//! thousand times, read files, or count allocations.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// Files of `tests/behaviour` to run, besides the unit tests.
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

/// Tests with hundreds of inputs, which would take too long.
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
