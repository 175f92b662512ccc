//! Taking over from a `supervise` that died.

use super::{Ending, Instance, Running, record};
use crate::{
    clock,
    message::{Child, Status},
    own_log, place,
    process::{self, Process},
    spec::Restart,
};
use std::time::{Duration, Instant};

impl Instance {
    /// Finds the child, or records that it is gone; how it ended is not known then.
    pub(super) fn take_over(&mut self) {
        let before = record::read(&self.place.file(place::STATUS))
            .filter(|status| status.boot_id == self.status.boot_id);
        self.status.adopted = true;
        if let Some(before) = &before {
            self.status.restarts = before.restarts;
            self.status.ready = before.ready;
            self.status.exit = before.exit.clone();
            self.status.timed_out = before.timed_out;
            self.dropped_before = before.lines_dropped;
        }
        let child = self.find_child(before.as_ref());
        self.open_notify(child.map(|(process, _)| process.pid));
        match child {
            Some((process, started_at_ms)) => self.watch_over(process, started_at_ms),
            None => self.find_nobody(before.as_ref()),
        }
        self.record();
        if before.is_some_and(|before| before.stopping) {
            self.stop(None);
        }
    }

    fn find_child(&self, before: Option<&Status>) -> Option<(Process, u64)> {
        let recorded = before.and_then(|status| status.child.as_ref());
        if let Some(child) = recorded
            && let Some(process) = process::read(child.pid)
            && process.start_ticks == child.start_ticks
            && !process.zombie
        {
            return Some((process, child.started_at_ms));
        }
        // It may have been killed between the child's start and its record; a recorded end,
        // however, leaves only descendants that are to be ended.
        let may_be_unrecorded = before.is_none_or(|status| status.exit.is_none());
        let eldest = if may_be_unrecorded { self.family.eldest() } else { None };
        eldest.map(|process| (process, clock::unix_ms()))
    }

    fn watch_over(&mut self, process: Process, started_at_ms: u64) {
        let Some(watch) = process::watch(process) else {
            self.ended(record::unknown_exit(), Duration::ZERO);
            return;
        };
        own_log::note(&format!("took over process {}", process.pid));
        let memory_kills = self.family.cgroup().memory_kills();
        let since = Instant::now();
        let lived_ms = clock::unix_ms().saturating_sub(started_at_ms);
        let left_ms = self.spec.time_limit_ms.map(|it| it.saturating_sub(lived_ms));
        let limit_at = left_ms.and_then(|it| since.checked_add(Duration::from_millis(it)));
        self.running = Some(Running { process, watch, ours: false, since, limit_at, memory_kills });
        let start_ticks = process.start_ticks;
        self.open_at = self.spec.listen.as_ref().map(|_| since);
        self.status.child = Some(Child { pid: process.pid, start_ticks, started_at_ms });
    }

    fn find_nobody(&mut self, before: Option<&Status>) {
        let ended_before = before.filter(|status| status.child.is_none() && status.exit.is_some());
        if ended_before.is_none() {
            own_log::note("the process to take over is gone; how it ended is not known");
            self.ended(record::unknown_exit(), Duration::ZERO);
            return;
        }
        self.status.ready = false;
        self.ending = Some(Ending::after_exit(Instant::now(), self.spec.grace_ms));
        if self.spec.restart == Restart::Always {
            self.start_at = Some(Instant::now());
        }
    }
}
