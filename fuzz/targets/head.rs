//! See the properties of the same name.
#![no_main]

#[path = "../properties/head.rs"]
mod head;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| head::hold(bytes));
