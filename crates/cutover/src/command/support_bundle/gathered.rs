//! What a bundle holds: each piece masked as it is put in, and bounded.

use daemon::{api::words::StatusReport, logs::plain};
use drivers::layout::Layout;
use model::{name::EnvironmentId, redact::Redactor};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    thread,
};

/// Of one file, its end.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Of all.
const BYTES_MAX: u64 = 64 << 20;
/// Files in it.
const FILES_MAX: usize = 2_000;
/// Deployments of each environment.
const DEPLOYMENTS_MAX: usize = 50;
/// Of one directory, the newest by name.
const NAMES_MAX: usize = 40;

const ABOUT: &str = "\
What `cutover support-bundle` gathered.

facts.json       versions and the machine
status.json      what serves, as `cutover --json status` tells it
config/          the configuration
journal/         the last deployments of each environment
routes/ run/ proxy/ one-off/   what the roles go by; what instances are started with is left out
logs/            the end of each log

The values of all secrets and env files that are known were masked, also as base64,
percent-encoding and JSON write them.  Look it through before you send it.
";

/// Names and masked bytes.
pub struct Gathered<'r> {
    redactor: &'r Redactor,
    files: Vec<(String, Vec<u8>)>,
    bytes: u64,
    at_ms: u64,
}

impl Gathered<'_> {
    /// Nothing yet.
    pub fn new(redactor: &Redactor, at_ms: u64) -> Gathered<'_> {
        let mut gathered = Gathered { redactor, files: vec![], bytes: 0, at_ms };
        gathered.put("README.txt", ABOUT.as_bytes());
        gathered
    }

    /// All of it.
    pub fn finish(self) -> Vec<(String, Vec<u8>)> {
        self.files
    }

    /// Versions and the machine.
    pub fn facts(&mut self) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let memory = read("/proc/meminfo");
        let memory: Vec<&str> = memory.lines().take(3).collect();
        let facts = json!({
            "cutover": env!("CARGO_PKG_VERSION"),
            "at_ms": self.at_ms,
            "system": read("/proc/sys/kernel/ostype"),
            "release": read("/proc/sys/kernel/osrelease"),
            "machine": std::env::consts::ARCH,
            "distribution": read("/etc/os-release"),
            "processors": thread::available_parallelism().map_or(0, usize::from),
            "memory": memory,
            "load": read("/proc/loadavg"),
            "uptime": read("/proc/uptime"),
            "user": rustix::process::geteuid().as_raw(),
        });
        self.put_json("facts.json", &facts);
    }

    /// What serves, or why nobody can tell.
    pub fn status(&mut self, status: &Result<StatusReport, String>) {
        match status {
            Ok(status) => self.put_json("status.json", status),
            Err(why) => self.put("status.txt", why.as_bytes()),
        }
    }

    /// As it is written, secrets aside.
    pub fn configuration(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.put_end_of(&format!("config/{name}"), path);
    }

    /// The last deployments of each environment.
    pub fn journal(&mut self, root: &Path, status: &Result<StatusReport, String>) {
        let journal = match store::read_only(root) {
            Ok(journal) => journal,
            Err(error) => return self.put("journal/unreadable.txt", error.to_string().as_bytes()),
        };
        let known: Vec<EnvironmentId> = match status {
            Ok(status) => status.environments.iter().map(|it| it.id.clone()).collect(),
            Err(_) => journal.environments().unwrap_or_default(),
        };
        for id in known {
            match journal.history(&id, DEPLOYMENTS_MAX) {
                Ok(history) => self.put_json(&format!("journal/{}.json", id.stem()), &history),
                Err(failure) => {
                    let name = format!("journal/{}.txt", id.stem());
                    self.put(&name, failure.message.as_bytes());
                }
            }
        }
    }

    /// Files of the state directory that hold no variables.
    pub fn state(&mut self, root: &Path) {
        let layout = Layout::new(root);
        self.put_end_of("logs/daemon.log", &layout.daemon_log());
        for path in named(&layout.routes(), ".json") {
            self.put_in("routes", &path);
        }
        for suffix in [".log", ".json"] {
            for path in named(&layout.proxy(), suffix) {
                self.put_in("proxy", &path);
            }
        }
        for (place, name) in [(layout.clone(), "run"), (layout.one_off(), "one-off")] {
            for directory in named(&place.instances(), "") {
                let instance = directory.file_name().unwrap_or_default().to_string_lossy();
                // `spec.json` holds the variables, and `one-off.json` a whole command.
                for file in ["status.json", "supervise.log"] {
                    let inside = format!("{name}/{instance}/{file}");
                    self.put_end_of(&inside, &directory.join(file));
                }
            }
        }
        for project in named(&layout.projects(), "") {
            for environment in named(&project, "") {
                self.environment(&environment);
            }
        }
    }

    fn environment(&mut self, directory: &Path) {
        let parts: Vec<_> = directory.iter().rev().take(2).map(|it| it.to_string_lossy()).collect();
        let [environment, project] = &parts[..] else { return };
        let lead = format!("logs/{project}.{environment}");
        for path in named(&directory.join("logs"), ".log") {
            self.put_in(&lead, &path);
        }
        for kind in ["deployments", "runs"] {
            for path in named(&directory.join("logs").join(kind), ".log") {
                self.put_in(&format!("{lead}/{kind}"), &path);
            }
        }
        self.put_end_of(&format!("{lead}/manifest.json"), &directory.join("manifest.json"));
        let releases = named(&directory.join("releases"), "");
        let releases: Vec<_> = releases.iter().filter_map(|it| it.file_name()).collect();
        let releases: Vec<_> = releases.iter().map(|it| it.to_string_lossy()).collect();
        self.put_json(&format!("{lead}/releases.json"), &releases);
    }

    fn put_in(&mut self, directory: &str, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.put_end_of(&format!("{directory}/{name}"), path);
    }

    /// What is not there is left out; what cannot be read says why.
    fn put_end_of(&mut self, name: &str, path: &Path) {
        match end_of(path) {
            Ok(bytes) => self.put(name, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.put(&format!("{name}.unreadable"), error.to_string().as_bytes()),
        }
    }

    fn put_json(&mut self, name: &str, value: &impl Serialize) {
        // Values are masked before they are written: JSON would write some of them otherwise.
        let value = serde_json::to_value(value).map(|it| masked(it, self.redactor));
        match value.and_then(|it| serde_json::to_vec_pretty(&it)) {
            Ok(bytes) => self.put(name, &bytes),
            Err(error) => self.put(name, error.to_string().as_bytes()),
        }
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        let left = BYTES_MAX.saturating_sub(self.bytes);
        if self.files.len() >= FILES_MAX || bytes.len() as u64 > left {
            return;
        }
        let masked = self.redactor.bytes(bytes).into_owned();
        self.bytes += masked.len() as u64;
        self.files.push((self.redactor.text(name).into_owned(), masked));
    }
}

fn masked(value: Value, redactor: &Redactor) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.text(&text).into_owned()),
        Value::Array(all) => all.into_iter().map(|it| masked(it, redactor)).collect(),
        Value::Object(all) => {
            all.into_iter().map(|(name, it)| (name, masked(it, redactor))).collect()
        }
        other => other,
    }
}

/// Whole lines at its end, as text that moves no cursor.
fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it is no file"));
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(FILE_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![];
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let cut = (from > 0).then(|| bytes.iter().position(|it| *it == b'\n')).flatten();
    let text = String::from_utf8_lossy(&bytes[cut.map_or(0, |it| it + 1)..]);
    Ok(text.lines().map(|it| plain(it) + "\n").collect::<String>().into_bytes())
}

/// What a directory holds, the newest by name, in order.
fn named(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|it| it.path())
        .filter(|it| {
            it.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.ends_with(suffix) && !name.starts_with('.')
            })
        })
        .collect();
    paths.sort();
    paths.split_off(paths.len().saturating_sub(NAMES_MAX))
}
