//! nginx leads to a link to a socket, and the link is renamed.

use super::{Way, behind};
use anyhow::Result;
use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::symlink, net::UnixStream},
    path::Path,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{app::Running, eventually, nginx::Nginx};

const READY_WITHIN: Duration = Duration::from_secs(20);
/// Loaded before the application: it listens at a socket instead of a port.
const SCRIPT: &str = "\
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, { path: process.env.SOCKET_PATH, backlog: 1024 }, ...rest);
};
";

struct Links {
    address: SocketAddr,
    folder: TempDir,
    _nginx: Nginx,
    _copies: [Running; 2],
}

pub(super) fn install() -> Result<Box<dyn Way>> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("listen.cjs");
    fs::write(&script, SCRIPT)?;
    let copies = [
        copy(folder.path(), &script, "1.0.0", SOCKETS[0])?,
        copy(folder.path(), &script, "1.1.0", SOCKETS[1])?,
    ];
    point(folder.path(), SOCKETS[0])?;
    // A kept connection would go on to the copy before.
    let server = format!("server unix:{}/current max_fails=0;", folder.path().display());
    let (nginx, address) = behind::start(folder.path(), &server);
    Ok(Box::new(Links { address, folder, _nginx: nginx, _copies: copies }))
}

const SOCKETS: [&str; 2] = ["blue.sock", "green.sock"];

fn copy(folder: &Path, script: &Path, version: &str, socket: &str) -> Result<Running> {
    let path = folder.join(socket);
    let (options, at) = (format!("--require {}", script.display()), path.display().to_string());
    let copy = behind::copy(folder, version, &[("NODE_OPTIONS", &options), ("SOCKET_PATH", &at)])?;
    eventually("it listens at its socket", READY_WITHIN, || UnixStream::connect(&path).ok());
    Ok(copy)
}

fn point(folder: &Path, socket: &str) -> Result<()> {
    let next = folder.join("next");
    symlink(socket, &next)?;
    Ok(fs::rename(next, folder.join("current"))?)
}

impl Way for Links {
    fn name(&self) -> &'static str {
        "link to a socket"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn change(&mut self, number: u64) -> Result<()> {
        point(self.folder.path(), SOCKETS[usize::from(number % 2 == 1)])
    }
}
