//! One binary, four roles: the command line, the controller, the data plane, and what holds
//! processes.

mod arenas;
mod cores;

use std::{env, ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    cores::forbid();
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let word = |at: usize| args.get(at).and_then(|it| it.to_str());
    match (word(0), word(1)) {
        // Before anything else starts: it stays small, and holds what must not die.
        (Some("supervise"), _) => supervise::main(&args[1..]),
        (Some("proxy"), Some("--root")) => cutover::role::proxy(&args[1..]),
        (Some("daemon"), Some("--root")) => {
            arenas::share();
            cutover::role::daemon(&args[1..])
        }
        _ => cutover::cli::command_line(env::args_os().collect()),
    }
}
