//! Hands libFuzzer's bytes to the header of models and states.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lode_fuzz::model(bytes));
