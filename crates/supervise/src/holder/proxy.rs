//! The proxy's process: started, watched, started again.

use super::{Holder, HolderState, heard, heir, listeners::Listeners};
use crate::{
    EXIT_NOT_BOUND, RoleError,
    before_exec::BeforeExec,
    notify, own_log,
    process::{self, Process},
};
use rustix::process::{Resource, WaitOptions, getrlimit};
use std::{
    collections::VecDeque,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// So many crashes in so long a time, and the listeners are closed.
const CRASHES_MAX: usize = 3;
const CRASHES_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries while they are closed.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) process: Process,
    pub(super) watch: OwnedFd,
}

/// When the last crashes were.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    recent: VecDeque<Instant>,
}

impl Crashes {
    /// Whether that was one too many.
    fn add(&mut self, now: Instant) -> bool {
        self.recent.push_back(now);
        self.recent.retain(|at| now.duration_since(*at) < CRASHES_WITHIN);
        self.recent.len() >= CRASHES_MAX
    }
}

impl Holder {
    /// From the proxy that a dead holder left, from the service manager, or bound anew.
    pub(super) fn take_over_or_bind(&mut self, kept: Vec<OwnedFd>) -> Result<(), RoleError> {
        let inherited = heir::inherit(&self.place)
            .map_err(|message| RoleError { message, code: EXIT_NOT_BOUND })?;
        if let Some((process, listeners)) = inherited
            && let Some(watch) = process::watch(process)
        {
            own_log::note(&format!("took over the listeners of proxy {}", process.pid));
            self.hold(listeners);
            self.proxy = Some(Proxy { process, watch });
            self.enter(HolderState::Serving);
            return Ok(());
        }
        let listeners = match Listeners::kept(kept, &self.spec.listen) {
            Some(kept) => kept,
            None => {
                heard(notify::forget());
                Listeners::bind(&self.spec.listen)?
            }
        };
        self.hold(listeners);
        self.start();
        Ok(())
    }

    /// Starts the proxy with the listeners held now; a failure counts as a crash.
    pub(super) fn start(&mut self) {
        match self.spawn(false) {
            Ok(proxy) => {
                self.proxy = Some(proxy);
                self.enter(HolderState::Serving);
            }
            Err(message) => self.crashed(format!("the proxy cannot be started: {message}")),
        }
    }

    /// One that `waits` accepts nothing before it is told to lead.
    pub(super) fn spawn(&self, waits: bool) -> Result<Proxy, String> {
        let listeners = self.listeners.as_ref().ok_or("no listener is open")?;
        let (out, error) = self.output.ends().map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.spec.program);
        command.arg("proxy").arg("--root").arg(&self.spec.root).current_dir("/");
        for name in notify::VARIABLES {
            command.env_remove(name);
        }
        command.env("LISTEN_FDS", listeners.descriptors.len().to_string());
        command.env("CUTOVER_LISTEN", listeners.addresses.join(","));
        if waits {
            command.env("CUTOVER_WAITS", "1");
        }
        command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(error);
        let seated = self.seats.seated(&listeners.descriptors);
        let before = BeforeExec {
            cgroups: Vec::new(),
            files_max: getrlimit(Resource::Nofile).maximum,
            seated: seated.map_err(|error| error.to_string())?,
            ..BeforeExec::default()
        };
        before.add_to(&mut command);
        let program = self.spec.program.display();
        let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let process = process::read(child.id()).ok_or("it cannot be seen in /proc")?;
        let watch = process::watch(process).ok_or("it cannot be watched: no pidfd")?;
        Ok(Proxy { process, watch })
    }

    /// Reaps whoever has ended.  The proxy's own end is told by its pidfd, also where it is not our
    /// child.
    pub(super) fn reap(&self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("with exit code {code}"),
                (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
            };
            own_log::note(&format!("process {} ended {how}", pid.as_raw_nonzero()));
        }
    }

    /// The proxy has ended: at once another, unless that was asked for.
    pub(super) fn proxy_ended(&mut self) {
        self.proxy = None;
        self.output.finish();
        if self.stopping.is_none() && self.candidate_leads() {
            return self.take_candidate(Instant::now());
        }
        if self.stopping.is_none() {
            self.crashed("the proxy ended without being asked; see proxy.log".to_owned());
        }
    }

    fn crashed(&mut self, message: String) {
        own_log::note(&message);
        self.status.crashes = self.status.crashes.saturating_add(1);
        self.status.error = Some(message);
        let now = Instant::now();
        if self.crashes.add(now) {
            // Else clients would connect, and hang.
            self.let_go();
            self.retry_at = Some(now + RETRY);
            self.enter(HolderState::Closed);
        } else {
            self.start();
        }
    }

    /// Binds anew and starts a proxy, where that is due.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.stopping.is_some() || self.retry_at.is_none_or(|at| now < at) {
            return;
        }
        self.retry_at = None;
        let addresses = self.status.addresses.clone();
        match Listeners::bind(&addresses) {
            Ok(listeners) => {
                self.hold(listeners);
                self.start();
            }
            Err(error) => {
                self.status.error = Some(error.message);
                self.retry_at = Some(now + RETRY);
                self.enter(HolderState::Closed);
            }
        }
    }

    fn hold(&mut self, listeners: Listeners) {
        heard(notify::keep(&listeners.descriptors));
        self.status.addresses.clone_from(&listeners.addresses);
        self.listeners = Some(listeners);
    }

    /// Closes them: also what the service manager keeps of them.
    pub(super) fn let_go(&mut self) {
        self.listeners = None;
        heard(notify::forget());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_crash_in_ten_seconds_is_one_too_many() {
        let mut crashes = Crashes::default();
        let start = Instant::now();
        assert!(!crashes.add(start));
        assert!(!crashes.add(start + Duration::from_secs(1)));
        assert!(!crashes.add(start + Duration::from_secs(10)));
        assert!(crashes.add(start + Duration::from_millis(10_500)));
    }
}
