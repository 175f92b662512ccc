//! What is asked of PM2, in its own words.

use crate::{
    quantity::duration,
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    pm2::{Mode, Pm2Spec},
    service::Millis,
};

/// Every key of it.
pub(crate) const KEYS: [&str; 12] = [
    "ecosystem",
    "app",
    "program",
    "home",
    "exec_mode",
    "instances",
    "wait_ready",
    "listen_timeout",
    "kill_timeout",
    "max_memory_restart",
    "log_date_format",
    "merge_logs",
];

/// Workers that share one port.
const WORKERS_MAX: u64 = 64;
/// Below it every start would be one too much.
const MEMORY_MIN_BYTES: u64 = 16 << 20;
const HOUR: Millis = Millis::seconds(3600);

/// What is given of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pm2Draft {
    /// The user's own file, which says what is not said here.
    pub(crate) ecosystem: Option<Placed<String>>,
    /// The name of the app in it.
    pub(crate) app: Option<Placed<String>>,
    pub(crate) program: Option<Placed<String>>,
    pub(crate) home: Option<Placed<String>>,
    pub(crate) mode: Option<Placed<Mode>>,
    pub(crate) workers: Option<Placed<u16>>,
    pub(crate) wait_ready: Option<Placed<bool>>,
    pub(crate) listen_timeout: Option<Placed<Millis>>,
    pub(crate) kill_timeout: Option<Placed<Millis>>,
    pub(crate) max_memory_restart: Option<Placed<u64>>,
    pub(crate) log_date_format: Option<Placed<String>>,
    pub(crate) merge_logs: Option<Placed<bool>>,
}

impl Pm2Draft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<Pm2Draft>> {
        let elsewhere = [
            ("script", "to the service, as its `command`"),
            ("args", "to the service, in its `command`"),
            ("env", "to the service"),
            ("name", "nowhere: it is made of project, environment, service and instance"),
            ("cwd", "nowhere: it is the release's directory"),
        ];
        let table = Table::read(field, &KEYS, &elsewhere, report)?;
        let modes = [
            ("fork", Mode::Fork),
            ("fork_mode", Mode::Fork),
            ("cluster", Mode::Cluster),
            ("cluster_mode", Mode::Cluster),
        ];
        let draft = Pm2Draft {
            ecosystem: table.get("ecosystem").and_then(|it| ecosystem(it, report)),
            app: table.get("app").and_then(|it| scalar::word(it, report)),
            program: table.get("program").and_then(|it| program(it, report)),
            home: table.get("home").and_then(|it| home(it, report)),
            mode: table.get("exec_mode").and_then(|it| scalar::choice(it, &modes, report)),
            workers: table
                .get("instances")
                .and_then(|it| scalar::number(it, 1..=WORKERS_MAX, report)),
            wait_ready: table.get("wait_ready").and_then(|it| scalar::switch(it, report)),
            listen_timeout: table.get("listen_timeout").and_then(|it| time(it, report)),
            kill_timeout: table.get("kill_timeout").and_then(|it| time(it, report)),
            max_memory_restart: table
                .get("max_memory_restart")
                .and_then(|it| scalar::size(it, MEMORY_MIN_BYTES, report)),
            log_date_format: table.get("log_date_format").and_then(|it| scalar::text(it, report)),
            merge_logs: table.get("merge_logs").and_then(|it| scalar::switch(it, report)),
        };
        Some(field.placed(draft))
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode.as_ref().map_or_else(Mode::default, |it| it.value)
    }

    pub(crate) fn waits(&self) -> bool {
        self.wait_ready.as_ref().is_some_and(|it| it.value)
    }

    pub(crate) fn spec(&self) -> Pm2Spec {
        let default = Pm2Spec::default();
        Pm2Spec {
            program: self.program.as_ref().map_or(default.program, |it| it.value.clone()),
            home: self.home.as_ref().map(|it| it.value.clone()),
            mode: self.mode(),
            workers: self.workers.as_ref().map_or(default.workers, |it| it.value),
            wait_ready: self.waits(),
            max_memory_restart_bytes: self.max_memory_restart.as_ref().map(|it| it.value),
            log_date_format: self.log_date_format.as_ref().map(|it| it.value.clone()),
            merge_logs: self.merge_logs.as_ref().is_none_or(|it| it.value),
        }
    }
}

/// A name or a whole path: it is run by us, and never an option of something.
fn program(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let is_program = !found.value.starts_with('-')
        && (found.value.starts_with('/') || !found.value.contains('/'));
    if !is_program {
        field.wrong(report, "a program's name, or its whole path");
        return None;
    }
    Some(found)
}

/// Beside the configuration, or below.
fn ecosystem(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let plain = !found.value.starts_with(['/', '-'])
        && !found.value.split('/').any(|it| matches!(it, "" | "." | ".."));
    if !plain {
        field.wrong(report, "a path below the configuration's, such as `ecosystem.config.js`");
        return None;
    }
    Some(found)
}

fn home(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::text(field, report)?;
    if !found.value.starts_with('/') && !found.value.starts_with("~/") {
        field.wrong(report, "a whole path, such as `/home/deploy/.pm2` or `~/.pm2`");
        return None;
    }
    Some(found)
}

/// As PM2 reads it: a number alone is milliseconds.
fn time(field: &Field<'_>, report: &mut Report) -> Option<Placed<Millis>> {
    let text = match &field.node.value {
        Value::Scalar { text, .. } => text.as_ref(),
        _ => "",
    };
    let found = text.parse().ok().map(Millis).or_else(|| duration(text));
    let fits = found.filter(|it| (1..=HOUR.0).contains(&it.0));
    if fits.is_none() {
        field.wrong(report, "a time up to 1h, such as `8000` (milliseconds) or `8s`");
    }
    fits.map(|it| field.placed(it))
}
