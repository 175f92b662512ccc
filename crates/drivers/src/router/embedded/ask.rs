//! Asks the proxy, and waits while its holder starts it again.

use super::{EmbeddedRouter, not_running};
use model::failure::{Blame, Failure};
use proxy::{
    client::AskError,
    control::{Answer, Ask, Status},
};
use std::{
    io::ErrorKind,
    thread,
    time::{Duration, Instant},
};
use supervise::{HolderAnswer, HolderAsk, HolderState, HolderStatus};

/// For an answer that needs no work.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// For the holder to start a proxy that died again.
pub(super) const RESTART_WAIT: Duration = Duration::from_secs(5);
const RESTART_PAUSE: Duration = Duration::from_millis(20);

impl EmbeddedRouter {
    pub(super) fn status_now(&self) -> Result<Option<Status>, Failure> {
        match self.order(&Ask::Status, ANSWER_WAIT)? {
            None => Ok(None),
            Some(Answer::Status(status)) => Ok(Some(status)),
            Some(other) => Err(odd("ask the proxy", &other)),
        }
    }

    /// The answer; none where no proxy runs, and nobody is about to start one.  Every order may be
    /// repeated: what is in force already is taken for done.
    pub(super) fn order(&self, ask: &Ask, timeout: Duration) -> Result<Option<Answer>, Failure> {
        let deadline = Instant::now() + RESTART_WAIT;
        loop {
            match proxy::client::ask(self.layout().root(), ask, timeout) {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    let message = format!("ask the proxy: {error}");
                    return Err(Failure::new(Blame::Platform, message)
                        .hint("see proxy/proxy.log in the state directory"));
                }
            }
            if !self.is_coming() || Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(RESTART_PAUSE);
        }
    }

    /// Whether a holder is there that starts the proxy again.  One that died together with it is
    /// replaced first: whoever gives orders waits for both, as for the proxy alone.
    fn is_coming(&self) -> bool {
        let serves = || self.holder().is_some_and(|it| it.state == HolderState::Serving);
        if serves() {
            return true;
        }
        // Who only looks has no program, and starts nothing.
        if self.shared.program.as_os_str().is_empty() {
            return false;
        }
        match self.keep_alive_now() {
            Ok(()) => serves(),
            Err(failure) => {
                tracing::warn!("failed to {}", failure.message);
                false
            }
        }
    }

    /// As `order`, where something must be running.
    pub(super) fn must(&self, doing: &str, ask: &Ask, wait: Duration) -> Result<Answer, Failure> {
        self.order(ask, wait)?.ok_or_else(|| not_running(doing))
    }

    /// What the holder says; none where none runs.
    pub(super) fn holder(&self) -> Option<HolderStatus> {
        let root = self.layout().root();
        match supervise::client::ask_holder(root, &HolderAsk::Status, ANSWER_WAIT) {
            Ok(HolderAnswer::Status(status)) => Some(status),
            _ => None,
        }
    }
}

/// It does not run, or ended while it was asked.
fn is_gone(error: &AskError) -> bool {
    let (AskError::Absent { source: error, .. } | AskError::Lost(error)) = error else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

pub(super) fn odd(doing: &str, answer: &Answer) -> Failure {
    Failure::new(Blame::Us, format!("{doing}: the proxy answered something else: {answer:?}"))
}
