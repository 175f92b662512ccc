//! What runs by the clock, in a line and for programs.

use super::figure::{Clock, ago};
use daemon::{
    api::words::{JobReport, JobRun},
    logs::plain,
};
use serde_json::{Value, json};

/// `report  30 4 * * * (UTC): last exit code 0, 3 min ago (1.3.0); next 2026-11-21 12:41:07`
pub fn line(job: &JobReport, now_ms: u64, clock: &Clock) -> String {
    let last = job.last.as_ref().map_or_else(|| "never ran".to_owned(), |it| last(it, now_ms));
    let next = job.next_ms.map_or_else(|| "not due".to_owned(), |it| clock.date(it));
    let skipped = match job.skipped {
        0 => String::new(),
        count => format!(", skipped {count} times since it runs still"),
    };
    let when = format!("{} ({})", plain(&job.schedule), plain(&job.timezone));
    format!("{}  {when}: {last}{skipped}; next {next}", job.service)
}

/// `running since 3 min ago`, `exit code 1, 3 min ago`.
fn last(run: &JobRun, now_ms: u64) -> String {
    let version = plain(&run.version);
    match (&run.how, run.ended_at_ms) {
        (Some(how), Some(at_ms)) => {
            format!("last {}, {} ({version})", plain(how), ago(at_ms, now_ms))
        }
        _ => format!("runs, due {} ({version})", ago(run.due_ms, now_ms)),
    }
}

/// Whether the last run is to be looked at.
pub fn is_bad(job: &JobReport) -> bool {
    job.last.as_ref().and_then(|it| it.exit_code).is_some_and(|it| it != 0)
}

/// What `ps` says in a word.
pub fn status(job: &JobReport) -> String {
    match job.last.as_ref().map(|it| &it.how) {
        Some(None) => "running".to_owned(),
        Some(Some(how)) => format!("waits; last: {}", plain(how)),
        None => "waits".to_owned(),
    }
}

/// An object of `ps --json`.
pub fn object(environment: &str, job: &JobReport) -> Value {
    let runs = job.last.as_ref().is_some_and(|it| it.how.is_none());
    json!({
        "environment": environment,
        "name": job.service,
        "service": job.service,
        "role": "cron",
        "status": if runs { "running" } else { "waiting" },
        "schedule": job.schedule,
        "timezone": job.timezone,
        "next_ms": job.next_ms,
        "skipped": job.skipped,
        "last": job.last,
    })
}
