//! Feeds libFuzzer's inputs to the target `endpoint`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::endpoint::check(input));
