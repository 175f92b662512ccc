//! nginx's upstream is written anew, and nginx told to reload.

use super::{Way, behind};
use anyhow::Result;
use rustix::process::Signal;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{app::Running, nginx::Nginx};

/// Longer than the application's own patience.
const END_WITHIN: Duration = Duration::from_secs(20);

struct Flips {
    nginx: Nginx,
    address: SocketAddr,
    /// The one that nginx leads to is the first.
    copies: Vec<Running>,
    stops: bool,
    servers: PathBuf,
    folder: TempDir,
}

/// Two copies stay, whichever nginx leads to.
pub(super) fn install() -> Result<Box<dyn Way>> {
    begin(false)
}

/// The copy before is told to end once `nginx -s reload` has returned, as scripts do.
pub(super) fn install_stopping() -> Result<Box<dyn Way>> {
    begin(true)
}

fn begin(stops: bool) -> Result<Box<dyn Way>> {
    let folder = tempfile::tempdir()?;
    let mut copies = vec![behind::copy(folder.path(), "1.0.0", &[])?.ready()];
    if !stops {
        copies.push(behind::copy(folder.path(), "1.1.0", &[])?.ready());
    }
    let servers = folder.path().join("servers");
    lead(&servers, &copies[0])?;
    let (nginx, address) =
        behind::start(folder.path(), &format!("include {};\nkeepalive 32;", servers.display()));
    Ok(Box::new(Flips { nginx, address, copies, stops, servers, folder }))
}

fn lead(servers: &Path, to: &Running) -> Result<()> {
    let next = servers.with_extension("next");
    fs::write(&next, format!("server {} max_fails=0;\n", to.address))?;
    Ok(fs::rename(next, servers)?)
}

impl Way for Flips {
    fn name(&self) -> &'static str {
        match self.stops {
            true => "nginx -s reload, then stop",
            false => "nginx -s reload",
        }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn change(&mut self, number: u64) -> Result<()> {
        if self.stops {
            let version = format!("1.{number}.0");
            self.copies.insert(0, behind::copy(self.folder.path(), &version, &[])?.ready());
        } else {
            self.copies.rotate_left(1);
        }
        lead(&self.servers, &self.copies[0])?;
        self.nginx.reload();
        for mut old in self.copies.drain(1..).collect::<Vec<_>>() {
            match self.stops {
                true => {
                    old.process.signal(Signal::TERM);
                    old.process.ended(END_WITHIN);
                }
                false => self.copies.push(old),
            }
        }
        Ok(())
    }
}
