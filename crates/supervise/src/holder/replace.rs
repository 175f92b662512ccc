//! Another proxy in the place of the one that runs: which of the two accepts is theirs to settle.

use super::{
    Holder, HolderAnswer, HolderState, heir,
    proxy::Proxy,
    succession::{Succession, Word},
};
use crate::{own_log, place, process, socket::ClientId, whole_file};
use rustix::process::Signal;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// A new proxy that does not lead in this time is ended again.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether it leads.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Proxies that may still serve their last requests at one time.
const LEAVING_MAX: usize = 8;
/// So long an old one finishes what it has, where nobody says otherwise.
const LEAVE_LIMIT_MS: u64 = 300_000;
/// One that has not ended by itself so long after its limit is killed.
const LEAVE_PATIENCE: Duration = Duration::from_secs(60);
/// After a new one has failed while it took over, the old one leads again within this time.
const RETURN_PATIENCE: Duration = Duration::from_secs(2);

/// A new proxy, of which it is not known yet whether it works.
pub(super) struct Candidate {
    pub(super) proxy: Proxy,
    asker: ClientId,
    program_before: PathBuf,
    give_up_at: Instant,
    look_at: Instant,
    limit_ms: u64,
    /// Once it could be asked to lead.
    succession: Option<Succession>,
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

/// A new one failed while it took over: does the old one lead again?
pub(super) struct Unsure {
    look_at: Instant,
    give_up_at: Instant,
    limit_ms: u64,
}

impl Unsure {
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }
}

impl Holder {
    /// Starts another proxy of `program`, or of the same; answered when it leads, or cannot.
    pub(super) fn replace(
        &mut self,
        asker: ClientId,
        program: Option<PathBuf>,
        limit_ms: Option<u64>,
    ) {
        if let Some(message) = self.why_not_replace() {
            self.server.answer(asker, &HolderAnswer::Refused { message });
            return;
        }
        let before = self.spec.program.clone();
        self.spec.program = program.unwrap_or_else(|| before.clone());
        match self.spawn(true) {
            Ok(proxy) => {
                let look_at = Instant::now();
                self.server.let_wait(asker);
                self.candidate = Some(Candidate {
                    proxy,
                    asker,
                    program_before: before,
                    give_up_at: look_at + START_PATIENCE,
                    look_at,
                    limit_ms: limit_ms.unwrap_or(LEAVE_LIMIT_MS),
                    succession: None,
                });
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
        } else if self.candidate.is_some() || self.unsure.is_some() {
            Some("the proxy is being replaced already; wait for that".to_owned())
        } else if self.leaving.len() >= LEAVING_MAX {
            let count = self.leaving.len();
            Some(format!("{count} proxies still serve their last requests; try again later"))
        } else {
            None
        }
    }

    /// Looks whether the new one leads, and ends whoever has had enough time.
    pub(super) fn go_on_replacing(&mut self, now: Instant) {
        for leaving in &mut self.leaving {
            if now >= leaving.kill_at {
                process::send(leaving.proxy.process, Signal::KILL);
                leaving.kill_at = now + LEAVE_PATIENCE;
            }
        }
        self.make_sure(now);
        let old = self.proxy.as_ref().map(|it| it.process.pid);
        let Some(candidate) = self.candidate.as_mut().filter(|it| now >= it.look_at) else {
            return;
        };
        candidate.look_at = now + LOOK_AGAIN;
        let pid = candidate.proxy.process.pid;
        if candidate.succession.is_none() {
            candidate.succession = Succession::begin(&self.place, pid, old, candidate.limit_ms);
        }
        match candidate.succession.as_mut().map_or(Word::None, Succession::word) {
            Word::Leads => self.take_candidate(now),
            Word::Refused(why) => self.give_candidate_up(&why),
            Word::None if now >= candidate.give_up_at => {
                self.give_candidate_up("it did not answer on its control socket in time");
            }
            Word::None => {}
        }
    }

    /// It may have said why, or that it leads.
    pub(super) fn candidate_exited(&mut self) {
        let succession = self.candidate.as_mut().and_then(|it| it.succession.as_mut());
        match succession.map_or(Word::None, Succession::word) {
            Word::Leads => self.take_candidate(Instant::now()),
            Word::Refused(why) => self.candidate_ended(&why),
            Word::None => self.candidate_ended("it ended at once"),
        }
    }

    fn give_candidate_up(&mut self, why: &str) {
        if let Some(candidate) = &self.candidate {
            process::send(candidate.proxy.process, Signal::KILL);
        }
        self.candidate_ended(why);
    }

    /// An old one that has nothing to finish ends before the new one's word is read.
    pub(super) fn candidate_leads(&self) -> bool {
        let candidate = self.candidate.as_ref().filter(|it| it.succession.is_some());
        candidate.is_some_and(|it| {
            heir::who_leads(&self.place).is_some_and(|leads| leads.pid == it.proxy.process.pid)
        })
    }

    /// The new one leads, and the old one finishes what it has.
    pub(super) fn take_candidate(&mut self, now: Instant) {
        let Some(candidate) = self.candidate.take() else { return };
        let pid = candidate.proxy.process.pid;
        if let Some(old) = self.proxy.replace(candidate.proxy) {
            self.let_leave(old, now, candidate.limit_ms);
        }
        self.keep_program();
        self.enter(HolderState::Serving);
        self.server.answer(candidate.asker, &HolderAnswer::Replaced { pid });
    }

    fn let_leave(&mut self, proxy: Proxy, now: Instant, limit_ms: u64) {
        let kill_at = now + Duration::from_millis(limit_ms) + LEAVE_PATIENCE;
        self.leaving.push(Leaving { proxy, kill_at });
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
        if candidate.succession.is_some() {
            let now = Instant::now();
            let limit_ms = candidate.limit_ms;
            self.unsure =
                Some(Unsure { look_at: now, give_up_at: now + RETURN_PATIENCE, limit_ms });
        }
    }

    /// The new one may have ended at the very moment at which the old one had left: then neither
    /// accepts, and another is started.
    fn make_sure(&mut self, now: Instant) {
        let Some(unsure) = self.unsure.as_mut().filter(|it| now >= it.look_at) else { return };
        unsure.look_at = now + LOOK_AGAIN;
        let (limit_ms, is_late) = (unsure.limit_ms, now >= unsure.give_up_at);
        let old = self.proxy.as_ref().map(|it| it.process.pid);
        let leads = heir::who_leads(&self.place).map(|it| it.pid);
        if old.is_none() || leads == old {
            self.unsure = None;
        } else if is_late {
            self.unsure = None;
            own_log::note("the old proxy had left already: another one is started");
            if let Some(old) = self.proxy.take() {
                self.let_leave(old, now, limit_ms);
            }
            self.start();
        }
    }

    /// One that was asked to leave has left.
    pub(super) fn left(&mut self, pid: u32) {
        self.leaving.retain(|leaving| leaving.proxy.process.pid != pid);
    }
}
