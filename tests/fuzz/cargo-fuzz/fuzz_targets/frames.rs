//! Hands libFuzzer's bytes to the frames and messages of a worker's socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lode_fuzz::frames(bytes));
