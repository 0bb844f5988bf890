//! Hands `hardening::c_api` to the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardening::c_api(data));
