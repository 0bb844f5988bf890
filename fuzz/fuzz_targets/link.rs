//! Hands `hardening::link` to the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardening::link(data));
