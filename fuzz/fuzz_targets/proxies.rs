//! Feeds libFuzzer's inputs to the target `proxies`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::proxies::check(input));
