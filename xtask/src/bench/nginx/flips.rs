//! nginx's upstream is written anew, and nginx told to reload.

use super::{Way, behind};
use anyhow::Result;
use std::{fs, net::SocketAddr, path::PathBuf};
use tempfile::TempDir;
use testkit::{app::Running, nginx::Nginx};

struct Flips {
    nginx: Nginx,
    address: SocketAddr,
    copies: [Running; 2],
    servers: PathBuf,
    _folder: TempDir,
}

pub(super) fn install() -> Result<Box<dyn Way>> {
    let folder = tempfile::tempdir()?;
    let copies = [
        behind::copy(folder.path(), "1.0.0", &[])?.ready(),
        behind::copy(folder.path(), "1.1.0", &[])?.ready(),
    ];
    let servers = folder.path().join("servers");
    fs::write(&servers, named(&copies[0]))?;
    let (nginx, address) =
        behind::start(folder.path(), &format!("include {};\nkeepalive 32;", servers.display()));
    Ok(Box::new(Flips { nginx, address, copies, servers, _folder: folder }))
}

fn named(copy: &Running) -> String {
    format!("server {} max_fails=0;\n", copy.address)
}

impl Way for Flips {
    fn name(&self) -> &'static str {
        "nginx -s reload"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn change(&mut self, number: u64) -> Result<()> {
        let to = &self.copies[usize::from(number % 2 == 1)];
        let next = self.servers.with_extension("next");
        fs::write(&next, named(to))?;
        fs::rename(next, &self.servers)?;
        self.nginx.reload();
        Ok(())
    }
}
