//! Ending everybody: first asked, then, at a deadline, killed.

use super::Instance;
use crate::{
    message::Answer,
    own_log,
    process::{self, Process},
    socket::ClientId,
};
use rustix::process::{Signal, kill_process_group};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// Descendants of a child that ended by itself are killed at the latest after this.
const LEFTOVER_GRACE_MAX: Duration = Duration::from_secs(1);
/// Between two looks at who is left,
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// and where even SIGKILL has not helped for long.
const LOOK_AGAIN_SLOWLY: Duration = Duration::from_secs(1);
/// After this the asker is told who does not end; we go on trying.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// To the child and everybody it has started beside itself.
pub(super) fn signal_group(child: Process, signal: Signal) {
    let group = process::number(child.pid);
    if group.is_none_or(|group| kill_process_group(group, signal).is_err()) {
        process::send(child, signal);
    }
}

/// Descendants are being ended.
#[derive(Debug)]
pub(super) struct Ending {
    kill_at: Instant,
    look_at: Instant,
    /// Pid and start of those that have got the stop signal.
    asked: HashSet<(u32, u64)>,
}

impl Ending {
    pub(super) fn until(kill_at: Instant) -> Self {
        Self { kill_at, look_at: Instant::now(), asked: HashSet::new() }
    }

    pub(super) fn after_exit(now: Instant, grace_ms: u64) -> Self {
        Self::until(now + LEFTOVER_GRACE_MAX.min(Duration::from_millis(grace_ms)))
    }

    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }
}

/// The instance was asked to stop.
#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) kill_at: Instant,
    killed: bool,
    waiting: Vec<ClientId>,
    /// Reported as not ending.
    given_up: bool,
    look_at: Instant,
}

impl Stopping {
    /// When the loop must look again, while the child still runs.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }
}

impl Instance {
    /// Stop signal to the child's group; whoever asks again waits with the first.
    pub(super) fn stop(&mut self, asker: Option<ClientId>) {
        let kill_at = Instant::now() + Duration::from_millis(self.spec.grace_ms);
        if let Some(stopping) = &mut self.stopping {
            stopping.waiting.extend(asker);
            return;
        }
        let waiting = asker.into_iter().collect();
        let look_at = kill_at;
        self.stopping =
            Some(Stopping { kill_at, killed: false, waiting, given_up: false, look_at });
        self.start_at = None;
        self.status.stopping = true;
        self.record();
        match self.running.as_ref().map(|running| running.process) {
            Some(child) => signal_group(child, self.stop_signal()),
            None => self.ending = Some(Ending::until(kill_at)),
        }
    }

    fn stop_signal(&self) -> Signal {
        Signal::from_named_raw(self.spec.stop_signal).unwrap_or(Signal::TERM)
    }

    /// Stops a child whose time limit has come; gives when it comes, where it has not.
    pub(super) fn mind_the_limit(&mut self, now: Instant) -> Option<Instant> {
        let limit_at = self.running.as_ref().filter(|_| self.stopping.is_none())?.limit_at?;
        if now < limit_at {
            return Some(limit_at);
        }
        self.status.timed_out = true;
        self.stop(None);
        None
    }

    /// What is due of stopping while the child itself has not ended.
    pub(super) fn go_on_stopping(&mut self, now: Instant) {
        let child = self.child_pid();
        let Some(stopping) = &mut self.stopping else { return };
        if child.is_none() || now < stopping.look_at {
            return;
        }
        stopping.killed = true;
        let stuck = now >= stopping.kill_at + KILL_PATIENCE;
        stopping.look_at = now + if stuck { LOOK_AGAIN_SLOWLY } else { LOOK_AGAIN };
        let members = self.family.members(child);
        self.family.kill(&members);
        if stuck {
            self.give_up(&members);
        }
    }

    /// What is due of ending the child's descendants after it.
    pub(super) fn go_on_ending(&mut self, now: Instant) {
        let Some(mut ending) = self.ending.take() else { return };
        if now < ending.look_at {
            self.ending = Some(ending);
            return;
        }
        let members = self.family.members(None);
        if members.is_empty() {
            return;
        }
        let stuck = now >= ending.kill_at + KILL_PATIENCE;
        ending.look_at = now + if stuck { LOOK_AGAIN_SLOWLY } else { LOOK_AGAIN };
        if now >= ending.kill_at {
            if let Some(stopping) = &mut self.stopping {
                stopping.killed = true;
            }
            self.family.kill(&members);
        } else {
            let signal = self.stop_signal();
            for member in &members {
                if ending.asked.insert((member.pid, member.start_ticks)) {
                    process::send(*member, signal);
                }
            }
        }
        self.ending = Some(ending);
        if stuck {
            self.give_up(&members);
        }
    }

    /// Whether nobody is left, and that was wanted: then this process may end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopping.is_some() && self.running.is_none() && self.ending.is_none()
    }

    /// The last words.
    pub(super) fn say_stopped(&mut self) {
        self.output.finish();
        self.status.gone = true;
        self.record();
        self.family.cgroup().remove();
        self.server.unlink();
        let Some(stopping) = self.stopping.take() else { return };
        for asker in stopping.waiting {
            self.server.answer(asker, &Answer::Stopped { killed: stopping.killed });
        }
    }

    fn give_up(&mut self, members: &[Process]) {
        let Some(stopping) = self.stopping.as_mut().filter(|stopping| !stopping.given_up) else {
            return;
        };
        stopping.given_up = true;
        let names: Vec<String> = members.iter().map(|member| member.pid.to_string()).collect();
        let message = format!(
            "killed, but not gone: {}; such processes wait in the kernel, often for a disk or a \
             network file system; look there, then ask again",
            names.join(", ")
        );
        own_log::note(&message);
        for asker in std::mem::take(&mut stopping.waiting) {
            self.server.answer(asker, &Answer::Refused { message: message.clone() });
        }
    }
}
