//! A user's own `ecosystem.config.js`: what it says of one app holds where the configuration says
//! nothing.  It is read as literals, and never run.

use super::Filling;
use crate::{
    draft::{pm2::Pm2Draft, service::ServiceDraft},
    init::literal,
    judge,
    problem::Severity,
    report::{Placed, quoted_list},
};
use model::{name::Name, pm2::Mode, service::Millis};
use serde_json::Value;

/// Names that are shown where none fits.
const NAMES_SHOWN_MAX: usize = 8;
/// Workers that share one port.
const WORKERS_MAX: u64 = 64;
/// Below it every start would be one too much.
const MEMORY_BYTES_MIN: u64 = 16 << 20;
const HOUR_MS: u64 = 3_600_000;
/// What is taken, and what makes no difference here.
const TAKEN: [&str; 12] = [
    "name",
    "namespace",
    "exec_mode",
    "instances",
    "wait_ready",
    "listen_timeout",
    "kill_timeout",
    "max_memory_restart",
    "log_date_format",
    "merge_logs",
    "combine_logs",
    "time",
];
const LOGS: &str = "`cutover logs` shows what it writes, masked and kept within bounds";
const COMMAND: &str = "`command` of the service says what is run";
const RESTARTS: &str = "what ends is started again once it is confirmed, with pauses from 100 ms \
                        to 15 s; `cutover stop` keeps it down";
const USER: &str = "`user` of the service says as whom it runs";
/// What has its place elsewhere, and where.
const ELSEWHERE: [(&str, &str); 31] = [
    ("script", COMMAND),
    ("args", COMMAND),
    ("interpreter", COMMAND),
    ("exec_interpreter", COMMAND),
    ("interpreter_args", COMMAND),
    ("node_args", COMMAND),
    ("cwd", "it runs in its release's own directory, which stays as it is"),
    ("out_file", LOGS),
    ("error_file", LOGS),
    ("out", LOGS),
    ("error", LOGS),
    ("output", LOGS),
    ("log_file", LOGS),
    ("log", LOGS),
    ("log_type", LOGS),
    ("disable_logs", LOGS),
    ("watch", "a release does not change while it runs: deploy the next one"),
    ("ignore_watch", "a release does not change while it runs: deploy the next one"),
    ("watch_options", "a release does not change while it runs: deploy the next one"),
    ("autorestart", RESTARTS),
    ("max_restarts", RESTARTS),
    ("min_uptime", RESTARTS),
    ("restart_delay", RESTARTS),
    ("exp_backoff_restart_delay", RESTARTS),
    ("stop_exit_codes", RESTARTS),
    ("cron_restart", "`cutover restart` by your own clock drops no request"),
    ("cron", "`cutover restart` by your own clock drops no request"),
    ("user", USER),
    ("uid", USER),
    ("gid", USER),
    ("force", "each instance has a name of its own, so there is nothing to force"),
];

/// What cannot be taken from the file, and what to do.
type Untaken = (String, &'static str);

impl Filling<'_> {
    /// The service, with what its ecosystem file says of it.
    pub(super) fn with_ecosystem(&mut self, name: &Name, laid: ServiceDraft) -> ServiceDraft {
        let Some(asked) = laid.in_pm2() else { return laid };
        let Some(file) = asked.ecosystem.clone() else { return laid };
        let app = self.app_of(&file.value, asked.app.as_ref(), name);
        let is_node = laid.command.as_ref().and_then(|it| it.value.first());
        let is_node = is_node.is_some_and(|it| it.rsplit('/').next() == Some("node"));
        let command = laid.command.as_ref().map(|it| it.value.clone()).unwrap_or_default();
        let overlaid = app.and_then(|app| {
            let untaken = untaken(&app, &command);
            Ok((overlaid(asked, &app, &file, is_node)?, untaken))
        });
        let (asked, untaken) = match overlaid {
            Ok(found) => found,
            Err((message, hint)) => {
                self.report.error(file.place, file.path, message).hint(hint);
                return laid;
            }
        };
        for (key, hint) in untaken {
            let message = format!("`{key}` in {} is not taken over", file.value);
            self.report.add(Severity::Note, file.place, file.path.clone(), message).hint(hint);
        }
        let laid = ServiceDraft { pm2: Some(file.with(asked)), ..laid };
        judge::in_pm2(&laid, &mut self.report);
        laid
    }

    fn app_of(
        &self,
        file: &str,
        app: Option<&Placed<String>>,
        service: &Name,
    ) -> Result<Value, Untaken> {
        let text = self.files.text(file).map_err(|error| {
            (format!("the file {file} {error}"), "write its path as it is from the configuration")
        })?;
        let value = literal::exported(&text).map_err(|it| {
            let message = format!("{file}:{}:{}: {}", it.line, it.column, it.why);
            (message, "write a value there: the file is read, not run; or leave `ecosystem` out")
        })?;
        let apps = match &value["apps"] {
            Value::Array(apps) => apps.clone(),
            Value::Object(_) => vec![value["apps"].clone()],
            _ => return Err((format!("{file} has no list of `apps`"), "see PM2's manual for it")),
        };
        let names: Vec<&str> = apps.iter().filter_map(|it| it["name"].as_str()).collect();
        let called = |name: &str| apps.iter().find(|it| it["name"] == name).cloned();
        let (project, environment) = (&self.id.project, &self.id.environment);
        let found = match app {
            Some(given) => called(&given.value),
            None => called(&format!("{project}-{environment}-{service}"))
                .or_else(|| called(&format!("{project}-{environment}")))
                .or_else(|| called(&service.to_string()))
                .or_else(|| apps.first().filter(|_| apps.len() == 1).cloned()),
        };
        found.ok_or_else(|| {
            let wanted = app.map_or_else(|| service.to_string(), |it| it.value.clone());
            let known = quoted_list(&names, NAMES_SHOWN_MAX);
            (format!("{file} has no app for `{wanted}`: it has {known}"), "name one as `app`")
        })
    }
}

