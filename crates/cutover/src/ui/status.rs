//! One screen of truth.

use super::{
    figure::{Clock, ago, bytes, counted, duration, number},
    history, job, lock,
    paint::Paint,
};
use daemon::{
    api::words::{EnvironmentReport, EnvironmentState, InstanceReport, StatusReport, TrialReport},
    logs::plain,
};
use model::{bake::REQUESTS_MIN, plan::ReleaseLabel, saved::Keeps};
use std::collections::BTreeMap;

/// Last deployments that are shown unless more are asked for.
const LAST_SHOWN: usize = 3;

/// What else is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct More {
    /// All the last deployments.
    pub history: bool,
    /// What could be gone back to.
    pub rollback_options: bool,
}

/// What serves, since when, how well, and what to type next.
pub fn text(
    report: &StatusReport,
    more: More,
    now_ms: u64,
    clock: &Clock,
    paint: &Paint,
) -> String {
    let mut lines = vec![];
    for environment in &report.environments {
        Screen { environment, more, now_ms, clock, paint }.write(&mut lines);
        lines.push(String::new());
    }
    if report.environments.is_empty() {
        lines.push("nothing was deployed here yet · next: cutover deploy".to_owned());
        lines.push(String::new());
    }
    lines.push(controller(report, clock, paint));
    lines.push(match &report.proxy {
        Some(proxy) => format!(
            "proxy       up {}, {} connections, listens on {} (pid {})",
            duration(proxy.uptime_ms),
            number(proxy.connections),
            proxy.addresses.join(", "),
            proxy.pid
        ),
        None => "proxy       not running".to_owned(),
    });
    lines.push(match report.disk_free_bytes {
        0 => format!("disk        nothing free under {}, or it is not there yet", report.root),
        free => format!("disk        {} free under {}", bytes(free), report.root),
    });
    for alert in &report.alerts {
        lines.push(paint.warning(&format!("alert       {}", plain(alert))));
    }
    lines.join("\n")
}

fn controller(report: &StatusReport, clock: &Clock, paint: &Paint) -> String {
    match (&report.controller, report.controller_last_seen_ms) {
        (Some(info), _) => {
            let recovering = if info.recovering { ", still recovering" } else { "" };
            let since = clock.date(info.started_at_ms);
            format!("controller  {} since {since}{recovering} (pid {})", info.version, info.pid)
        }
        (None, Some(seen)) => {
            let text = format!("controller not running since {}", clock.date(seen));
            format!("{}; what serves goes on without it", paint.warning(&text))
        }
        (None, None) => "controller not running; verbs that need it start it".to_owned(),
    }
}

struct Screen<'r> {
    environment: &'r EnvironmentReport,
    more: More,
    now_ms: u64,
    clock: &'r Clock,
    paint: &'r Paint,
}

