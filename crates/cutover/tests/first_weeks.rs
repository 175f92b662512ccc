//! An installation's first weeks on a real PM2 and behind a real nginx, as its owner lives them:
//! two environments, updates, releases that are no good, ways back, links that break, a disk that
//! fills.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{
    fs::{self, File},
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{
    app::{App, get_from},
    nginx::Nginx,
    pm2::Pm2,
    ports,
    stand::{HOST, Layout, Ran, Stand, TARGET, assert_clean},
    time::eventually,
};

const REFUSED: i32 = 2;
const ABORTED: i32 = 3;
const ROLLED_BACK: i32 = 4;
const SOON: Duration = Duration::from_secs(30);
const VERB_WAIT: Duration = Duration::from_secs(120);
const STAGING_HOST: &str = "staging.example";
const CHUNK_BYTES: usize = 1 << 20;

/// A small file system; unmounted when it is dropped.
struct Small(TempDir);

impl Small {
    fn new() -> Small {
        let directory = tempfile::Builder::new().prefix("cutover-weeks-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=192m", "tmpfs"]).arg(directory.path());
        assert!(mount.status().unwrap().success(), "only root may mount");
        Small(directory)
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let chunk = vec![7; CHUNK_BYTES];
        while file.write_all(&chunk).is_ok() {}
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what still uses it is ended by the stand, whichever is dropped first.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// In the order in which they are to be dropped.
struct Weeks {
    stand: Stand,
    nginx: Nginx,
    address: SocketAddr,
    _pm2: Pm2,
    small: Small,
}

fn begin() -> Weeks {
    let small = Small::new();
    let program = testkit::pm2::program().canonicalize().unwrap();
    let stand = Stand::new(Layout {
        app: App::Node,
        instances: 1,
        bake_s: 0.3,
        drain_s: 2.0,
        keep_warm_s: 2.0,
        start_timeout_s: 30.0,
        disk_free: "32M",
        root: Some(small.0.path().join("state")),
        more: vec![
            "runtime: pm2".to_owned(),
            format!("pm2: {{ program: {}, ecosystem: ecosystem.config.js }}", program.display()),
        ],
        ..Layout::default()
    });
    let folder = stand.folder.path();
    let ecosystem = "module.exports = { apps: [{ name: 'shop-production', exec_mode: 'fork' },\n  \
                     { name: 'shop-staging', kill_timeout: 2000 }] };\n";
    fs::write(folder.join("ecosystem.config.js"), ecosystem).unwrap();
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let (ours, words) = (folder.join("ours"), Nginx::program(folder));
    let key = format!(
        "nginx: {{ listen: [\"{address}\"], directory: {}, program: {} }}\n",
        ours.display(),
        serde_json::to_string(&words).unwrap()
    );
    let text = fs::read_to_string(stand.config()).unwrap();
    let staging = format!(
        "    environments:\n      staging: {{ domains: [{STAGING_HOST}], version: timestamp, \
         disk_free: 32M }}\n"
    );
    let text = text.replace("    environments:\n", &staging);
    let text = text.replace("version: semver,", "version: semver, keep_releases: 2,");
    fs::write(stand.config(), key + &text).unwrap();
    fs::create_dir_all(ours.join("none")).unwrap();
    let nginx = Nginx::start(folder, &format!("include {}/current/*/*.conf;", ours.display()));
    let pm2 = Pm2::new(&stand.root.join("pm2"));
    Weeks { stand, nginx, address, _pm2: pm2, small }
}

impl Weeks {
    fn deploy(&self, version: &str, breakage: &str, more: &[&str]) -> Ran {
        let from = self.stand.release(version, breakage).display().to_string();
        let words = [&["deploy", TARGET, version, "--from", &from, "--yes"], more].concat();
        self.stand.cutover_within(&words, VERB_WAIT)
    }

    /// What the public sees.
    fn answers(&self, host: &str) -> String {
        let answer = get_from(self.address, host, "/api/version").unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        body["version"].as_str().unwrap_or_default().to_owned()
    }

    fn production(&self) -> PathBuf {
        self.stand.root.join("projects/shop/production")
    }

