//! Feeds libFuzzer's inputs to the target `v1`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::v1::check(input));
