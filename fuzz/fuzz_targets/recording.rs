//! Feeds libFuzzer's inputs to the target `recording`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::recording::check(input));
