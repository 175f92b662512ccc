//! nginx leads to PM2's port, and PM2 reloads.

use super::{Way, behind};
use crate::bench::deploy::pm2::Pm2;
use anyhow::Result;
use std::net::SocketAddr;
use tempfile::TempDir;
use testkit::nginx::Nginx;

struct Reloads {
    address: SocketAddr,
    pm2: Pm2,
    _nginx: Nginx,
    _folder: TempDir,
}

pub(super) fn install() -> Result<Box<dyn Way>> {
    let (pm2, folder) = (Pm2::install()?, tempfile::tempdir()?);
    let server = format!("server {} max_fails=0;\nkeepalive 32;", pm2.address());
    let (nginx, address) = behind::start(folder.path(), &server);
    Ok(Box::new(Reloads { address, pm2, _nginx: nginx, _folder: folder }))
}

impl Way for Reloads {
    fn name(&self) -> &'static str {
        "pm2 reload"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn change(&mut self, number: u64) -> Result<()> {
        self.pm2.put(&format!("1.{number}.0"))?;
        self.pm2.reload()
    }
}
