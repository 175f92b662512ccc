//! A whole installation in a folder of its own: the real program, a real application, real load.
//!
//! Everything is done as a user or an operator would: by the command line, by signals, by looking
//! at
//! `/proc` and at what `--json` prints.  Nothing of it outlives the stand.

use crate::{
    app::{App, built},
    guard::Killed,
    load::{Load, Options, Summary},
    ports,
    time::{eventually, within},
    tree::Snapshot,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The host name that the application answers to.
pub const HOST: &str = "shop.example";
/// How the environment is called on the command line.
pub const TARGET: &str = "shop/production";
/// For a verb that does not wait for an application.
const VERB_WAIT: Duration = Duration::from_secs(60);
/// For a process that was told to end.
const END_WAIT: Duration = Duration::from_secs(20);

/// What is to be installed.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which example application.
    pub app: App,
    /// `blue-green`, `rolling` or `recreate`.
    pub strategy: &'static str,
    /// Copies of it.
    pub instances: u16,
    /// Seconds.
    pub bake_s: f64,
    /// Seconds.
    pub drain_s: f64,
    /// Seconds.
    pub start_timeout_s: f64,
    /// Seconds.
    pub keep_warm_s: f64,
    /// How health is asked, as YAML.
    pub health: &'static str,
    /// Free space that a deployment asks for, as YAML.
    pub disk_free: &'static str,
    /// More keys of the service, each a whole line of YAML.
    pub more: Vec<String>,
    /// The state directory, where it is to be somewhere else.
    pub root: Option<PathBuf>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            app: App::Rust,
            strategy: "blue-green",
            instances: 2,
            bake_s: 1.0,
            drain_s: 4.0,
            start_timeout_s: 20.0,
            keep_warm_s: 60.0,
            health: "{ path: /api/health }",
            disk_free: "64M",
            more: Vec::new(),
            root: None,
        }
    }
}

/// An installation; everything it started is ended when it is dropped.
#[derive(Debug)]
pub struct Stand {
    /// Releases, configuration and, unless told otherwise, the state directory.
    pub folder: TempDir,
    /// The state directory.
    pub root: PathBuf,
    /// Where the proxy listens.
    pub address: SocketAddr,
    /// The program under test.
    pub program: PathBuf,
    /// The file in which the application notes the ids of POSTs.
    pub post_log: PathBuf,
    /// What the program is started through, as `nsenter` and its options; empty: nothing.
    pub through: Vec<String>,
    layout: Layout,
}

/// A verb that came to its end.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none: a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained of.
    pub error: String,
    /// From start to end.
    pub took: Duration,
}

impl Ran {
    /// The same, if it ended so.
    ///
    /// # Panics
    /// With all that it printed, if it did not.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let (out, error) = (&self.out, &self.error);
        assert_eq!(self.code, Some(code), "took {:?}\n{out}\n{error}", self.took);
        self
    }

    /// All it said, to look for words in.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.error)
    }
}

impl Stand {
    /// An installation with a configuration and no deployment.
    ///
    /// # Panics
    /// If the folder cannot be made.
    pub fn new(layout: Layout) -> Self {
        let folder = tempfile::Builder::new().prefix("cutover-stand-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let root = layout.root.clone().unwrap_or_else(|| folder.path().join("state"));
        let stand = Self {
            root,
            address: (Ipv4Addr::LOCALHOST, ports::free()).into(),
            program: built("cutover", "cutover"),
            post_log: folder.path().join("posts"),
            through: Vec::new(),
            folder,
            layout,
        };
        fs::write(&stand.post_log, "").expect("the folder is writable");
        fs::write(stand.config(), stand.configuration()).expect("the folder is writable");
        stand
    }

    /// The configuration's path.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cutover.yml")
    }

