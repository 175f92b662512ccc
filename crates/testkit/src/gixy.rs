//! gixy, which looks for known mistakes in nginx's files, fetched once from its lock file.

use crate::library;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Of which there is a lock file.
const VERSION: &str = "0.2.59";

/// What it says of a main file and all that this includes; None: it finds nothing.
///
/// # Panics
/// If it can be neither fetched nor run.
pub fn findings(main_file: &Path) -> Option<String> {
    let mut command = Command::new("python3");
    command
        .args(["-m", "gixy.cli"])
        .arg(main_file)
        .env("PYTHONPATH", library::python("gixy", VERSION));
    let output = command.stdin(Stdio::null()).output().expect("python3 can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noise = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {
            assert!(said.contains("No issues found."), "{said}{noise}");
            None
        }
        Some(1) if said.contains(">> Problem") => Some(said),
        other => panic!("gixy ended with {other:?}: {said}{noise}"),
    }
}
