//! Feeds libFuzzer's inputs to the target `presence`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::presence::check(input));
