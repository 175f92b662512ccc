//! Where things of an instance, and of the proxy, lie under the state directory.

use rustix::fs::{Mode, OFlags};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

pub(crate) const SPEC: &str = "spec.json";
pub(crate) const STATUS: &str = "status.json";
pub(crate) const EPOCH: &str = "epoch";
pub(crate) const LOCK: &str = "lock";
pub(crate) const SOCKET: &str = "supervise.sock";
pub(crate) const LOG: &str = "supervise.log";
pub(crate) const OUT_FIFO: &str = "out.fifo";
pub(crate) const ERROR_FIFO: &str = "error.fifo";

pub(crate) const HOLDER_SPEC: &str = "holder.json";
pub(crate) const HOLDER_STATUS: &str = "holder-status.json";
pub(crate) const HOLDER_LOCK: &str = "holder.lock";
pub(crate) const HOLDER_SOCKET: &str = "holder.sock";
pub(crate) const HOLDER_LOG: &str = "holder.log";
pub(crate) const PROXY_SOCKET: &str = "control.sock";
pub(crate) const PROXY_LOG: &str = "proxy.log";

pub(crate) fn of_instance(root: &Path, instance: &str) -> PathBuf {
    root.join("run").join(instance)
}

pub(crate) fn of_proxy(root: &Path) -> PathBuf {
    root.join("proxy")
}

/// A directory that is kept open, so that sockets in it have short names however deep it lies.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    directory: OwnedFd,
}

impl Place {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty())?;
        Ok(Self { path, directory })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A path of at most 108 bytes, as a socket's must be; good while this is open.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.directory.as_raw_fd()))
    }
}
