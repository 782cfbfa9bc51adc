//! Feeds libFuzzer's inputs to the target `session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::session::check(input));
