//! Dispatches to the role as the product's own program does; only the tests run it.

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    supervise::main(&arguments)
}
