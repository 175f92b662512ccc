//! The child's life: start, readiness, end, and the next start.

use super::{Ending, Instance, notify, record};
use crate::{
    before_exec::BeforeExec,
    clock, listen,
    message::{Child, Exit},
    own_log,
    process::{self, Process},
    program,
    spec::Restart,
};
use rustix::process::{WaitOptions, WaitStatus};
use std::{
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Between two looks for the socket at which a child is to listen: this part of its life so far.
const SOCKET_PART: u32 = 20;
const SOCKET_PAUSE_MIN: Duration = Duration::from_millis(20);
const SOCKET_PAUSE_MAX: Duration = Duration::from_millis(500);
/// A life of this length makes the next delay the first again.
const BACKOFF_RESET: Duration = Duration::from_secs(60);

/// The child, while it runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    /// Readable once it has ended.
    pub(super) watch: OwnedFd,
    /// It is our own child, so that we learn how it ends.
    pub(super) ours: bool,
    pub(super) since: Instant,
    /// When its time limit comes, if it has one.
    pub(super) limit_at: Option<Instant>,
    /// The group's count when it started.
    pub(super) memory_kills: u64,
}

/// The delay before the next start.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: BACKOFF_FIRST }
    }
}

impl Backoff {
    fn after_life_of(&mut self, life: Duration) -> Duration {
        if life >= BACKOFF_RESET {
            self.next = BACKOFF_FIRST;
        }
        let delay = self.next;
        self.next = (delay * 2).min(BACKOFF_MAX);
        delay
    }
}

impl Instance {
    /// Starts the child, and records it or why it could not be.
    pub(super) fn start(&mut self) {
        self.start_at = None;
        self.status.ready = false;
        match self.spawn() {
            Ok(running) => {
                self.status.child = Some(Child {
                    pid: running.process.pid,
                    start_ticks: running.process.start_ticks,
                    started_at_ms: clock::unix_ms(),
                });
                self.status.adopted = false;
                self.running = Some(running);
                self.open_at = self.spec.listen.as_ref().map(|_| Instant::now());
                self.record();
            }
            Err(message) => {
                own_log::note(&format!("not started: {message}"));
                let exit = Exit { spawn_error: Some(message), ..record::unknown_exit() };
                self.ended(exit, Duration::ZERO);
            }
        }
    }

    fn spawn(&self) -> Result<Running, String> {
        let spec = &self.spec;
        if let Some(path) = &spec.listen {
            listen::clear(path)
                .map_err(|error| format!("its socket {}: {error}", path.display()))?;
        }
        let (name, arguments) = spec.command.split_first().ok_or("the command is empty")?;
        let file = program::find(name, &spec.directory, &spec.environment)?;
        let (out, error) = self.output.ends().map_err(|error| format!("its output: {error}"))?;
        let mut command = Command::new(&file);
        command.arg0(name).args(arguments).current_dir(&spec.directory);
        command.env_clear().envs(&spec.environment).env(process::TOKEN, &spec.token);
        if let Some(notify) = &self.notify {
            command.env(notify::VARIABLE, notify.name());
        }
        if let Some(user) = spec.user {
            command.uid(user.uid).gid(user.gid);
        }
        command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(error);
        let cgroups = self.family.cgroup().doors();
        let files_max = spec.limits.files;
        BeforeExec { cgroups, files_max, ..BeforeExec::default() }.add_to(&mut command);
        let memory_kills = self.family.cgroup().memory_kills();
        let child = command.spawn().map_err(|error| {
            format!(
                "{} cannot be executed in {}: {error}",
                file.display(),
                spec.directory.display()
            )
        })?;
        // Not reaped yet, so its pid is its own even if it has ended already.
        let process = process::read(child.id()).ok_or("it cannot be seen in /proc")?;
        let watch = process::watch(process).ok_or("it cannot be watched: no pidfd")?;
        let since = Instant::now();
        let limit_at =
            spec.time_limit_ms.and_then(|it| since.checked_add(Duration::from_millis(it)));
        Ok(Running { process, watch, ours: true, since, limit_at, memory_kills })
    }

