//! See the properties of the same name.
#![no_main]

#[path = "../properties/route_file.rs"]
mod route_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| route_file::hold(bytes));
