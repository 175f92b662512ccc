//! Events as lines: for files, pipes and CI.

use super::{
    figure::{Clock, duration},
    paint::Paint,
};
use crate::story::{Beat, Story};
use daemon::logs::plain;
use model::{
    deployment::{News, Progress},
    journal::Status,
};

/// The line of a beat without its time; none where nothing is to be said.
pub fn line(beat: &Beat, story: &Story, paint: &Paint) -> Option<String> {
    let phase = |at: &usize| story.phases.get(*at);
    let took = |at: &usize| {
        let took = phase(at).map(|it| it.took_ms(story.now_ms)).unwrap_or_default();
        paint.dim(&duration(took))
    };
    Some(match beat {
        Beat::Accepted => {
            let id = story.deployment.as_ref()?;
            format!("deployment {id} of {}", story.environment.as_ref()?)
        }
        Beat::Judged(verdict) => format!("  verdict: {}", plain(verdict)),
        Beat::Note(text) => format!("  {}", plain(text)),
        Beat::Found { finding, overridden } => {
            let kind = if *overridden { "gone on in spite of" } else { "preflight" };
            let mut text = format!("{kind}: {}", plain(&finding.failure.message));
            for hint in &finding.failure.hints {
                text.push_str(&format!("; {}", plain(hint)));
            }
            paint.warning(&text)
        }
        Beat::Planned => planned(story)?,
        Beat::Began(_) => return None,
        Beat::Done(at) => {
            let title = phase(at)?.title();
            format!("{} {title} {}", paint.good("✓"), took(at))
        }
        Beat::Failed(at, failure) => {
            let why = failure.as_ref().map(|it| format!(": failed to {}", plain(&it.message)));
            let title = phase(at)?.title();
            format!("{} {title} {}{}", paint.bad("✗"), took(at), why.unwrap_or_default())
        }
        Beat::Undoing(at) => format!("↩ undoing {}", phase(at)?.title()),
        Beat::Undone(at) => format!("↩ undone {} {}", phase(at)?.title(), took(at)),
        Beat::Ended => return None,
    })
}

/// `1.2.0 → 1.3.0: stage · routes · start · health · …`.
fn planned(story: &Story) -> Option<String> {
    let plan = story.plan.as_ref()?;
    let version = |label: &Option<model::plan::ReleaseLabel>| {
        label.as_ref().map_or("nothing".to_owned(), |it| it.version.clone())
    };
    let words: Vec<&str> = story.phases.iter().map(|it| it.word.as_str()).collect();
    Some(format!("{} → {}: {}", version(&plan.from), version(&plan.to), words.join(" · ")))
}

/// The line of a step, for those who want every one.
pub fn step(progress: &Progress) -> Option<String> {
    let News::Step { word, subject, status, .. } = &progress.news else { return None };
    let status = match status {
        Status::Pending => "waits".to_owned(),
        Status::Running { attempt: 1 } => "begins".to_owned(),
        Status::Running { attempt } => format!("begins, attempt {attempt}"),
        Status::Done => "done".to_owned(),
        Status::Failed => "failed".to_owned(),
        Status::Undoing => "undo begins".to_owned(),
        Status::Undone => "undone".to_owned(),
        Status::Stuck => "stuck".to_owned(),
    };
    Some(format!("    {} {status}", format!("{word} {}", plain(subject)).trim_end()))
}

/// That something takes its time.
pub fn waiting(what: &str, ms: u64) -> String {
    format!("  still waiting for {what} ({}s)", ms / 1000)
}

/// With the time of day in front.
pub fn timed(text: &str, at_ms: u64, clock: &Clock, paint: &Paint) -> String {
    format!("{} {text}", paint.dim(&clock.second(at_ms)))
}
