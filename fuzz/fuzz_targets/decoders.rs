//! Hands `hardening::decoders` to the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardening::decoders(data));
