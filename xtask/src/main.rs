//! The project's own commands: `cargo xtask WORD`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

mod bench;
mod ci;
mod control;
mod demo;
mod document;
mod faults;
mod machine;
mod memory;
mod optimized;
mod program;
mod soak;
mod table;
mod tidy;
mod words;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask WORD

  demo     builds everything and runs `cutover demo`
  ci       installs what is missing, then runs every check and test
  faults   runs the fault matrix [--rows 2-15,33] [--seed NUMBER] [--all], as root
  tidy     holds the house rules: crate edges, lengths of functions, files and lines
  soak     deploys many times under load, counts what must be nothing, writes docs/soak.md
           [--deployments 100] [--requests 100000]
  bench deploy
           measures deployments beside PM2's, writes docs/benchmarks.md
           [--runs 20] [--json]
  bench backup
           backs a large database up and brings it back, with the peak of memory, writes
           docs/benchmarks.md [--megabytes 1000]
  bench config
           measures `check` of 1,000 projects, and the controller's start with as many
           environments, writes docs/benchmarks.md [--runs 10]
  bench nginx
           counts what fails behind nginx in deployments, `pm2 reload` and `nginx -s reload`,
           writes docs/benchmarks.md [--deployments 50] [--requests 50000] [--rate 700]
  bench proxy
           measures the proxy beside nginx, HAProxy and Caddy, writes docs/benchmarks.md
           [--pairs 7] [--seconds 2] [--json] [--only CASE]
  bench staging
           measures the staging of many files beside `cp -a`, writes docs/benchmarks.md
           [--runs 9] [--json]
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["demo"] => demo::run(),
        ["ci"] => ci::run(),
        ["faults", rest @ ..] => faults::run(rest),
        ["tidy"] => tidy::run(),
        ["soak", rest @ ..] => soak::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        _ => {
            print!("{HELP}");
            return ExitCode::from(u8::from(!matches!(words.as_slice(), [] | ["help" | "--help"])));
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
