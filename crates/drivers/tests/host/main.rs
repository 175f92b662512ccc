//! Dispatches to the roles that the tests need, as the product's own program does.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let word = |at: usize| arguments.get(at).and_then(|it| it.to_str());
    match (word(0), word(1), word(2)) {
        (Some("supervise"), ..) => supervise::main(&arguments[1..]),
        (Some("proxy"), Some("--root"), Some(root)) => run_proxy(PathBuf::from(root)),
        _ => ExitCode::FAILURE,
    }
}

fn run_proxy(root: PathBuf) -> ExitCode {
    let Ok((listeners, addresses)) = proxy::listeners_from_environment() else {
        return ExitCode::FAILURE;
    };
    match proxy::run(proxy::ProxyOptions { root, listeners, addresses, waits: proxy::is_to_wait() })
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
