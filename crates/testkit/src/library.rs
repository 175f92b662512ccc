//! Libraries of Python's, fetched once from lock files with hashes.

use crate::{app::built, guard::Killed, time::within};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// A registry may be slow; each try has this long.
const FETCH_MAX: Duration = Duration::from_secs(240);
const FETCH_TRIES: u32 = 3;

/// The directory of what `examples/published/NAME/VERSION.txt` locks, for `PYTHONPATH`.
///
/// # Panics
/// If it cannot be fetched.
pub fn python(name: &str, version: &str) -> PathBuf {
    // Beside the built programs, so that a clean build is a clean fetch.
    let built = built("cutover", "cutover");
    let folder = built.parent().expect("a program is in a folder").join("published");
    fs::create_dir_all(&folder).expect("the build's folder is writable");
    let library = folder.join(format!("{name}-{version}"));
    let lock = folder.join(format!("{name}.lock"));
    let lock = File::create(lock).expect("the build's folder is writable");
    lock.lock().expect("a lock is waited for");
    for attempt in 1..=FETCH_TRIES {
        if library.exists() {
            break;
        }
        fetch(name, version, &library);
        assert!(library.exists() || attempt < FETCH_TRIES, "{name} {version} is not to be had");
    }
    library
}

fn fetch(name: &str, version: &str, library: &Path) {
    let partial = library.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).expect("it is ours");
    }
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/published").join(name);
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes"]);
    command.arg("--target").arg(&partial).arg("--requirement");
    command.arg(lock.join(format!("{version}.txt"))).stdin(Stdio::null());
    let mut child = Killed::start(&mut command).expect("pip can be started");
    let status = within(FETCH_MAX, || child.exited());
    if status.is_some_and(|it| it.success()) {
        fs::rename(&partial, library).expect("both are in one folder");
    }
}
