//! gixy, which looks for known mistakes in nginx's files, fetched once from its lock file.

use crate::{app::built, guard::Killed, time::within};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Of which there is a lock file.
const VERSION: &str = "0.2.59";
/// A registry may be slow; each try has this long.
const FETCH_MAX: Duration = Duration::from_secs(240);
const FETCH_TRIES: u32 = 3;

/// What it says of a main file and all that this includes; None: it finds nothing.
///
/// # Panics
/// If it can be neither fetched nor run.
pub fn findings(main_file: &Path) -> Option<String> {
    let mut command = Command::new("python3");
    command.args(["-m", "gixy.cli"]).arg(main_file).env("PYTHONPATH", library());
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

fn library() -> PathBuf {
    // Beside the built programs, so that a clean build is a clean fetch.
    let built = built("cutover", "cutover");
    let folder = built.parent().expect("a program is in a folder").join("published");
    fs::create_dir_all(&folder).expect("the build's folder is writable");
    let library = folder.join(format!("gixy-{VERSION}"));
    let lock = File::create(folder.join("gixy.lock")).expect("the build's folder is writable");
    lock.lock().expect("a lock is waited for");
    for attempt in 1..=FETCH_TRIES {
        if library.exists() {
            break;
        }
        assert!(attempt < FETCH_TRIES, "gixy {VERSION} could not be fetched");
        fetch(&library);
    }
    library
}

fn fetch(library: &Path) {
    let partial = library.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).expect("it is ours");
    }
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/published/gixy");
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes"]);
    command.arg("--target").arg(&partial).arg("--requirement");
    command.arg(lock.join(format!("{VERSION}.txt"))).stdin(Stdio::null());
    let mut child = Killed::start(&mut command).expect("pip can be started");
    let status = within(FETCH_MAX, || child.exited());
    if status.is_some_and(|it| it.success()) {
        fs::rename(&partial, library).expect("both are in one folder");
    }
}