impl Screen<'_> {
    fn write(&self, lines: &mut Vec<String>) {
        let it = self.environment;
        lines.push(format!(
            "{}  {}  {}{}",
            self.paint.bold(&it.id.to_string()),
            self.serving(),
            self.state(),
            self.since()
        ));
        if !it.hosts.is_empty() {
            let paths: Vec<String> =
                it.paths.iter().map(|(path, service)| format!("{path} → {service}")).collect();
            let line = format!("{}  {}", it.hosts.join(" "), paths.join(", "));
            lines.push(self.part("routes", line.trim_end()));
        }
        lines.extend(self.services().map(|it| self.part("services", &it)));
        if !it.scaled.is_empty() {
            lines.push(self.part("scaled", &plain(&it.scaled.join("; "))));
        }
        self.control(lines);
        self.saved(lines);
        lines.push(self.part("health", &self.health()));
        for job in &it.jobs {
            let text = job::line(job, self.now_ms, self.clock);
            let text = if job::is_bad(job) { self.paint.warning(&text) } else { text };
            lines.push(self.part("job", &text));
        }
        lines.extend(it.trial.as_ref().map(|it| self.part("watched", &trial(it))));
        if it.requests > 0 {
            let text = format!("{}, {} failed", number(it.requests), number(it.failed));
            lines.push(self.part("requests", &text));
        }
        lines.push(self.part("links", &self.links()));
        self.deployments(lines);
        if self.more.rollback_options {
            let options: Vec<String> = it.rollback_options.iter().map(option).collect();
            let text = if options.is_empty() { "nothing".into() } else { options.join(", ") };
            lines.push(self.part("back to", &text));
        }
        if let Some(next) = &it.next_command {
            lines.push(self.part("next", &self.paint.bold(&plain(next))));
        } else if let Some((version, warm)) = it.rollback_options.first() {
            let kept = if *warm { ", warm" } else { "" };
            let text = format!("cutover rollback {} (to {version}{kept}), if it must be", it.id);
            lines.push(self.part("next", &text));
        }
    }

    /// What was said by hand, and who waits.
    fn control(&self, lines: &mut Vec<String>) {
        let marks = &self.environment.marks;
        for (title, mark) in [("locked", &marks.lock), ("frozen", &marks.freeze)] {
            let Some(mark) = mark else { continue };
            let text = lock::said(mark, self.now_ms, self.clock);
            lines.push(self.part(title, &self.paint.warning(&text)));
        }
        for (at, waiter) in self.environment.queue.iter().enumerate() {
            let title = if at == 0 { "waiting" } else { "" };
            lines.push(self.part(title, &lock::waits(waiter, self.now_ms)));
        }
    }

    /// What is kept for later, and how it is started.
    fn saved(&self, lines: &mut Vec<String>) {
        for saved in &self.environment.saved {
            let (title, option) = match saved.keeps {
                Keeps::Plan => ("plan", "--plan"),
                Keeps::Prepared => ("prepared", "--prepared"),
            };
            let until = self.clock.date(saved.expires_at_ms);
            let (version, id) = (plain(&saved.version), &saved.id);
            let text = format!("{version} until {until}: cutover deploy {option} {id}");
            lines.push(self.part(title, &text));
        }
    }

    fn part(&self, title: &str, text: &str) -> String {
        format!("  {} {text}", self.paint.dim(&format!("{title:<9}")))
    }

    fn serving(&self) -> String {
        let it = self.environment;
        let counted = |label: &ReleaseLabel| {
            if it.serving.len() < 2 {
                return label.version.clone();
            }
            let serving = it.instances.iter().filter(|one| one.role == "serving");
            let (all, of) = serving.fold((0, 0), |(all, of), one| {
                (all + 1, of + usize::from(one.version == label.version))
            });
            format!("{} ({of} of {all} instances)", label.version)
        };
        let versions: Vec<String> = it.serving.iter().map(counted).collect();
        let text = if versions.is_empty() { "nothing".into() } else { versions.join(" and ") };
        self.paint.bold(&text)
    }

    /// Where several releases serve: which service runs how many instances of which.
    fn services(&self) -> Option<String> {
        let mut all: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for it in self.environment.instances.iter().filter(|it| it.role == "serving") {
            *all.entry(&it.service).or_default().entry(&it.version).or_default() += 1;
        }
        let of = |(version, count): (&&str, &usize)| format!("{version} ({count})");
        let one = |(service, versions): (&&str, &BTreeMap<&str, usize>)| {
            format!("{service} {}", versions.iter().map(of).collect::<Vec<_>>().join(", "))
        };
        let several = self.environment.serving.len() > 1;
        several.then(|| all.iter().map(one).collect::<Vec<_>>().join(" · "))
    }

    fn state(&self) -> String {
        let it = self.environment;
        let mut text = match it.state {
            EnvironmentState::Active => self.paint.good("active"),
            EnvironmentState::Inactive => "inactive".to_owned(),
            EnvironmentState::Deploying => self.paint.warning("deploying"),
            EnvironmentState::Failed => self.paint.bad("failed"),
            EnvironmentState::NeedsAttention => self.paint.bad("needs attention"),
        };
        if let Some(fallback) = it.probation {
            text.push_str(&format!(", on probation (falls back to generation {fallback})"));
        }
        if it.held {
            text.push_str(", requests wait");
        }
        text
    }

    fn since(&self) -> String {
        let since = self.environment.since_ms.filter(|_| !self.environment.serving.is_empty());
        let since =
            since.map(|it| format!(", since {} ({})", self.clock.date(it), ago(it, self.now_ms)));
        since.unwrap_or_default()
    }

    fn health(&self) -> String {
        let of_role = |role: &'static str| {
            self.environment.instances.iter().filter(move |it| it.role == role)
        };
        let runs = |it: &&InstanceReport| it.serves();
        let (all, running) = (of_role("serving").count(), of_role("serving").filter(runs).count());
        let text = format!("{running} of {all} instances run");
        let mut text = if running == all { text } else { self.paint.bad(&text) };
        let warm = of_role("warm").filter(runs).count();
        if let Some(until) = of_role("warm").filter_map(|it| it.warm_until_ms).max() {
            text.push_str(&format!(", {warm} warm until {}", self.clock.minute(until)));
        }
        let restarts: u32 = of_role("serving").map(|it| it.restarts).sum();
        if restarts > 0 {
            text.push_str(&self.paint.warning(&format!(", {restarts} restarts")));
        }
        for instance in of_role("serving").filter(|it| !runs(it)) {
            let name = crate::story::short(&instance.id);
            text.push_str(&format!("; {name} {}", plain(&instance.status)));
        }
        let strays = of_role("stray").count();
        if strays > 0 {
            text.push_str(&format!(", {strays} that nothing needs"));
        }
        text
    }

    fn links(&self) -> String {
        let it = self.environment;
        if it.link_problems.is_empty() {
            let current = it.current.as_deref().unwrap_or("none");
            let previous = it.previous.as_deref().unwrap_or("none");
            return format!("valid (current {current}, previous {previous})");
        }
        self.paint.bad(&it.link_problems.iter().map(|it| plain(it)).collect::<Vec<_>>().join("; "))
    }

    fn deployments(&self, lines: &mut Vec<String>) {
        let it = self.environment;
        if let Some(active) = &it.active {
            lines.push(self.part("now", &history::line(active, self.clock, self.paint)));
        }
        let shown = if self.more.history { it.last.len() } else { LAST_SHOWN };
        for (at, record) in it.last.iter().take(shown).enumerate() {
            let title = if at == 0 { "last" } else { "" };
            lines.push(self.part(title, &history::line(record, self.clock, self.paint)));
        }
    }
}

/// `stage 1 of 4, 5 % of the requests: 12, 0 failed; undecided`.
fn trial(trial: &TrialReport) -> String {
    let stage = trial.share.map(|it| match it.percent {
        Some(percent) => {
            format!("stage {} of {}, {percent} % of the requests: ", it.batch, it.batches)
        }
        None => format!("batch {} of {}: ", it.batch, it.batches),
    });
    let undecided = if trial.requests < REQUESTS_MIN { "; undecided" } else { "" };
    let requests = counted(usize::try_from(trial.requests).unwrap_or(usize::MAX), "request");
    let failed = number(trial.failed);
    format!("{}{requests}, {failed} failed{undecided}", stage.unwrap_or_default())
}

fn option((version, warm): &(String, bool)) -> String {
    if *warm { format!("{version} (warm)") } else { version.clone() }
}
