//! A deployment as it is told: the news folded into phases, steps of the same word together.

mod phase;

pub use phase::{Phase, PhaseState, short};

use model::{
    deployment::{Finding, News, Progress, Traffic},
    failure::{Blame, Failure},
    id::{DeploymentId, InstanceId},
    journal::{Outcome, Status},
    name::EnvironmentId,
    plan::{Kind, Plan, ReleaseLabel},
};

/// What a line of news comes to, for who tells it on.
#[derive(Clone, Debug, PartialEq)]
pub enum Beat {
    /// It was taken on.
    Accepted,
    /// In words.
    Note(String),
    /// A watch ended, and the release stays: what was found.
    Judged(String),
    /// Preflight found something.
    Found {
        /// It.
        finding: Finding,
        /// It is gone on in spite of it.
        overridden: bool,
    },
    /// The plan is made.
    Planned,
    /// A phase began; by its index.
    Began(usize),
    /// All of a phase took effect.
    Done(usize),
    /// A phase did not.
    Failed(usize, Option<Failure>),
    /// A phase is being undone.
    Undoing(usize),
    /// Nothing of a phase is left in force.
    Undone(usize),
    /// It ended.
    Ended,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// So.
    pub outcome: Outcome,
    /// The first failure.
    pub failure: Option<Failure>,
    /// What the proxy counted.
    pub traffic: Option<Traffic>,
    /// What serves now.
    pub serving: Option<ReleaseLabel>,
    /// Instances kept warm, until when (Unix time in ms).
    pub warm: Vec<(InstanceId, u64)>,
    /// Unix time in ms.
    pub at_ms: u64,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Word and subject.
    pub title: String,
    /// Why.
    pub failure: Option<Failure>,
}

/// All that is known of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Known from the beginning of its news on.
    pub deployment: Option<DeploymentId>,
    /// As `deployment`.
    pub environment: Option<EnvironmentId>,
    /// Unix time in ms.
    pub accepted_at_ms: Option<u64>,
    /// Once it is made.
    pub plan: Option<Plan>,
    /// In the plan's order.
    pub phases: Vec<Phase>,
    /// The first step that failed, and why.
    pub failed: Option<Failed>,
    /// Of preflight, and whether it was gone on in spite of them.
    pub findings: Vec<(Finding, bool)>,
    /// What the last watch came to that could decide; else the first.
    pub verdict: Option<String>,
    /// Once it ended; taken back where it goes on again.
    pub ending: Option<Ending>,
    /// The highest sequence number seen.
    pub sequence: u64,
    /// Unix time in ms of the last news.
    pub now_ms: u64,
}

impl Story {
    /// Takes a line of news in.
    pub fn take(&mut self, progress: &Progress) -> Vec<Beat> {
        self.sequence = self.sequence.max(progress.sequence);
        self.now_ms = self.now_ms.max(progress.at_ms);
        match &progress.news {
            News::Accepted { deployment, environment } => {
                self.deployment = Some(deployment.clone());
                self.environment = Some(environment.clone());
                self.accepted_at_ms.get_or_insert(progress.at_ms);
                vec![Beat::Accepted]
            }
            News::Note { text } => vec![Beat::Note(text.clone())],
            News::Judged { verdict } => {
                // Where one stage had traffic enough, its word is worth more than that of another
                // that had not.
                let says_little = |it: &String| it.starts_with("undecided");
                if self.verdict.is_none() || !says_little(verdict) {
                    self.verdict = Some(verdict.clone());
                }
                vec![Beat::Judged(verdict.clone())]
            }
            News::Found { finding, overridden } => {
                self.findings.push((finding.clone(), *overridden));
                vec![Beat::Found { finding: finding.clone(), overridden: *overridden }]
            }
            News::Planned { plan } => {
                self.phases = phase::of(plan);
                self.plan = Some((**plan).clone());
                vec![Beat::Planned]
            }
            News::Step { index, word, subject, status, failure } => {
                let at = self.phase_of(*index, word, subject);
                self.step(at, *index, *status, failure.as_ref(), progress.at_ms)
            }
            News::Ended { outcome, failure, traffic, serving, warm } => {
                self.ending = Some(Ending {
                    outcome: *outcome,
                    failure: failure.clone(),
                    traffic: traffic.clone(),
                    serving: serving.clone(),
                    warm: warm.clone(),
                    at_ms: progress.at_ms,
                });
                vec![Beat::Ended]
            }
        }
    }

