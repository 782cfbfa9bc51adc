//! Feeds libFuzzer's inputs to the target `v2_binary`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::v2_binary::check(input));
