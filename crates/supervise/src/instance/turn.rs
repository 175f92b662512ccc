//! The loop: waits for whatever comes first, and does what is due.

use super::Instance;
use crate::{RoleError, output::Stream, socket::ClientId, wait};
use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

/// Orphans may end between a look and a wait: then they are reaped after this.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Something that can be waited for.
#[derive(Clone, Copy, Debug)]
enum Source {
    Output(Stream),
    Child,
    Notify,
    Listener,
    Client(ClientId),
}

impl Instance {
    /// Until it was asked to stop, and everybody is gone.
    pub(super) fn serve(mut self) -> Result<(), RoleError> {
        loop {
            let wait = self.do_what_is_due();
            if self.is_stopped() {
                self.say_stopped();
                return Ok(());
            }
            for source in self.wait(wait)? {
                self.take(source);
            }
        }
    }

    /// Gives how long nothing more is due.
    fn do_what_is_due(&mut self) -> Duration {
        self.reap();
        let now = Instant::now();
        let limit = self.mind_the_limit(now);
        self.go_on_stopping(now);
        self.go_on_ending(now);
        let may_start = self.running.is_none() && self.ending.is_none() && self.stopping.is_none();
        if may_start && self.start_at.is_some_and(|at| at <= now) {
            self.start_again();
        }
        let socket = self.mind_the_socket(now);
        let report = self.output.report_dropped(now);
        let start = self.start_at.filter(|_| may_start);
        let stopping = self.stopping.as_ref().filter(|_| self.running.is_some());
        [
            limit,
            start,
            socket,
            self.ending.as_ref().map(|it| it.look_at()),
            stopping.map(|it| it.look_at()),
        ]
        .into_iter()
        .flatten()
        .map(|at| at.saturating_duration_since(now))
        .chain(report)
        .fold(WAIT_MAX, Duration::min)
    }

    fn wait(&self, timeout: Duration) -> Result<Vec<Source>, RoleError> {
        wait::until_readable(&self.sources(), timeout)
    }

    fn sources(&self) -> Vec<(Source, BorrowedFd<'_>)> {
        let (listener, clients) = self.server.descriptors();
        let mut sources = vec![(Source::Listener, listener)];
        sources
            .extend(clients.into_iter().map(|(id, descriptor)| (Source::Client(id), descriptor)));
        let streams = self.output.descriptors();
        sources.extend(streams.map(|(stream, descriptor)| (Source::Output(stream), descriptor)));
        if let Some(running) = &self.running {
            sources.push((Source::Child, running.watch.as_fd()));
        }
        if let Some(notify) = &self.notify {
            sources.push((Source::Notify, notify.as_fd()));
        }
        sources
    }

    fn take(&mut self, source: Source) {
        match source {
            Source::Output(stream) => self.output.take(stream),
            Source::Listener => self.server.accept(),
            Source::Client(id) => self.listen_to(id),
            Source::Notify => self.hear(),
            // Our own child is reaped by the next turn, which also learns how it ended.
            Source::Child => {
                if self.running.as_ref().is_some_and(|running| !running.ours) {
                    self.child_ended(None);
                }
            }
        }
    }
}