    fn link(&self, name: &str) -> String {
        fs::read_link(self.production().join(name)).unwrap().display().to_string()
    }

    fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.production().join("releases")).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut kept: Vec<String> = names.filter(|it| !it.starts_with('.')).collect();
        kept.sort();
        kept
    }
}

#[test]
fn the_first_weeks_of_two_environments() {
    let weeks = begin();
    let Weeks { stand, nginx, small, .. } = &weeks;
    // Staging by its time, production by its tag.
    let staged = "20240923-0900";
    let from = stand.release(staged, "").display().to_string();
    let words = ["deploy", "shop/staging", staged, "--from", &from];
    stand.cutover_within(&words, VERB_WAIT).expect(0);
    stand.cutover(&["nginx", "apply"]).expect(0);
    assert_eq!(weeks.answers(STAGING_HOST), staged);
    weeks.deploy("1.2.0", "", &[]).expect(0);
    assert_eq!(
        (weeks.answers(HOST).as_str(), weeks.link("current").as_str()),
        ("1.2.0", "releases/1.2.0")
    );

    // What would be done is shown, and not done; then done, and nobody notices.
    let load = stand.load_with(|it| it.target = weeks.address);
    let shown = weeks.deploy("1.3.0", "", &["--dry-run"]).expect(0).text();
    assert!(shown.contains("nothing was done"), "{shown}");
    assert_eq!(weeks.answers(HOST), "1.2.0");
    weeks.deploy("1.3.0", "", &[]).expect(0);
    // Never healthy: it gets no traffic.
    weeks.deploy("1.4.0", "exit1", &[]).expect(ABORTED);
    stand.cutover(&["rollback", TARGET]).expect(0);
    assert_eq!(weeks.answers(HOST), "1.2.0");
    stand.cutover(&["rollback", TARGET, "--to", "1.3.0"]).expect(0);
    assert_clean(&load.stop().unwrap());
    assert_eq!(weeks.link("current"), "releases/1.3.0");
    // Healthy until it has traffic: it is left by itself.
    let load = stand.load_with(|it| it.target = weeks.address);
    weeks.deploy("1.5.0", "crash_after_switch=50", &["--skip-smoke"]).expect(ROLLED_BACK);
    // What it died of had failed; all others were served.
    let summary = load.stop().unwrap();
    assert!(summary.completed > 10 * summary.failed, "{summary:#?}");
    eventually("the release before answers", SOON, || {
        (weeks.answers(HOST) == "1.3.0").then_some(())
    });

    for version in ["1.6.0", "1.7.0", "1.8.0", "1.9.0"] {
        weeks.deploy(version, "", &[]).expect(0);
    }
    // At most five, and none that was never accepted.
    let kept = weeks.kept();
    assert!(kept.len() <= 5 && !kept.iter().any(|it| it == "1.5.0"), "{kept:?}");

    broken_link(&weeks);
    full_disk(&weeks, small);
    // Each release was seen to answer by nginx too.
    assert!(nginx.asked("\"cutover\"") >= 8, "{}", nginx.asked("\"cutover\""));
    assert_eq!(weeks.answers(STAGING_HOST), staged);
}

/// A link that leads nowhere takes nothing from who is served, and the next deployment mends it.
fn broken_link(weeks: &Weeks) {
    let current = weeks.production().join("current");
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink(Path::new("releases/gone"), &current).unwrap();
    assert_eq!(weeks.answers(HOST), "1.9.0");
    weeks.deploy("1.10.0", "", &[]).expect(0);
    assert_eq!(weeks.link("current"), "releases/1.10.0");
}

/// A full disk is told before anything is touched; with room again all goes on.
fn full_disk(weeks: &Weeks, small: &Small) {
    small.fill();
    let said = weeks.deploy("1.11.0", "", &[]).expect(REFUSED).text();
    assert!(said.contains("free some space"), "{said}");
    assert_eq!(weeks.answers(HOST), "1.10.0");
    fs::remove_file(small.filler()).unwrap();
    weeks.deploy("1.11.0", "", &[]).expect(0);
    assert_eq!(weeks.answers(HOST), "1.11.0");
}
