//! Hands libFuzzer's bytes to the reader of plugins' manifests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lode_fuzz::manifest(bytes));
