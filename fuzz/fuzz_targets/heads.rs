//! Feeds libFuzzer's inputs to the target `heads`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::heads::check(input));
