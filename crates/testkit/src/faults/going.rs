//! A verb that goes on: its events as they are printed, and its end.

use crate::{
    guard::Killed,
    stand::{Ran, Stand, TARGET},
    time::within,
};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// For a deployment to come to its end, daemon deaths included.
pub(crate) const END_WAIT: Duration = Duration::from_secs(120);

/// A verb whose end is not awaited yet; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Going {
    child: Killed,
    out: PathBuf,
    error: PathBuf,
    began: Instant,
}

impl Going {
    pub(crate) fn start(stand: &Stand, words: &[&str]) -> Self {
        let began = Instant::now();
        let (child, out, error) = stand.start(words);
        Self { child, out, error, began }
    }

    /// A deployment whose events are printed as JSON.
    pub(crate) fn deploy(stand: &Stand, version: &str, breakage: &str, more: &[&str]) -> Self {
        let directory = stand.release(version, breakage).display().to_string();
        let mut words = vec!["--json", "deploy", TARGET, version, "--from", directory.as_str()];
        words.extend(more);
        Self::start(stand, &words)
    }

    /// What was printed until now: whole lines of JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        text.lines().filter_map(|it| serde_json::from_str(it).ok()).collect()
    }

    /// The news of a kind: `accepted`, `planned`, `step`, `ended`.
    pub(crate) fn news(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|it| it["event"] == kind).collect()
    }

    /// The deployment's id, once it was accepted.
    pub(crate) fn deployment(&self) -> Option<String> {
        self.news("accepted").first()?["deployment"].as_str().map(str::to_owned)
    }

    /// The plan, once it was made.
    pub(crate) fn plan(&self) -> Option<Value> {
        Some(self.news("planned").first()?["plan"].clone())
    }

    /// Whether a step of this word came to this status, as it is called in JSON.
    pub(crate) fn saw(&self, word: &str, status: &str) -> bool {
        self.news("step").iter().any(|it| {
            let named = it["status"].as_str().is_some_and(|it| it == status);
            it["word"] == word && (named || it["status"].get(status).is_some())
        })
    }

    /// Waits until a step of this word came to this status.
    ///
    /// # Panics
    /// If the verb ends before, or it does not come in time.
    pub(crate) fn until(&mut self, word: &str, status: &str) {
        let seen = within(END_WAIT, || {
            let over = self.child.exited().is_some();
            let saw = self.saw(word, status);
            (saw || over).then_some(saw)
        });
        assert_eq!(seen, Some(true), "no step {word} was seen {status}: {}", self.text());
    }

    /// Whether it has not ended.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.exited().is_none()
    }

    /// Kills it, as a closed laptop does.
    pub(crate) fn kill(&mut self) {
        self.child.signal(rustix::process::Signal::KILL);
        self.child.ended(END_WAIT);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&mut self, signal: rustix::process::Signal) {
        self.child.signal(signal);
    }

    /// All that it printed until now.
    pub(crate) fn text(&self) -> String {
        let read = |path| fs::read(path).unwrap_or_default();
        let both = [read(&self.out), read(&self.error)].concat();
        String::from_utf8_lossy(&both).into_owned()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) fn ended(mut self) -> Ran {
        let status = within(END_WAIT, || self.child.exited());
        let Some(status) = status else { panic!("it does not end: {}", self.text()) };
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Ran {
            code: status.code(),
            out: read(&self.out),
            error: read(&self.error),
            took: self.began.elapsed(),
        }
    }
}
