//! Feeds libFuzzer's inputs to the target `supabase`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phx_fuzz::supabase::check(input));
