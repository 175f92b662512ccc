//! Ours: a whole installation, whose application is the backend that all others are led to also.

use super::contender::{Contender, Ground, HOST, addresses};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use testkit::{
    app::built,
    stand::{Layout, Stand, TARGET},
};

/// An installation, with the backend as its application.
pub struct Ours {
    stand: Stand,
    secure: SocketAddr,
    /// The application.
    pub backend: SocketAddr,
    proxy: u32,
    /// The application's process.
    pub application: u32,
}

impl Ours {
    /// Deploys the backend behind our proxy, on the cores.
    pub fn install(certificate: &Path, key: &Path, cores: &str) -> Result<Self> {
        let mut stand = Stand::new(Layout::default());
        stand.through = ["taskset", "-c", cores].map(str::to_owned).to_vec();
        let [_, secure] = addresses();
        let command = serde_json::to_string(&[built("cutover-testkit", "cutover-backend")])?;
        let text = format!(
            r#"proxy:
  listen: ["{}"]
  https:
    listen: ["{secure}"]
    redirect: no
    certificates:
      {HOST}: {{ certificate: {}, key: {} }}
projects:
  shop:
    source: {{ directory: . }}
    services:
      web: {{ command: {command}, routes: [/], health: {{ path: / }}, bake: 0s }}
    environments:
      production: {{ domains: [{HOST}], version: semver, disk_free: 64M }}
"#,
            stand.address,
            certificate.display(),
            key.display(),
        );
        fs::write(stand.config(), text)?;
        let content = stand.folder.path().join("content");
        fs::create_dir(&content)?;
        fs::write(content.join("nothing"), "The application needs no file.\n")?;
        let from = content.display().to_string();
        let ran = stand.cutover(&["deploy", TARGET, "1.0.0", "--from", &from]);
        ensure!(ran.code == Some(0), "no deployment: {}", ran.text());
        let environment = stand.environment();
        let instance = &environment["instances"][0];
        let number = |key: &str| instance[key].as_u64().and_then(|it| u32::try_from(it).ok());
        let port = number("port").and_then(|it| u16::try_from(it).ok());
        let port = port.with_context(|| format!("no port: {environment}"))?;
        Ok(Self {
            secure,
            backend: (Ipv4Addr::LOCALHOST, port).into(),
            application: number("pid").context("the application has no process")?,
            proxy: stand.pid_of("proxy").context("the proxy does not run")?,
            stand,
        })
    }
}

impl Contender for Ours {
    fn name(&self) -> &'static str {
        "cutover"
    }

    fn clear(&self) -> SocketAddr {
        self.stand.address
    }

    fn secure(&self) -> SocketAddr {
        self.secure
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.proxy]
    }
}

/// The peers, in front of the application of ours.
pub fn ground<'a>(
    folder: &'a Path,
    ours: &Ours,
    pem: (&Path, &Path),
    (workers, cores): (usize, &'a str),
) -> Ground<'a> {
    Ground {
        folder,
        backend: ours.backend,
        certificate: pem.0.to_owned(),
        key: pem.1.to_owned(),
        workers,
        cores,
    }
}