/// What the app says that holds nowhere here, and where it is said instead.
fn untaken(app: &Value, command: &[String]) -> Vec<(String, &'static str)> {
    let runs = |script: &str| {
        let script = script.trim_start_matches("./");
        command.iter().any(|it| it.trim_start_matches("./") == script)
    };
    let said = app.as_object().into_iter().flatten().filter(|(key, value)| {
        let is_off = value.is_null() || **value == Value::Bool(false) && *key != "autorestart";
        let is_same = *key == "script" && value.as_str().is_some_and(runs);
        !is_off && !is_same && !TAKEN.contains(&key.as_str())
    });
    let hint = |key: &str| {
        let known = ELSEWHERE.iter().find(|it| it.0 == key).map(|it| it.1);
        let variables = "write its variables under `env` of the service, or into an env file";
        match known {
            Some(hint) => hint,
            None if key == "env" || key.starts_with("env_") => variables,
            None => "nothing here goes by it: leave it out where PM2 no longer needs it",
        }
    };
    said.map(|(key, _)| (key.clone(), hint(key))).collect()
}

/// What is asked of PM2 here, and else by the app.
fn overlaid(
    mut asked: Pm2Draft,
    app: &Value,
    file: &Placed<String>,
    is_node: bool,
) -> Result<Pm2Draft, Untaken> {
    let time = |key: &str| taken(app, key, file, |it| it.as_u64().filter(in_an_hour).map(Millis));
    let switch = |key: &str| taken(app, key, file, Value::as_bool);
    let mode = taken(app, "exec_mode", file, |it| match it.as_str()? {
        "fork" | "fork_mode" => Some(Mode::Fork),
        "cluster" | "cluster_mode" => Some(Mode::Cluster),
        _ => None,
    })?;
    let workers = taken(app, "instances", file, |it| {
        it.as_u64().filter(|it| (1..=WORKERS_MAX).contains(it)).and_then(|it| it.try_into().ok())
    })?;
    // As PM2 does: who asks for instances of a Node program means a cluster.
    let implied = file.with(Mode::Cluster);
    let implied = Some(implied).filter(|_| workers.is_some() && is_node);
    asked.mode = asked.mode.or(mode).or(implied).or(Some(file.with(Mode::Fork)));
    asked.workers = asked.workers.or(workers);
    asked.wait_ready = asked.wait_ready.or(switch("wait_ready")?);
    asked.listen_timeout = asked.listen_timeout.or(time("listen_timeout")?);
    asked.kill_timeout = asked.kill_timeout.or(time("kill_timeout")?);
    let memory = taken(app, "max_memory_restart", file, bytes)?;
    asked.max_memory_restart = asked.max_memory_restart.or(memory);
    let format = taken(app, "log_date_format", file, |it| it.as_str().map(str::to_owned))?;
    asked.log_date_format = asked.log_date_format.or(format);
    let merged = switch("merge_logs")?.or(switch("combine_logs")?);
    asked.merge_logs = asked.merge_logs.or(merged);
    Ok(asked)
}

/// None: it does not say.
fn taken<T>(
    app: &Value,
    key: &str,
    file: &Placed<String>,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<Placed<T>>, Untaken> {
    if app[key].is_null() {
        return Ok(None);
    }
    let found = read(&app[key]).map(|it| Some(file.with(it)));
    let message = format!("`{key}: {}` in {} cannot be taken over", app[key], file.value);
    found.ok_or((message, "say it here under `pm2`, and leave it out there, or write a number"))
}

fn in_an_hour(ms: &u64) -> bool {
    (1..=HOUR_MS).contains(ms)
}

/// A number of bytes, or `300M`.
fn bytes(value: &Value) -> Option<u64> {
    let found = match value {
        Value::String(text) => {
            let text = text.trim();
            let (number, shift) = match text.chars().last()?.to_ascii_uppercase() {
                'G' => (&text[..text.len() - 1], 30),
                'M' => (&text[..text.len() - 1], 20),
                'K' => (&text[..text.len() - 1], 10),
                _ => (text, 0),
            };
            number.parse::<u64>().ok()?.checked_mul(1 << shift)
        }
        other => other.as_u64(),
    };
    found.filter(|it| *it >= MEMORY_BYTES_MIN)
}
