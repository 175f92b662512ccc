//! PM2 as it is published, fetched once from its lock file.

use crate::guard::Killed;
use crate::time::within;
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Of which there is a lock file.
pub const VERSION: &str = "7.0.1";
/// A registry may be slow; each try has this long.
const FETCH_MAX: Duration = Duration::from_secs(240);
const FETCH_TRIES: u32 = 3;

/// PM2's own program.
///
/// # Panics
/// If it cannot be fetched.
pub fn program() -> PathBuf {
    let folder = folder();
    fs::create_dir_all(&folder).expect("the build's folder is writable");
    let directory = folder.join(format!("pm2-{VERSION}"));
    let program = directory.join("node_modules/pm2/bin/pm2");
    // Tests that run beside each other fetch it once.
    let lock = File::create(folder.join("pm2.lock")).expect("the build's folder is writable");
    lock.lock().expect("a lock is waited for");
    for attempt in 1..=FETCH_TRIES {
        if program.exists() {
            break;
        }
        assert!(attempt < FETCH_TRIES, "PM2 {VERSION} could not be fetched");
        fetch(&directory);
    }
    program
}

fn fetch(directory: &Path) {
    let partial = directory.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).expect("it is ours");
    }
    fs::create_dir_all(&partial).expect("the build's folder is writable");
    let locks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/published/pm2");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(locks.join(VERSION).join(file), partial.join(file)).expect("it is there");
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
    command.current_dir(&partial).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = Killed::start(&mut command).expect("npm can be started");
    let status = within(FETCH_MAX, || child.exited());
    if status.is_some_and(|it| it.success()) {
        fs::rename(&partial, directory).expect("both are in one folder");
    }
}

/// Beside the built programs, so that a clean build is a clean fetch.
fn folder() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own file");
    let built = test.ancestors().find(|it| it.join("deps").is_dir());
    built.expect("tests are built into a folder of cargo's").join("published")
}

/// A life of PM2 of its own, ended with all that it runs when this is dropped.
#[derive(Debug)]
pub struct Pm2 {
    home: PathBuf,
    program: PathBuf,
}

impl Pm2 {
    /// Nothing runs in it yet.
    pub fn new(home: &Path) -> Pm2 {
        Pm2 { home: home.to_owned(), program: program() }
    }

    /// Runs PM2's own program with these arguments, as a user would; what it prints.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("PM2_HOME", &self.home)
            .env("PM2_DISCRETE_MODE", "true")
            .env("PM2_DISABLE_VERSION_CHECK", "true")
            .stdin(Stdio::null())
            .output()
            .expect("PM2 can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text + &String::from_utf8_lossy(&output.stderr)
    }

    /// What PM2 lists, each entry as it gives it.
    ///
    /// # Panics
    /// If it says something else.
    pub fn list(&self) -> Vec<serde_json::Value> {
        let text = self.run(&["jlist", "--silent"]);
        let json = text.lines().rev().find(|it| it.starts_with('['));
        serde_json::from_str(json.unwrap_or_else(|| panic!("{text}"))).expect("it is a list")
    }

    /// Its daemon's process id, as it wrote it.
    pub fn daemon(&self) -> Option<u32> {
        fs::read_to_string(self.home.join("pm2.pid")).ok()?.trim().parse().ok()
    }

    /// Sends its daemon a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let Some(pid) = self.daemon().and_then(|it| it.try_into().ok()) else { return };
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It may have ended already.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        use rustix::process::Signal;
        let is_its = |pid: u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let home = self.home.to_string_lossy().into_owned();
            line.contains(home.as_str()) && line.starts_with("PM2")
        };
        if !self.daemon().is_some_and(is_its) {
            return;
        }
        self.signal(Signal::CONT);
        // Its own program ends what runs in it; a daemon that does not answer is killed.
        self.run(&["kill"]);
        if self.daemon().is_some_and(is_its) {
            self.signal(Signal::KILL);
        }
    }
}
