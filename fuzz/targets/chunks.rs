//! See the properties of the same name.
#![no_main]

#[path = "../properties/chunks.rs"]
mod chunks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chunks::hold(bytes));