    fn configuration(&self) -> String {
        let layout = &self.layout;
        let command = serde_json::to_string(layout.app.command()).expect("texts are JSON");
        let more: String = layout.more.iter().map(|it| format!("        {it}\n")).collect();
        format!(
            r#"proxy: {{ listen: ["{}"] }}
projects:
  shop:
    source: {{ directory: . }}
    services:
      web:
        command: {command}
        instances: {}
        routes: [/]
        strategy: {}
        health: {}
        smoke: [{{ get: /api/version, json: {{ version: "{{version}}" }} }}]
        bake: {}ms
        drain: {}ms
        start_timeout: {}ms
        keep_warm: {}ms
        grace: 2s
        env: {{ POST_LOG: "{}" }}
{more}    environments:
      production: {{ domains: [{HOST}], version: semver, disk_free: {} }}
"#,
            self.address,
            layout.instances,
            layout.strategy,
            layout.health,
            (layout.bake_s * 1000.0).round(),
            (layout.drain_s * 1000.0).round(),
            (layout.start_timeout_s * 1000.0).round(),
            (layout.keep_warm_s * 1000.0).round(),
            self.post_log.display(),
            layout.disk_free,
        )
    }

    /// Makes a release's directory beside the configuration, and returns its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn release(&self, version: &str, breakage: &str) -> PathBuf {
        let directory = self.folder.path().join(format!("v{version}"));
        let made = self.layout.app.release(&directory, version, breakage);
        made.expect("a release can be written");
        directory
    }

    /// The program with this stand's configuration and state, and these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut words_before = self.through.iter();
        let mut command = match words_before.next() {
            Some(first) => Command::new(first),
            None => Command::new(&self.program),
        };
        if !self.through.is_empty() {
            command.args(words_before).arg(&self.program);
        }
        command.arg("-f").arg(self.config()).arg("--root").arg(&self.root).args(words);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn cutover(&self, words: &[&str]) -> Ran {
        self.cutover_within(words, VERB_WAIT)
    }

    /// Runs a verb to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn cutover_within(&self, words: &[&str], timeout: Duration) -> Ran {
        let began = Instant::now();
        let (mut child, out, error) = self.start(words);
        let status = child.ended(timeout);
        let read = |path: &Path| fs::read(path).map(|it| String::from_utf8_lossy(&it).into_owned());
        let (out, error) = (read(&out), read(&error));
        Ran {
            code: status.code(),
            out: out.expect("the output is a file"),
            error: error.expect("the output is a file"),
            took: began.elapsed(),
        }
    }

    /// Starts a verb; its output goes to the two files.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(&self, words: &[&str]) -> (Killed, PathBuf, PathBuf) {
        // Files, not pipes: a daemon that it starts must not keep the reader waiting.
        let name = tempfile::Builder::new().prefix("output-").tempfile_in(self.folder.path());
        let (_, out) = name.expect("the folder is writable").keep().expect("it can be kept");
        let error = out.with_extension("error");
        let file = |path: &Path| File::create(path).expect("the folder is writable");
        let mut command = self.command(words);
        command.stdout(file(&out)).stderr(file(&error));
        (Killed::start(&mut command).expect("the program can be started"), out, error)
    }

    /// Makes a release of this version and deploys it.
    pub fn deploy(&self, version: &str, breakage: &str) -> Ran {
        let directory = self.release(version, breakage);
        let from = directory.display().to_string();
        self.cutover_within(&["deploy", TARGET, version, "--from", &from], Duration::from_secs(180))
    }

    /// What `cutover --json status` says.
    ///
    /// # Panics
    /// If it says no JSON.
    pub fn status(&self) -> Value {
        let ran = self.cutover(&["--json", "status"]);
        serde_json::from_str(&ran.out).unwrap_or_else(|it| panic!("{it}: {}", ran.text()))
    }

    /// The environment's part of the status.
    pub fn environment(&self) -> Value {
        self.status()["environments"][0].clone()
    }

    /// The versions that serve, as the status says.
    pub fn serving(&self) -> Vec<String> {
        let environment = self.environment();
        let labels = environment["serving"].as_array().cloned().unwrap_or_default();
        labels.iter().filter_map(|it| it["version"].as_str().map(str::to_owned)).collect()
    }

    /// The version that answers through the public route, if one does.
    pub fn answers(&self) -> Option<String> {
        let answer = self.get("/api/version").ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let body: Value =
            head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok())??;
        body["version"].as_str().map(str::to_owned)
    }

    /// The whole answer to a GET through the public route.
    ///
    /// # Errors
    /// If there is no connection, or no end of the answer.
    pub fn get(&self, path: &str) -> io::Result<String> {
        crate::app::get_from(self.address, HOST, path)
    }

    /// The usual load on the public route.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn load(&self) -> Load {
        self.load_with(|_| ())
    }

    /// The usual load, changed.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn load_with(&self, change: impl FnOnce(&mut Options)) -> Load {
        let mut options = Options::to(self.address, HOST);
        options.post_log = vec![self.post_log.clone()];
        change(&mut options);
        let load = Load::start(&crate::load::binary(), &options).expect("the load can be started");
        load.until_more(50, Duration::from_secs(20));
        load
    }

    /// The process of a role, found by its command line: `daemon`, `proxy`, `--holder`.
    pub fn pid_of(&self, role: &str) -> Option<u32> {
        self.processes().into_iter().find(|it| it.1.iter().any(|word| word == role)).map(|it| it.0)
    }

    /// The `supervise` of an instance.
    pub fn supervise_of(&self, instance: &str) -> Option<u32> {
        self.pid_of(instance)
    }

    /// Processes of the program that name this root, with their words.
    pub fn processes(&self) -> Vec<(u32, Vec<String>)> {
        let root = self.root.display().to_string();
        let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
        let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let words = |pid: u32| {
            // A process that ended meanwhile has no words any more.
            let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let words: Vec<String> =
                text.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
            let ours = words.first().is_some_and(|it| it.ends_with("cutover"));
            (ours && words.contains(&root)).then_some((pid, words))
        };
        pids.filter_map(words).collect()
    }

    /// Instances of a role (`serving`, `warm`, `candidate`) by id and process.
    pub fn instances(&self, role: &str) -> Vec<(String, u32)> {
        let environment = self.environment();
        let all = environment["instances"].as_array().cloned().unwrap_or_default();
        let of_role = all.iter().filter(|it| it["role"] == role);
        let named = |it: &Value| {
            Some((it["id"].as_str()?.to_owned(), u32::try_from(it["pid"].as_u64()?).ok()?))
        };
        of_role.filter_map(named).collect()
    }

    /// Waits until the version answers through the public route.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn until_answers(&self, version: &str, timeout: Duration) {
        let what = format!("{version} answers; {:?} does", self.answers());
        eventually(&what, timeout, || (self.answers()? == version).then_some(()));
    }

    /// What is there now, for a comparison: processes, ports and files but journal and logs.
    ///
    /// # Panics
    /// If `/proc` cannot be read.
    pub fn snapshot(&self) -> Snapshot {
        let run = self.root.join("run");
        let releases = self.root.join("projects");
        let routes = self.root.join("routes");
        let taken = Snapshot::take(&self.root, &[&run, &releases, &routes]);
        taken.expect("/proc can be read")
    }

    /// Ends all of it as an operator would.
    pub fn down(&self) -> Ran {
        self.cutover(&["down", "--all", "--yes"])
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if self.root.exists() {
            let mut command = self.command(&["down", "--all", "--yes"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(mut child) = Killed::start(&mut command) {
                let _ = within(END_WAIT, || child.exited());
            }
        }
        // What a failed test left behind, it started: instances carry the folder's path.
        for root in [self.folder.path(), &self.root] {
            let Ok(left) = Snapshot::take(root, &[]) else { continue };
            for pid in left.processes() {
                kill(pid, Signal::KILL);
            }
        }
    }
}

/// Signals a process; one that is gone needs none.
pub fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// Whether the process is there and no zombie.
pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|it| !it.1.starts_with(['Z', 'X']))
}

/// Fails if a request failed.
///
/// # Panics
/// With all that was counted, if one did.
#[track_caller]
pub fn assert_clean(summary: &Summary) {
    assert!(summary.ok, "{summary:#?}");
    assert!(summary.requests > 0, "no request was made");
}
