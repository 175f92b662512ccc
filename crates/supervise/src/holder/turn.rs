//! The loop: waits for whatever comes first, and does what is due.

use super::{
    Holder, HolderAnswer, HolderAsk, HolderState, Stopping,
    replace::{Candidate, Unsure},
};
use crate::{RoleError, output::Stream, process, socket::ClientId, wait};
use rustix::process::Signal;
use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

/// Nothing is due more often.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A proxy that was asked to end is killed after this.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Something that can be waited for.
#[derive(Clone, Copy, Debug)]
enum Source {
    Output(Stream),
    Proxy,
    Candidate,
    Leaving(u32),
    Listener,
    Client(ClientId),
}

impl Holder {
    /// Until it was asked to stop, and the proxy is gone.
    pub(super) fn serve(mut self) -> Result<(), RoleError> {
        loop {
            let now = Instant::now();
            self.reap();
            self.retry(now);
            self.go_on_replacing(now);
            self.go_on_stopping(now);
            if self.is_stopped() {
                self.say_stopped();
                return Ok(());
            }
            let report = self.output.report_dropped(now);
            let kill_at = self.stopping.as_ref().map(|stopping| stopping.kill_at);
            let look_at = self.candidate.as_ref().map(Candidate::look_at);
            let sure_at = self.unsure.as_ref().map(Unsure::look_at);
            let wait = [self.retry_at, kill_at, look_at, sure_at]
                .into_iter()
                .flatten()
                .map(|at| at.saturating_duration_since(now))
                .chain(report)
                .fold(WAIT_MAX, Duration::min);
            for source in wait::until_readable(&self.sources(), wait)? {
                self.take(source);
            }
        }
    }

    fn sources(&self) -> Vec<(Source, BorrowedFd<'_>)> {
        let (listener, clients) = self.server.descriptors();
        let mut sources = vec![(Source::Listener, listener)];
        sources
            .extend(clients.into_iter().map(|(id, descriptor)| (Source::Client(id), descriptor)));
        let streams = self.output.descriptors();
        sources.extend(streams.map(|(stream, descriptor)| (Source::Output(stream), descriptor)));
        sources.extend(self.proxy.as_ref().map(|proxy| (Source::Proxy, proxy.watch.as_fd())));
        let candidate = self.candidate.as_ref();
        sources.extend(candidate.map(|it| (Source::Candidate, it.proxy.watch.as_fd())));
        sources.extend(self.leaving.iter().map(|leaving| {
            (Source::Leaving(leaving.proxy.process.pid), leaving.proxy.watch.as_fd())
        }));
        sources
    }

    fn take(&mut self, source: Source) {
        match source {
            Source::Output(stream) => self.output.take(stream),
            Source::Proxy => self.proxy_ended(),
            Source::Candidate => self.candidate_exited(),
            Source::Leaving(pid) => self.left(pid),
            Source::Listener => self.server.accept(),
            Source::Client(id) => self.listen_to(id),
        }
    }

    fn listen_to(&mut self, client: ClientId) {
        for line in self.server.receive(client) {
            match serde_json::from_slice::<HolderAsk>(&line) {
                Ok(HolderAsk::Status) => {
                    let answer = HolderAnswer::Status(self.status.clone());
                    self.server.answer(client, &answer);
                }
                Ok(HolderAsk::Stop) => self.stop(client),
                Ok(HolderAsk::Replace { program, limit_ms }) => {
                    self.replace(client, program, limit_ms);
                }
                Err(error) => {
                    let message = format!("not understood: {error}");
                    self.server.answer(client, &HolderAnswer::Refused { message });
                }
            }
        }
    }

    fn stop(&mut self, client: ClientId) {
        self.server.let_wait(client);
        if let Some(stopping) = &mut self.stopping {
            stopping.waiting.push(client);
            return;
        }
        let kill_at = Instant::now() + STOP_PATIENCE;
        self.stopping = Some(Stopping { kill_at, killed: false, waiting: vec![client] });
        // From here on the proxy alone holds them: once it closes them, clients are refused.
        self.let_go();
        self.retry_at = None;
        self.signal_all(Signal::TERM);
        self.enter(HolderState::Stopping);
    }

    fn go_on_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if now < stopping.kill_at {
            return;
        }
        stopping.killed = true;
        stopping.kill_at = now + WAIT_MAX;
        self.signal_all(Signal::KILL);
    }

    /// To every proxy: the one in place, one that is tried, and those that leave.
    fn signal_all(&self, signal: Signal) {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.proxy);
        let leaving = self.leaving.iter().map(|leaving| &leaving.proxy);
        for proxy in self.proxy.iter().chain(candidate).chain(leaving) {
            process::send(proxy.process, signal);
        }
    }

    fn is_stopped(&self) -> bool {
        let nobody = self.proxy.is_none() && self.candidate.is_none() && self.leaving.is_empty();
        self.stopping.is_some() && nobody
    }

    fn say_stopped(&mut self) {
        self.enter(HolderState::Stopped);
        self.server.unlink();
        let Some(stopping) = self.stopping.take() else { return };
        for asker in stopping.waiting {
            self.server.answer(asker, &HolderAnswer::Stopped { killed: stopping.killed });
        }
    }
}
