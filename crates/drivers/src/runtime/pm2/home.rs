//! One `PM2_HOME`: whose it is, its daemon, and PM2's own program.

use super::wire::{Unanswered, Wire};
use crate::{account, file, host, layout::Layout};
use model::{
    failure::{Blame, Failure},
    pm2::Pm2Spec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// For a list of all its processes.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(4);
/// The length of a socket's path, its end included.
const SOCKET_PATH_MAX: usize = 107;
/// The longest name of a socket in it.
const SOCKET_NAME: &str = "/interactor.sock";

/// One `PM2_HOME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// PM2's own program.
    pub(super) program: String,
}

impl Home {
    pub(super) fn of(layout: &Layout, spec: &Pm2Spec) -> Home {
        let path = match &spec.home {
            Some(given) => match given.strip_prefix("~/") {
                Some(rest) => account::own_home().join(rest),
                None => PathBuf::from(given),
            },
            None => layout.pm2_home(),
        };
        Home { path, program: spec.program.clone() }
    }

    pub(super) fn open(&self) -> Result<Wire, Unanswered> {
        Wire::open(&self.path, ANSWER_WAIT)
    }

    /// Everything that its daemon lists, ours or not.
    pub(super) fn list(&self) -> Result<Vec<Value>, Unanswered> {
        list(&mut self.open()?)
    }

    /// The daemon's process id, as it wrote it.
    pub(super) fn daemon_pid(&self) -> Option<u32> {
        fs::read_to_string(self.path.join("pm2.pid")).ok()?.trim().parse().ok()
    }

    /// Ends the daemon, if it runs and lists nothing.
    pub(super) fn end_idle_daemon(&self) {
        if !self.list().is_ok_and(|it| it.is_empty()) {
            return;
        }
        let Some(pid) = self.daemon_pid() else { return };
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Another process may have its number by now.
        let is_its = line.starts_with("PM2") && line.contains(&*self.path.to_string_lossy());
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        if let (Some(pid), true) = (pid, is_its) {
            // One that ended meanwhile needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// PM2's program; its time limit is given with each use.
    pub(super) fn command(&self, limit: Duration) -> host::Command {
        let program = Path::new(&self.program);
        // Version managers keep Node beside what is installed with it.
        let beside = program.parent().filter(|it| it.is_absolute());
        let path = beside
            .map_or_else(|| host::PATH.to_owned(), |it| format!("{}:{}", it.display(), host::PATH));
        host::Command::new(program, limit)
            .variable("PATH", &path)
            .variable("PM2_HOME", &self.path.to_string_lossy())
            .variable("PM2_DISCRETE_MODE", "true")
            .variable("PM2_DISABLE_VERSION_CHECK", "true")
            .variable("PM2_NO_INTERACTION", "true")
    }

    /// Makes it where it is ours to make.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        file::make_directory(&self.path, file::MODE_PRIVATE_DIRECTORY)
            .map_err(|error| file::failure("make the directory", &self.path, &error))
    }

    /// Why nothing can be run in it, in words.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        if self.path.as_os_str().len() + SOCKET_NAME.len() > SOCKET_PATH_MAX {
            problems.push(format!(
                "PM2's sockets would have too long a path below {}: give a shorter `pm2: home`",
                self.path.display()
            ));
        }
        if !self.path.is_absolute() {
            problems.push(format!("`pm2: home` must be a whole path: {}", self.path.display()));
        }
        let own = rustix::process::geteuid().as_raw();
        if let Ok(owner) = fs::metadata(&self.path).map(|it| it.uid())
            && owner != own
        {
            problems.push(format!(
                "{} belongs to user {owner}, and a PM2 started by user {own} would lock them out \
                 of it: run the controller as that user, or give another `pm2: home`",
                self.path.display()
            ));
        }
        if find(&self.program).is_none() {
            problems.push(format!(
                "PM2's program `{}` is not there: install it (`npm install --global pm2`), or give \
                 its whole path as `pm2: program`",
                self.program
            ));
        }
        problems
    }
}

/// Over one connection, so that its numbers are good for further calls over it.
pub(super) fn list(wire: &mut Wire) -> Result<Vec<Value>, Unanswered> {
    match wire.call("getMonitorData", &json!({}))? {
        Value::Array(all) => Ok(all),
        _ => Err(Unanswered::Silent("its list is none".to_owned())),
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let is_executable = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_executable);
    }
    env::split_paths(host::PATH).map(|it| it.join(program)).find(is_executable)
}

/// As a failure to do something in it.
pub(super) fn unanswered(doing: &str, home: &Home, why: &Unanswered) -> Failure {
    let home = home.path.display();
    let (what, hint) = match why {
        Unanswered::NotRunning => ("its daemon does not run".to_owned(), "start it with PM2"),
        Unanswered::Silent(what) => {
            (what.clone(), "see whether PM2's daemon is stopped or starved, then try again")
        }
        Unanswered::Refused(what) => (what.clone(), "see pm2.log there"),
    };
    Failure::new(Blame::Platform, format!("{doing}: PM2 ({home}): {what}")).hint(hint)
}
