//! Every check and test, from a fresh machine: installs only what is missing.

use crate::{program, tidy};
use anyhow::{Result, bail};
use std::time::Instant;

/// A program that tests need, and the Debian package that brings it.
const NEEDED: [(&str, &str); 20] = [
    ("git", "git"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("pip3", "python3-pip"),
    ("strace", "strace"),
    ("mount", "mount"),
    ("faketime", "faketime"),
    ("cc", "gcc"),
    ("nginx", "nginx"),
    ("h2load", "nghttp2-client"),
    ("openssl", "openssl"),
    ("pebble", "pebble"),
    ("age", "age"),
    ("sqlite3", "sqlite3"),
    ("pg_ctlcluster", "postgresql"),
    ("mariadb-dump", "mariadb-server"),
    ("/lib/systemd/systemd", "systemd"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("zstd", "zstd"),
];

/// Runs all of it; the first that fails ends it.
pub fn run() -> Result<()> {
    let began = Instant::now();
    install()?;
    program::run("cargo", &["fmt", "--all", "--check"])?;
    program::run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    tidy::run()?;
    // Tests start the program itself, as its users would.
    program::run("cargo", &["build", "--workspace", "--bins"])?;
    program::run("cargo", &["nextest", "run", "--workspace"])?;
    program::run("cargo", &["test", "--workspace", "--doc", "--quiet"])?;
    none_is_skipped()?;
    println!("ci: all passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn install() -> Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|it| !program::is_there(it.0)).map(|it| it.1).collect();
    if !missing.is_empty() {
        program::run("apt-get", &["update", "-q"])?;
        // Nobody is there to answer what a package asks.
        let args = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y"];
        let all = [&args[..], &["--no-install-recommends"], &missing].concat();
        program::run("env", &all)?;
    }
    if !program::is_there("cargo-nextest") {
        program::run("cargo", &["install", "--locked", "cargo-nextest"])?;
    }
    Ok(())
}

/// A test that is switched off proves nothing, and a green run must not hide it.
fn none_is_skipped() -> Result<()> {
    let args = ["nextest", "list", "--workspace", "--run-ignored", "only", "-T", "json"];
    let list: serde_json::Value = serde_json::from_str(&program::read("cargo", &args)?)?;
    let suites = list["rust-suites"].as_object().into_iter().flatten();
    let cases = suites.flat_map(|it| it.1["testcases"].as_object().into_iter().flatten());
    let off = cases.filter(|it| it.1["ignored"] == true).count();
    println!("ci: {off} tests skipped");
    if off > 0 {
        bail!("{off} tests are switched off");
    }
    Ok(())
}
