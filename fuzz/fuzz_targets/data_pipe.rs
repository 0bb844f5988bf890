//! Hands `hardening::data_pipe` to the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardening::data_pipe(data));
