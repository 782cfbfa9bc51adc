//! Feeds libFuzzer's inputs to the target `websocket`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::websocket::check(input));
