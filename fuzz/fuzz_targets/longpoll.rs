//! Feeds libFuzzer's inputs to the target `longpoll`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::longpoll::check(input));
