//! Stages for the store's tests: another life of the test's own program, and small disks.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Lines, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Tells the re-executed test which root to work on.
const ROOT_VARIABLE: &str = "STORE_TEST_ROOT";

/// The root this process shall work on, if it is the child of a test.
pub fn root_of_child() -> Option<PathBuf> {
    std::env::var_os(ROOT_VARIABLE).map(PathBuf::from)
}

/// What a child says to its parent.
pub fn say(text: &str) {
    // Past the harness, and whole: a line that arrived was meant.
    std::io::stdout().write_all(format!("\nsaid {text}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// The same test again, in a process of its own; ended with the guard.
pub struct Again {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Again {
    /// Runs the test of this name on the root, led by these words, as `strace …`.
    pub fn start(test: &str, root: &Path, lead: &[&str]) -> Again {
        let program = std::env::current_exe().unwrap();
        let words: Vec<&std::ffi::OsStr> =
            lead.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROOT_VARIABLE, root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A group of its own: where something leads it, both are ended.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?} does not start: {error}"));
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Again { child, said }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it says next; none: it has ended.
    pub fn hear(&mut self) -> Option<String> {
        loop {
            let line = self.said.next()?.ok()?;
            if let Some(text) = line.strip_prefix("said ") {
                return Some(text.to_owned());
            }
        }
    }

    /// SIGKILL; returns all that it had said and nobody had heard.
    pub fn kill(mut self) -> Vec<String> {
        self.end_group();
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Waits until it has ended by itself.
    pub fn wait(mut self) {
        while self.hear().is_some() {}
        self.child.wait().unwrap();
    }

    fn end_group(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }

    /// Stops it as Ctrl-Z does.
    pub fn stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // Its group may have its number only for as long as nobody waited for it.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end_group();
        }
    }
}

/// A file system of its own, so small that it can be filled; unmounted with the guard.
pub struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// So many MiB.
    pub fn mount(mebibytes: u32) -> Disk {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "cutover-test"])
            .arg(directory.path()));
        Disk { directory }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut file =
            fs::File::options().append(true).create(true).open(self.root().join("filler")).unwrap();
        let page = [7; 4096];
        let error = loop {
            if let Err(error) = file.write_all(&page) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Gives back what `fill` took.
    pub fn empty(&self) {
        fs::remove_file(self.root().join("filler")).unwrap();
    }

    /// From now on nothing can be written.
    pub fn freeze(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.root()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.root()).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program is there");
    assert!(status.success(), "{command:?} ended with {status}; these tests need root");
}

/// Every file under the root with its content.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
    entries.map(|it| (it.clone(), fs::read(&it).unwrap())).collect()
}

/// Numbers that differ with each run; the seed is told where a test fails.
pub struct Dice(pub u64);

impl Dice {
    /// Seeded by the clock.
    pub fn new() -> Dice {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Dice(u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap() | 1)
    }

    /// Below this.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Polls until it holds; fails when it does not within 10 s.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
