//! Hands `hardening::ports` to the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardening::ports(data));
