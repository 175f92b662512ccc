//! One log file a deployment: `logs/deployments/deploy_YYYYMMDD_HHMMSS.log`, and its NDJSON twin.
//!
//! Lines read `[YYYY-MM-DD HH:MM:SS] [LEVEL] text (duration: 1.2s)`, in UTC.

use drivers::{
    audit::{AuditLog, Entry, Happened},
    file,
    layout::Layout,
};
use jiff::{Timestamp, tz::TimeZone};
use model::{
    deployment::{News, Progress},
    id::DeploymentId,
    journal::{Outcome, Status},
    name::EnvironmentId,
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

/// Lines that may wait for the disk; more are dropped, since a log must not hold up a deployment.
const QUEUE_LINES_MAX: usize = 4096;

/// Hands lines to the thread that writes them.
pub struct DeploymentLogs {
    queue: SyncSender<(DeploymentId, Progress)>,
}

impl DeploymentLogs {
    /// Starts the writing thread.
    ///
    /// # Errors
    ///
    /// Where no thread can be started.
    pub fn start(layout: Layout, audit: Arc<AuditLog>) -> io::Result<DeploymentLogs> {
        let (queue, lines) = sync_channel(QUEUE_LINES_MAX);
        thread::Builder::new()
            .name("deployment-log".into())
            .spawn(move || Writer { layout, audit, open: BTreeMap::new() }.run(&lines))?;
        Ok(DeploymentLogs { queue })
    }

    /// Hands on a line, or drops it where the disk is too slow.
    pub fn write(&self, deployment: &DeploymentId, progress: &Progress) {
        match self.queue.try_send((deployment.clone(), progress.clone())) {
            Ok(()) => (),
            Err(TrySendError::Full(_)) => tracing::warn!(%deployment, "dropped a log line"),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the log thread ended"),
        }
    }
}

/// The path of a deployment's log: the first free second at or after its start.
///
/// # Errors
///
/// Where the directory cannot be made.
pub fn create_log(layout: &Layout, environment: &EnvironmentId, at_ms: u64) -> io::Result<PathBuf> {
    let directory = layout.deployment_logs(environment);
    // Another user's instances and builds must be able to pass what lies above their release.
    file::make_directory(&layout.environment(environment), file::MODE_PUBLIC_DIRECTORY)?;
    fs::create_dir_all(&directory)?;
    let stamp = zoned(at_ms).strftime("deploy_%Y%m%d_%H%M%S").to_string();
    let mut path = directory.join(format!("{stamp}.log"));
    let mut copy = 2;
    while path.exists() {
        path = directory.join(format!("{stamp}-{copy}.log"));
        copy += 1;
    }
    Ok(path)
}

struct Writer {
    layout: Layout,
    audit: Arc<AuditLog>,
    open: BTreeMap<DeploymentId, Open>,
}

struct Open {
    environment: EnvironmentId,
    text: File,
    json: File,
    began_ms: BTreeMap<usize, u64>,
    accepted_ms: u64,
}

impl Writer {
    fn run(mut self, lines: &Receiver<(DeploymentId, Progress)>) {
        for (deployment, progress) in lines {
            if let Err(error) = self.close(&deployment, &progress) {
                tracing::error!(%deployment, %error, "the audit cannot be written");
            }
            if let Err(error) = self.write(&deployment, &progress) {
                tracing::warn!(%deployment, %error, "the deployment's log cannot be written");
            }
        }
    }

    /// How it ended belongs into the audit too, however long after the asking that was.
    fn close(&self, deployment: &DeploymentId, progress: &Progress) -> io::Result<()> {
        let News::Ended { outcome, .. } = &progress.news else { return Ok(()) };
        self.audit.write(Entry {
            at_ms: progress.at_ms,
            uid: None,
            by: None,
            environment: self.open.get(deployment).map(|it| it.environment.clone()),
            deployment: Some(deployment.clone()),
            happened: Happened::Ended { outcome: *outcome },
        })
    }

    fn write(&mut self, deployment: &DeploymentId, progress: &Progress) -> io::Result<()> {
        if let News::Accepted { environment, .. } = &progress.news {
            let path = create_log(&self.layout, environment, progress.at_ms)?;
            let open = Open {
                environment: environment.clone(),
                text: append(&path)?,
                json: append(&path.with_extension("ndjson"))?,
                began_ms: BTreeMap::new(),
                accepted_ms: progress.at_ms,
            };
            self.open.insert(deployment.clone(), open);
        }
        // One that a new controller goes on with has its earlier file; the journal has all.
        let Some(open) = self.open.get_mut(deployment) else { return Ok(()) };
        let line = open.line(progress);
        open.text.write_all(line.as_bytes())?;
        let mut json = serde_json::to_vec(progress)?;
        json.push(b'\n');
        open.json.write_all(&json)?;
        if matches!(progress.news, News::Ended { .. }) {
            self.open.remove(deployment);
        }
        Ok(())
    }
}

impl Open {
    fn line(&mut self, progress: &Progress) -> String {
        let (level, text, since_ms) = match &progress.news {
            News::Accepted { deployment, environment } => {
                ("INFO", format!("deployment {deployment} of {environment}"), None)
            }
            News::Note { text } => ("DEBUG", text.clone(), None),
            News::Judged { verdict } => ("INFO", format!("verdict: {verdict}"), None),
            News::Found { finding, overridden } => {
                let suffix = if *overridden { " (overridden)" } else { "" };
                ("WARN", format!("preflight: {}{suffix}", finding.failure.message), None)
            }
            News::Planned { plan } => ("INFO", format!("{} steps planned", plan.steps.len()), None),
            News::Step { index, word, subject, status, failure } => {
                self.step(progress.at_ms, *index, (word, subject), *status, failure.as_ref())
            }
            News::Ended { outcome, failure, .. } => {
                let why = failure.as_ref().map(|it| format!(": failed to {}", it.message));
                let text = format!("{}{}", ending(*outcome), why.unwrap_or_default());
                let level = if outcome.exit_code() == 0 { "SUCCESS" } else { "ERROR" };
                (level, text, Some(self.accepted_ms))
            }
        };
        let took = since_ms.map(|since| {
            let tenths = progress.at_ms.saturating_sub(since) / 100;
            format!(" (duration: {}.{}s)", tenths / 10, tenths % 10)
        });
        let stamp = zoned(progress.at_ms).strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!("[{stamp}] [{level}] {text}{}\n", took.unwrap_or_default())
    }

    fn step(
        &mut self,
        at_ms: u64,
        index: usize,
        (word, subject): (&str, &str),
        status: Status,
        failure: Option<&model::failure::Failure>,
    ) -> (&'static str, String, Option<u64>) {
        let name = format!("{word} {subject}").trim_end().to_owned();
        let began = self.began_ms.get(&index).copied();
        match status {
            Status::Pending | Status::Running { .. } | Status::Undoing => {
                self.began_ms.insert(index, at_ms);
                let verb = if status == Status::Undoing { "undo " } else { "" };
                ("STEP", format!("{verb}{name}"), None)
            }
            Status::Done => ("SUCCESS", name, began),
            Status::Undone => ("INFO", format!("{name}: undone"), began),
            Status::Failed | Status::Stuck => {
                let why = failure.map(|it| format!(": failed to {}", it.message));
                let evidence = failure.iter().flat_map(|it| &it.evidence);
                let evidence: String = evidence.map(|it| format!("\n    {it}")).collect();
                ("ERROR", format!("{name}{}{evidence}", why.unwrap_or_default()), began)
            }
        }
    }
}

fn ending(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deployed => "deployed",
        Outcome::DeployedUntidy => "deployed, with leftovers",
        Outcome::Refused => "refused, nothing touched",
        Outcome::Aborted => "aborted before the switch",
        Outcome::RolledBack => "rolled back",
        Outcome::NeedsAttention => "needs attention",
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn zoned(at_ms: u64) -> jiff::Zoned {
    let ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC)
}
