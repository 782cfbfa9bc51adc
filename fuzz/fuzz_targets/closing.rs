//! Feeds libFuzzer's inputs to the target `closing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::closing::check(input));
