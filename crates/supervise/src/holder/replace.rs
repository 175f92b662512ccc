//! Another proxy in the place of the one that runs: both accept until the new one surely serves.

use super::{Holder, HolderAnswer, HolderState, heir, proxy::Proxy};
use crate::{own_log, place, process, socket::ClientId, whole_file};
use rustix::process::Signal;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// A new proxy that does not answer on the control socket in this time is ended again.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Proxies that may still serve their last requests at one time.
const LEAVING_MAX: usize = 8;
/// One that has not ended by itself so long after it was asked is killed.
const LEAVE_PATIENCE: Duration = Duration::from_secs(900);

/// A new proxy, of which it is not known yet whether it works.
pub(super) struct Candidate {
    pub(super) proxy: Proxy,
    asker: ClientId,
    program_before: PathBuf,
    give_up_at: Instant,
    look_at: Instant,
}

impl Candidate {
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }
}

/// A proxy that accepts no more and serves what it has.
pub(super) struct Leaving {
    pub(super) proxy: Proxy,
    kill_at: Instant,
}

impl Holder {
    /// Starts another proxy of `program`, or of the same; answered when it serves, or does not.
    pub(super) fn replace(&mut self, asker: ClientId, program: Option<PathBuf>) {
        if let Some(message) = self.why_not_replace() {
            self.server.answer(asker, &HolderAnswer::Refused { message });
            return;
        }
        let before = self.spec.program.clone();
        self.spec.program = program.unwrap_or_else(|| before.clone());
        match self.spawn() {
            Ok(proxy) => {
                let look_at = Instant::now();
                let give_up_at = look_at + START_PATIENCE;
                self.server.let_wait(asker);
                let program_before = before;
                self.candidate =
                    Some(Candidate { proxy, asker, program_before, give_up_at, look_at });
            }
            Err(message) => {
                self.spec.program = before;
                let message = format!("nothing was changed: {message}");
                self.server.answer(asker, &HolderAnswer::Refused { message });
            }
        }
    }

    fn why_not_replace(&self) -> Option<String> {
        if self.stopping.is_some() || self.proxy.is_none() || self.listeners.is_none() {
            Some("no proxy serves now; see the status".to_owned())
        } else if self.candidate.is_some() {
            Some("the proxy is being replaced already; wait for that".to_owned())
        } else if self.leaving.len() >= LEAVING_MAX {
            let count = self.leaving.len();
            Some(format!("{count} proxies still serve their last requests; try again later"))
        } else {
            None
        }
    }

    /// Looks whether the new one answers, and ends whoever has had enough time.
    pub(super) fn go_on_replacing(&mut self, now: Instant) {
        for leaving in &mut self.leaving {
            if now >= leaving.kill_at {
                process::send(leaving.proxy.process, Signal::KILL);
                leaving.kill_at = now + LEAVE_PATIENCE;
            }
        }
        let Some(candidate) = self.candidate.as_mut().filter(|it| now >= it.look_at) else {
            return;
        };
        candidate.look_at = now + LOOK_AGAIN;
        let pid = candidate.proxy.process.pid;
        if heir::who_answers(&self.place).is_some_and(|process| process.pid == pid) {
            self.take_candidate(now);
        } else if now >= candidate.give_up_at {
            process::send(candidate.proxy.process, Signal::KILL);
            self.candidate_ended("it did not answer on its control socket in time");
        }
    }

    /// The new one serves: the old one is asked to leave.
    fn take_candidate(&mut self, now: Instant) {
        let Some(candidate) = self.candidate.take() else { return };
        let pid = candidate.proxy.process.pid;
        if let Some(old) = self.proxy.replace(candidate.proxy) {
            process::send(old.process, Signal::TERM);
            self.leaving.push(Leaving { proxy: old, kill_at: now + LEAVE_PATIENCE });
        }
        self.keep_program();
        self.enter(HolderState::Serving);
        self.server.answer(candidate.asker, &HolderAnswer::Replaced { pid });
    }

    /// For the next start, and for the next holder.
    fn keep_program(&self) {
        let path = self.place.file(place::HOLDER_SPEC);
        let written = serde_json::to_vec(&self.spec)
            .map_err(std::io::Error::from)
            .and_then(|text| whole_file::write(&path, &text));
        if let Err(error) = written {
            own_log::note(&format!("the new program is not in {}: {error}", path.display()));
        }
    }

    /// The new one is no good: the old one serves on.
    pub(super) fn candidate_ended(&mut self, why: &str) {
        let Some(candidate) = self.candidate.take() else { return };
        self.output.finish();
        self.spec.program = candidate.program_before;
        let message =
            format!("the new proxy does not work, the old one serves on: {why}; see proxy.log");
        own_log::note(&message);
        self.status.error = Some(message.clone());
        self.enter(self.status.state);
        self.server.answer(candidate.asker, &HolderAnswer::Refused { message });
        self.restart_unreachable();
    }

    /// The new one may have taken the control socket's place just before its end: then nobody could
    /// give orders to the old one, which therefore makes way.
    fn restart_unreachable(&mut self) {
        let Some(old) = &self.proxy else { return };
        let taken = heir::is_socket_dead(&self.place);
        if taken {
            own_log::note("the old proxy cannot be asked any more: it is started again");
            process::send(old.process, Signal::TERM);
        }
    }

    /// One that was asked to leave has left.
    pub(super) fn left(&mut self, pid: u32) {
        self.leaving.retain(|leaving| leaving.proxy.process.pid != pid);
    }
}