    /// The phase of a step; made where the plan is not known.
    fn phase_of(&mut self, index: usize, word: &str, subject: &str) -> usize {
        let known = self.phases.iter().position(|it| it.has(index));
        let at = known.unwrap_or_else(|| {
            match self.phases.last() {
                Some(last) if last.word == word => (),
                _ => self.phases.push(Phase::new(word)),
            }
            self.phases.len() - 1
        });
        self.phases[at].name(index, subject);
        at
    }

    fn step(
        &mut self,
        at: usize,
        index: usize,
        status: Status,
        failure: Option<&Failure>,
        at_ms: u64,
    ) -> Vec<Beat> {
        // What goes on again has not ended.
        self.ending = None;
        let phase = &mut self.phases[at];
        let before = phase.state;
        phase.set(index, status, at_ms);
        let after = phase.state;
        if matches!(status, Status::Failed | Status::Stuck) {
            if self.failed.is_none() {
                let title = format!("{} {}", phase.word, phase.subject(index));
                let title = title.trim_end().to_owned();
                self.failed = Some(Failed { title, failure: failure.cloned() });
            }
            return vec![Beat::Failed(at, failure.cloned())];
        }
        if before == after {
            return vec![];
        }
        match after {
            PhaseState::Running => vec![Beat::Began(at)],
            PhaseState::Done => vec![Beat::Done(at)],
            PhaseState::Undoing => vec![Beat::Undoing(at)],
            PhaseState::Undone => vec![Beat::Undone(at)],
            PhaseState::Pending | PhaseState::Failed => vec![],
        }
    }

    /// The phase that goes on now.
    pub fn current(&self) -> Option<&Phase> {
        let goes_on = |it: &&Phase| matches!(it.state, PhaseState::Running | PhaseState::Undoing);
        self.phases.iter().rfind(goes_on)
    }

    /// Phases that were undone, the last of the plan first.
    pub fn undone(&self) -> Vec<&Phase> {
        self.phases.iter().rev().filter(|it| it.state == PhaseState::Undone).collect()
    }

    /// What the command line exits with.  Whoever wanted to leave a bad release, and could not,
    /// must look: what serves is still the bad one.
    pub fn exit_code(&self) -> u8 {
        let Some(ending) = &self.ending else { return 0 };
        let own_wish = ending.failure.as_ref().is_some_and(|it| it.blame == Blame::Request);
        let stayed = matches!(ending.outcome, Outcome::Aborted | Outcome::RolledBack);
        if self.kind() == Some(Kind::Rollback) && stayed && !own_wish {
            return Outcome::NeedsAttention.exit_code();
        }
        ending.outcome.exit_code()
    }

    /// Why it is done, where the plan is known.
    pub fn kind(&self) -> Option<Kind> {
        self.plan.as_ref().map(|it| it.kind)
    }

    /// Whether traffic was moved, even if it moved back.
    pub fn switched(&self) -> bool {
        let begun = |it: &Phase| it.word == "switch" && it.state != PhaseState::Pending;
        self.phases.iter().any(begun)
    }

    /// From the beginning to the end, or to the last news.
    pub fn took_ms(&self) -> u64 {
        let end = self.ending.as_ref().map_or(self.now_ms, |it| it.at_ms);
        end.saturating_sub(self.accepted_at_ms.unwrap_or(end))
    }
}
