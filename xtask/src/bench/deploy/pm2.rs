//! The peer's side: PM2 in cluster mode, from its own registry, configured as well as it can be.
//!
//! It reloads the same application in place, told the signal that the application understands,
//! with a grace longer than its slowest request, and never from inside a link, which it would not
//! follow.

use super::{APP, INSTANCES, figures::Figures, segment::Segment};
use crate::{memory, program};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{app, eventually, ports, stand};

const PACKAGE: &str = "pm2@7";
const NAME: &str = "shop";
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// Longer than the slowest request, and than the application's own patience.
const KILL_TIMEOUT_MS: u32 = 6000;
const LISTEN_TIMEOUT_MS: u32 = 20_000;

/// A PM2 of its own, with its home in a folder of its own.
pub struct Pm2 {
    folder: TempDir,
    address: SocketAddr,
    serves: String,
}

impl Pm2 {
    /// Installs what is missing, and starts the application under it.
    pub fn install() -> Result<Self> {
        if !program_path().exists() {
            let place = place();
            fs::create_dir_all(&place)?;
            fs::write(place.join("package.json"), "{ \"private\": true }\n")?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", PACKAGE]);
            let status = npm.current_dir(&place).stdout(Stdio::null()).status();
            let status = status.context("`npm` could not be started")?;
            ensure!(status.success(), "`npm install {PACKAGE}` ended with {status}");
        }
        let folder = tempfile::Builder::new().prefix("cutover-pm2-").tempdir()?;
        let address = (Ipv4Addr::LOCALHOST, ports::free()).into();
        let pm2 = Self { folder, address, serves: "1.0.0".to_owned() };
        APP.release(&pm2.content(), "1.0.0", "")?;
        fs::write(pm2.ecosystem(), pm2.configuration())?;
        pm2.run(&["start", &pm2.ecosystem().display().to_string()])?;
        eventually("the application answers under PM2", ANSWERS_WITHIN, || {
            app::get(address, "/api/health").ok()?.starts_with("HTTP/1.1 200").then_some(())
        });
        Ok(pm2)
    }

    /// As it says.
    pub fn version(&self) -> String {
        let manifest = fs::read_to_string(place().join("node_modules/pm2/package.json"));
        let manifest = manifest.ok().and_then(|it| serde_json::from_str(&it).ok());
        let manifest: serde_json::Value = manifest.unwrap_or_default();
        manifest["version"].as_str().unwrap_or("unknown").to_owned()
    }

    /// A reload to new content, one back, and one forward again.
    pub fn measure(&mut self, run: u64, figures: &mut Figures) -> Result<()> {
        let (old, new) = (self.serves.clone(), format!("1.{run}.0"));
        let forward = self.segment(&new)?;
        forward.note(&mut figures.peer);
        figures.peer.first_answer_ms.push(forward.first_answer_ms(&new)?);
        figures.peer.command_ms.push(forward.command_ms);
        let back = self.segment(&old)?;
        back.note(&mut figures.peer);
        figures.peer.rollback_ms.push(back.last_request_ms(&new)?);
        let again = self.segment(&new)?;
        again.note(&mut figures.peer);
        self.serves = new;
        Ok(())
    }

    /// Of its own process, without the workers.
    pub fn measure_memory(&self, figures: &mut Figures) {
        figures.pm2_kib = self.pid().map_or(0, memory::pss_kib);
    }

    /// Where the application answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts other content in its place.
    pub fn put(&self, version: &str) -> Result<()> {
        let next = self.content().join("VERSION.next");
        fs::write(&next, format!("{version}\n"))?;
        Ok(fs::rename(next, self.content().join("VERSION"))?)
    }

    /// To the content that is in its place.
    pub fn reload(&self) -> Result<()> {
        self.run(&["reload", NAME])
    }

    fn segment(&self, version: &str) -> Result<Segment> {
        // The content is in place before the clock starts, as it is on our side.
        self.put(version)?;
        Segment::run(self.address, "localhost", || self.reload())
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let output = self.command(words).output().context("PM2 could not be started")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "pm2 {words:?} ended with {}: {said}", output.status);
        Ok(())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program_path());
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("PM2_HOME", self.home()).env("PM2_KILL_SIGNAL", "SIGTERM");
        command
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn content(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn ecosystem(&self) -> PathBuf {
        self.folder.path().join("ecosystem.json")
    }

    fn configuration(&self) -> String {
        let app = json!({
            "name": NAME,
            "script": self.content().join("server.js"),
            "cwd": self.content(),
            "exec_mode": "cluster",
            "instances": INSTANCES,
            "kill_timeout": KILL_TIMEOUT_MS,
            "listen_timeout": LISTEN_TIMEOUT_MS,
            "vizion": false,
            "env": { "HOST": self.address.ip(), "PORT": self.address.port().to_string() },
        });
        json!({ "apps": [app] }).to_string()
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.home().join("pm2.pid")).ok()?.trim().parse().ok()
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        let pid = self.pid();
        let _ = self.command(&["kill"]).output();
        if let Some(pid) = pid.filter(|it| stand::alive(*it)) {
            stand::kill(pid, Signal::KILL);
        }
    }
}

fn place() -> PathBuf {
    program::root().join("target/bench/pm2")
}

fn program_path() -> PathBuf {
    place().join(Path::new("node_modules/.bin/pm2"))
}
