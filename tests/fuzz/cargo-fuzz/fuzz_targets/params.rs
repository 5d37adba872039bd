//! Hands libFuzzer's bytes to the check of a job's params.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lode_fuzz::params(bytes));
