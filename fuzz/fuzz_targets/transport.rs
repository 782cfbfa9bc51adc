//! Feeds libFuzzer's inputs to the target `transport`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::transport::check(input));
