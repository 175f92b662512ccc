//! A state directory of its own for each test, and everybody in it ended whatever the test does.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use supervise::{
    client::{self, ClientError},
    message::{Answer, Ask, Status},
    spec::{FORMAT, InstanceSpec, Limits, Output, Restart},
};
use tempfile::TempDir;

pub const PYTHON: &str = "/usr/bin/python3";
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_supervise-test-host");
/// Long enough for a loaded machine; a condition that comes sooner is seen sooner.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A state directory whose processes end with it.
pub struct Site {
    pub root: PathBuf,
    pub token: String,
    _directory: TempDir,
}

impl Site {
    pub fn new() -> Self {
        Self::below("")
    }

    /// With more directories in between.
    pub fn below(path: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("supervise-").tempdir().unwrap();
        let root: PathBuf = directory.path().join(path).components().collect();
        fs::create_dir_all(&root).unwrap();
        let token = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        Self { root, token, _directory: directory }
    }

    /// An instance that runs a Python program.
    pub fn python(&self, instance: &str, program: &str) -> InstanceSpec {
        let logs = self.root.join("logs");
        InstanceSpec {
            format: FORMAT,
            instance: instance.to_owned(),
            token: format!("{}-{instance}", self.token),
            command: vec![PYTHON.to_owned(), "-c".to_owned(), program.to_owned()],
            directory: self.root.clone(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            user: None,
            limits: Limits::default(),
            stop_signal: Signal::TERM.as_raw(),
            grace_ms: 500,
            notify: false,
            time_limit_ms: None,
            listen: None,
            restart: Restart::Never,
            output: Output {
                out: logs.join("out.log"),
                error: logs.join("error.log"),
                combined: logs.join("combined.log"),
                rotate_bytes: 1_000_000,
                rotate_count: 2,
                free_bytes_min: 0,
            },
            redact: Vec::new(),
        }
    }

    /// Starts it and waits until it answers.
    pub fn start(&self, spec: &InstanceSpec) -> Status {
        client::write_spec(&self.root, spec).unwrap();
        client::spawn(Path::new(PROGRAM), &self.root, &spec.instance, false).unwrap();
        self.answering(&spec.instance)
    }

    pub fn adopt(&self, instance: &str) -> Status {
        client::spawn(Path::new(PROGRAM), &self.root, instance, true).unwrap();
        self.answering(instance)
    }

    pub fn answering(&self, instance: &str) -> Status {
        eventually("supervise answers", || self.ask(instance, &Ask::Status).ok().map(status_of))
    }

    pub fn status(&self, instance: &str) -> Status {
        status_of(self.ask(instance, &Ask::Status).unwrap())
    }

    pub fn ask(&self, instance: &str, ask: &Ask) -> Result<Answer, ClientError> {
        client::ask(&self.root, instance, ask, PATIENCE)
    }

    pub fn stop(&self, instance: &str) -> Answer {
        self.ask(instance, &Ask::Stop { epoch: 1 }).unwrap()
    }

    pub fn run(&self, instance: &str) -> PathBuf {
        self.root.join("run").join(instance)
    }

    pub fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.root.join("logs").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a whole line in a log that begins so; gives the rest of it.
    pub fn line(&self, name: &str, start: &str) -> String {
        eventually(&format!("a line {start}… in {name}"), || {
            let log = self.log(name);
            let whole = log.rsplit_once('\n')?.0;
            whole.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned))
        })
    }

    /// All processes that belong here: by their arguments or their environment.
    pub fn processes(&self) -> Vec<u32> {
        let has = |pid: u32, file: &str| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(&self.token)
        };
        pids().into_iter().filter(|pid| has(*pid, "environ") || has(*pid, "cmdline")).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left: Vec<u32> = self.processes().into_iter().filter(|it| alive(*it)).collect();
            if left.is_empty() || Instant::now() > deadline {
                break;
            }
            left.into_iter().for_each(kill);
            std::thread::sleep(Duration::from_millis(5));
        }
        for instance in fs::read_dir(self.root.join("run")).into_iter().flatten().flatten() {
            let spec = fs::read(instance.path().join("spec.json")).unwrap_or_default();
            if let Ok(spec) = serde_json::from_slice::<InstanceSpec>(&spec) {
                client::remove_groups(&spec);
            }
        }
        // Also lets go of the zombies among those we started.
        let _ = client::read_holder_status(&self.root);
    }
}

pub fn status_of(answer: Answer) -> Status {
    match answer {
        Answer::Status(status) => status,
        other => panic!("no status: {other:?}"),
    }
}

/// Polls until there is something, or panics with what was awaited.
pub fn eventually<Found>(what: &str, mut look: impl FnMut() -> Option<Found>) -> Found {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

pub fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

/// Running or sleeping: a zombie is not alive.
pub fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
