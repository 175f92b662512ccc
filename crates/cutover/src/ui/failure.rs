//! What is said when something did not work: always the same five parts.

use super::{
    figure::{Clock, duration},
    paint::Paint,
};
use crate::story::{Ending, Story};
use daemon::{api::words::ErrorReport, logs::plain};
use model::{deployment::DeploymentRecord, failure::Failure, journal::Outcome};
use std::path::Path;

/// Lines of evidence that are shown; the rest is in the log.
const EVIDENCE_LINES_MAX: usize = 40;
/// Characters of such a line.
const EVIDENCE_LINE_CHARACTERS_MAX: usize = 400;
/// What serves where routes lead somewhere, and no proxy answers.
pub const NO_PROXY: &str = "nothing: the proxy does not run (clients are refused)";
const START_PROXY: &str = "cutover proxy start    serve again what the routes say";
/// Words of steps that leave nothing to be undone.
const LEAVE_NOTHING: [&str; 9] =
    ["hook", "health", "smoke", "check", "verify", "recheck", "bake", "confirm", "keep"];

/// The five parts, as plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// One line that says all.
    pub head: String,
    /// What failed, and where.
    pub failed: String,
    /// What serves now.
    pub serving: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What was undone.
    pub undone: String,
    /// What to type next.
    pub next: Vec<String>,
    /// Where all of it is written.
    pub log: Option<String>,
}

impl Block {
    /// Of a deployment that ended otherwise than it was asked to.
    pub fn of_story(story: &Story, ending: &Ending, typed: &str, log: Option<&Path>) -> Block {
        let id = story.environment.as_ref().map(ToString::to_string).unwrap_or_default();
        let to = story.plan.as_ref().and_then(|it| it.to.as_ref());
        let to = to.map(|it| format!(" {}", it.version)).unwrap_or_default();
        let failure = ending.failure.as_ref().or_else(|| story.failed.as_ref()?.failure.as_ref());
        let mut next = failure.map(|it| shown(&it.hints)).unwrap_or_default();
        next.extend(commands(story, ending, typed));
        Block {
            head: format!(
                "{id}{to}: {} ({})",
                ended(story, ending.outcome),
                duration(story.took_ms())
            ),
            failed: failed(story, failure),
            serving: serving(story, ending),
            evidence: seen(story, ending, failure),
            undone: undone(story, ending),
            next,
            log: log.map(|it| it.display().to_string()),
        }
    }

    /// Of something that was refused before it was begun; `serving`: where that is known.
    pub fn of_report(report: &ErrorReport, serving: Option<&str>, clock: &Clock) -> Block {
        let failure = &report.failure;
        let mut block = Block {
            head: format!("failed to {}", plain(&failure.message)),
            evidence: evidence(failure),
            next: shown(&failure.hints),
            ..Block::default()
        };
        if serving == Some(NO_PROXY) {
            block = block.without_proxy();
        } else if let Some(serving) = serving {
            block.serving = format!("{serving}, untouched");
            block.undone = "nothing had to be: nothing was begun".to_owned();
        }
        if let Some(holder) = &report.holder {
            block.evidence.insert(0, held(holder, clock));
        }
        block
    }

    /// The same, where clients are refused: the routes may say what they like.
    #[must_use]
    pub fn without_proxy(mut self) -> Block {
        NO_PROXY.clone_into(&mut self.serving);
        self.next.insert(0, START_PROXY.to_owned());
        self
    }

    /// To be printed; `short`: only the head and what serves.
    pub fn text(&self, paint: &Paint, short: bool) -> String {
        let head = format!("{} {}", paint.bad("✗"), paint.bold(&self.head));
        if short {
            let serving = Some(&self.serving).filter(|it| !it.is_empty());
            return head + &serving.map(|it| format!(" · serving {it}")).unwrap_or_default();
        }
        let mut lines = vec![head];
        let mut part = |title: &str, texts: &[String]| {
            for (at, text) in texts.iter().enumerate() {
                let title = if at == 0 { title } else { "" };
                lines.push(format!("  {} {text}", paint.dim(&format!("{title:<12}"))));
            }
        };
        let whole = |text: &String| if text.is_empty() { vec![] } else { vec![text.clone()] };
        part("what failed", &whole(&self.failed));
        let serving: Vec<String> = whole(&self.serving).iter().map(|it| paint.bold(it)).collect();
        part("serving now", &serving);
        let evidence: Vec<String> = self.evidence.iter().map(|it| format!("| {it}")).collect();
        part("evidence", &evidence);
        part("undone", &whole(&self.undone));
        part("next", &self.next);
        part("log", &self.log.iter().cloned().collect::<Vec<_>>());
        lines.join("\n")
    }
}

