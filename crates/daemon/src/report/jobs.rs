//! What an environment runs by the clock.

use super::Sources;
use crate::api::words::{JobReport, JobRun};
use engine::port::releases::Releases;
use model::{
    failure::Failure,
    name::EnvironmentId,
    roster::Roster,
    schedule::{Memory, Schedule},
    service::ServiceSpec,
};

/// The jobs of the release in force, in the order of its services.
///
/// # Errors
///
/// Where the release's record or the journal cannot be read.
pub async fn jobs(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    roster: &Roster,
) -> Result<Vec<JobReport>, Failure> {
    let (Some(current), Some(journal)) = (&roster.current, &sources.journal) else {
        return Ok(vec![]);
    };
    let release = sources.local.releases.read(id, &current.id).await?;
    let mut jobs = vec![];
    for service in &release.spec.services {
        let Some(schedule) = &service.schedule else { continue };
        let memory = journal.job(id, &service.name)?.unwrap_or_default();
        let now_ms = sources.local.clock.now_ms();
        let next_ms = schedule.next_ms(now_ms).ok().flatten().filter(|_| !roster.is_stopped);
        jobs.push(job(service, schedule, memory, next_ms));
    }
    Ok(jobs)
}

fn job(
    service: &ServiceSpec,
    schedule: &Schedule,
    memory: Memory,
    next_ms: Option<u64>,
) -> JobReport {
    let last = memory.last.map(|it| JobRun {
        id: it.id.0,
        version: it.version,
        due_ms: it.due_ms,
        ended_at_ms: it.ended.as_ref().map(|it| it.at_ms),
        exit_code: it.ended.as_ref().map(|it| it.exit_code()),
        how: it.ended.as_ref().map(|it| it.how()),
    });
    JobReport {
        service: service.name.to_string(),
        schedule: schedule.pattern.clone(),
        timezone: schedule.timezone.clone(),
        next_ms,
        skipped: memory.skipped,
        last,
    }
}
