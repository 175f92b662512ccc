//! The folder that the demo plays in: three versions of an application, and a configuration.

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long processes and the port may take to be gone after `down`.
const GONE_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The folder, and what is in it.
pub struct Stage {
    /// Removed when it is dropped.
    pub folder: TempDir,
    /// The state directory.
    pub root: PathBuf,
    /// Where the proxy listens.
    pub address: SocketAddr,
    /// Where the application notes the ids of the POSTs it took.
    pub post_log: PathBuf,
    /// Somebody wants it to end: it still ends what it started.
    pub interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Lays out the three versions and the configuration.
    pub fn build(app: &Path) -> Result<Stage> {
        let folder = tempfile::Builder::new()
            .prefix("cutover-demo-")
            .tempdir()
            .context("no temporary folder can be made")?;
        for (name, version, flaw) in
            [("v1", "1.0.0", None), ("v2", "2.0.0", None), ("v3", "3.0.0", Some("all_500"))]
        {
            let directory = folder.path().join(name);
            fs::create_dir(&directory)?;
            fs::copy(app, directory.join("app"))?;
            fs::write(directory.join("VERSION"), version)?;
            if let Some(flaw) = flaw {
                fs::write(directory.join("BREAK"), flaw)?;
            }
        }
        let address = free_address()?;
        let post_log = folder.path().join("posts");
        fs::write(&post_log, "")?;
        fs::write(folder.path().join("cutover.yml"), configuration(address, &post_log))?;
        let root = folder.path().join("state");
        let interrupted = Arc::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))
                .context("signals cannot be heard")?;
        }
        Ok(Stage { folder, root, address, post_log, interrupted })
    }

    /// Fails if the demo left a process or its port behind; the folder goes with the stage.
    pub fn leave_nothing(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let processes = processes_naming(self.folder.path())?;
            let port_free = TcpListener::bind(self.address).is_ok();
            if processes.is_empty() && port_free {
                return Ok(());
            }
            if began.elapsed() > GONE_WAIT {
                bail!("left behind: processes {processes:?}, port free: {port_free}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Processes other than this one, and what it is run by, whose command line names the folder.
fn processes_naming(folder: &Path) -> Result<Vec<u32>> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let mut found = vec![];
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A process that ended meanwhile has no command line any more.
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let names = line.windows(needle.len()).any(|it| it == needle);
        if names && pid != std::process::id() {
            found.push(pid);
        }
    }
    Ok(found)
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

fn configuration(address: SocketAddr, post_log: &Path) -> String {
    format!(
        r#"proxy: {{ listen: ["{address}"] }}
projects:
  demo:
    source: {{ directory: v1 }}
    services:
      web:
        command: [./app]
        instances: 2
        routes: [/]
        health: {{ path: /api/health }}
        smoke: [{{ get: /api/version, json: {{ version: "{{version}}" }} }}]
        drain: 3s
        bake: 3s
        env: {{ POST_LOG: "{}" }}
    environments:
      shop: {{ domains: [shop.example], version: semver, disk_free: 200M }}
"#,
        post_log.display()
    )
}