    /// Opens the child's socket as soon as it is there; gives when to look again.
    pub(super) fn mind_the_socket(&mut self, now: Instant) -> Option<Instant> {
        let (at, path) = (self.open_at?, self.spec.listen.as_ref()?);
        if self.running.is_none() {
            self.open_at = None;
            return None;
        }
        if at > now {
            return Some(at);
        }
        let own = rustix::process::geteuid().as_raw();
        let user = self.spec.user.map_or(own, |it| it.uid);
        self.open_at = match listen::open(path, user) {
            Ok(listen::Opened::Yes) => None,
            Ok(listen::Opened::NotYet) => Some(now + self.socket_pause()),
            Err(error) => {
                own_log::note(&format!("its socket {} stays closed: {error}", path.display()));
                None
            }
        };
        self.open_at
    }

    /// Longer and longer: it may never listen.
    fn socket_pause(&self) -> Duration {
        let lived = self.running.as_ref().map_or(Duration::ZERO, |it| it.since.elapsed());
        (lived / SOCKET_PART).clamp(SOCKET_PAUSE_MIN, SOCKET_PAUSE_MAX)
    }

    /// Asks the kernel for everybody who has ended: the child, and orphans that became ours.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = u32::try_from(pid.as_raw_nonzero().get()).ok();
            let running = self.running.as_ref().filter(|running| running.ours);
            if running.is_some_and(|running| Some(running.process.pid) == pid) {
                self.child_ended(Some(status));
            }
        }
    }

    /// The child has ended; `how` is known of our own only.
    pub(super) fn child_ended(&mut self, how: Option<WaitStatus>) {
        let Some(running) = self.running.take() else { return };
        let exit = Exit {
            code: how.and_then(WaitStatus::exit_status),
            signal: how.and_then(WaitStatus::terminating_signal),
            out_of_memory: self.family.cgroup().memory_kills() > running.memory_kills,
            ..record::unknown_exit()
        };
        self.ended(exit, running.since.elapsed());
    }

    /// Records an end at once, ends who is left of it, and plans the next start.
    pub(super) fn ended(&mut self, exit: Exit, life: Duration) {
        self.output.finish();
        self.status.child = None;
        self.status.ready = false;
        self.status.exit = Some(exit);
        self.record();
        let now = Instant::now();
        let ending = match &self.stopping {
            Some(stopping) => Ending::until(stopping.kill_at),
            None => Ending::after_exit(now, self.spec.grace_ms),
        };
        self.ending = Some(ending);
        let delay = self.backoff.after_life_of(life);
        if self.stopping.is_none() && self.spec.restart == Restart::Always {
            self.start_at = Some(now + delay);
        }
    }

    pub(super) fn start_again(&mut self) {
        self.status.restarts = self.status.restarts.saturating_add(1);
        self.start();
    }

    /// Somebody says the app is ready: taken from the instance's own processes only.
    pub(super) fn hear(&mut self) {
        let Some(child) = self.child_pid() else { return };
        while let Some(ready) = self.notify.as_ref().and_then(notify::Notify::receive) {
            if !self.status.ready && self.may_say_ready(ready, child) {
                self.status.ready = true;
                self.record();
            }
        }
    }

    /// A helper that only said so may have ended already; then its user must be the child's.
    fn may_say_ready(&self, ready: notify::Ready, child: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        let user = self.spec.user.map_or(own, |user| user.uid);
        match process::read(ready.pid) {
            Some(_) => self.family.holds(ready.pid, child),
            None => ready.uid == user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_limit_and_a_long_life_resets_them() {
        let mut backoff = Backoff::default();
        let short: Vec<u128> =
            (0..9).map(|_| backoff.after_life_of(Duration::ZERO).as_millis()).collect();
        assert_eq!(short, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(backoff.after_life_of(BACKOFF_RESET), BACKOFF_FIRST);
        assert_eq!(backoff.after_life_of(Duration::ZERO), BACKOFF_FIRST * 2);
    }
}
