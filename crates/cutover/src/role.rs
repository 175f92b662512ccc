//! The long-running roles, entered before the command line is parsed.

#![allow(clippy::print_stderr, reason = "a role's last words go to its log")]

use daemon::{run::DaemonOptions, secrets::Secrets};
use drivers::layout::Layout;
use proxy::ProxyOptions;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// `cutover proxy --root ROOT`: entered by the holder, with the listeners inherited.
pub fn proxy(args: &[OsString]) -> ExitCode {
    let root = match args {
        [flag, root] if flag == "--root" => PathBuf::from(root),
        _ => return refuse("proxy: expected `--root ROOT` and nothing else"),
    };
    let inherited = match proxy::listeners_from_environment() {
        Ok(inherited) => inherited,
        Err(error) => return refuse(&format!("proxy: {error}")),
    };
    let (listeners, addresses) = inherited;
    let waits = proxy::is_to_wait();
    match proxy::run(ProxyOptions { root, listeners, addresses, waits }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("proxy: {error}")),
    }
}

/// `cutover daemon --root ROOT [--take-over]`: the controller, in the foreground.
pub fn daemon(args: &[OsString]) -> ExitCode {
    let (root, take_over) = match args {
        [flag, root] if flag == "--root" => (PathBuf::from(root), false),
        [flag, root, over] if flag == "--root" && over == "--take-over" => {
            (PathBuf::from(root), true)
        }
        _ => return refuse("daemon: expected `--root ROOT [--take-over]`"),
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return refuse(&format!("daemon: failed to find this program: {error}")),
    };
    let secrets = Secrets::kept(&Layout::new(&root));
    let log = secrets.clone();
    tracing_subscriber::fmt().with_writer(move || log.log()).with_ansi(false).init();
    match daemon::run::run(&DaemonOptions { root, program, take_over, secrets }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("daemon: {error}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}