fn ended(story: &Story, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deployed => "deployed",
        Outcome::DeployedUntidy => "deployed, with leftovers",
        Outcome::Refused if story.plan.is_some() => "refused: not backed up, nothing was touched",
        Outcome::Refused => "refused by preflight, nothing was touched",
        Outcome::Aborted => "not deployed: turned back before the switch",
        Outcome::RolledBack => "rolled back",
        Outcome::NeedsAttention => "stopped half-way: needs attention",
    }
}

fn failed(story: &Story, failure: Option<&Failure>) -> String {
    let step = story.failed.as_ref().map(|it| it.title.clone());
    let elsewhere = if story.plan.is_none() { "preflight" } else { "between the steps" };
    let place = step.unwrap_or_else(|| elsewhere.to_owned());
    match failure {
        Some(failure) => format!("{place}: failed to {}", plain(&failure.message)),
        None if story.failed.is_some() => place,
        None => "nothing: it was asked to turn back".to_owned(),
    }
}

fn serving(story: &Story, ending: &Ending) -> String {
    match (&ending.serving, ending.outcome) {
        (None, _) => "nothing (clients get 503)".to_owned(),
        (Some(label), Outcome::Refused) => format!("{}, untouched", label.version),
        (Some(label), Outcome::Aborted) => {
            format!("{}, all the time: the traffic was never moved", label.version)
        }
        (Some(label), Outcome::RolledBack) if story.switched() => {
            format!("{} again", label.version)
        }
        (Some(label), _) => label.version.clone(),
    }
}

fn undone(story: &Story, ending: &Ending) -> String {
    let undone: Vec<String> = story
        .undone()
        .iter()
        .filter(|it| !LEAVE_NOTHING.contains(&it.word.as_str()))
        .map(|it| it.title())
        .collect();
    match ending.outcome {
        _ if !undone.is_empty() => undone.join(", "),
        Outcome::NeedsAttention => "nothing".to_owned(),
        _ => "nothing had to be".to_owned(),
    }
}

fn commands(story: &Story, ending: &Ending, typed: &str) -> Vec<String> {
    let id = story.deployment.as_ref().map(ToString::to_string).unwrap_or_default();
    match ending.outcome {
        Outcome::NeedsAttention => vec![
            format!("cutover status {typed}    see what serves"),
            format!("cutover resume {id}    go on once the cause is gone"),
            format!("cutover abort {id}    turn back"),
        ],
        Outcome::Refused => vec![format!("cutover plan {typed}    see the findings again")],
        _ => vec![
            format!("cutover show {id}    every step"),
            format!("cutover logs {typed}    what the instances wrote"),
        ],
    }
}

fn held(holder: &DeploymentRecord, clock: &Clock) -> String {
    let version = holder.to.as_ref().map(|it| format!(" of {}", it.version)).unwrap_or_default();
    let reason = holder.reason.as_ref().map(|it| format!(": {}", plain(it))).unwrap_or_default();
    format!(
        "deployment {}{version} by {} since {}{reason}",
        holder.id,
        plain(&holder.by),
        clock.second(holder.started_at_ms),
    )
}

/// What explains the failure: of a refused one, all findings.
fn seen(story: &Story, ending: &Ending, failure: Option<&Failure>) -> Vec<String> {
    let mut lines = failure.map(evidence).unwrap_or_default();
    if ending.outcome == Outcome::Refused {
        for (finding, overridden) in story.findings.iter().filter(|it| !it.1) {
            let force = if finding.overridable && !overridden { " (--force goes on)" } else { "" };
            lines.push(format!("preflight: {}{force}", plain(&finding.failure.message)));
            lines.extend(evidence(&finding.failure));
        }
    }
    lines
}

/// The last lines of what was seen, harmless to a terminal.
pub fn evidence(failure: &Failure) -> Vec<String> {
    let lines = failure.evidence.iter().flat_map(|it| it.lines());
    let lines: Vec<String> =
        lines.map(|it| plain(it).chars().take(EVIDENCE_LINE_CHARACTERS_MAX).collect()).collect();
    let more = lines.len().saturating_sub(EVIDENCE_LINES_MAX);
    let first = (more > 0).then(|| format!("… {more} lines before, see the log"));
    first.into_iter().chain(lines.into_iter().skip(more)).collect()
}

fn shown(texts: &[String]) -> Vec<String> {
    texts.iter().map(|it| plain(it)).collect()
}
