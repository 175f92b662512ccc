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
/// Where PM2 would write: here it writes to the environment's own logs.
const LOG_FILES: [&str; 7] =
    ["out_file", "error_file", "out", "error", "output", "log_file", "log"];

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
        let overlaid = app.and_then(|app| {
            let logs = LOG_FILES.into_iter().find(|it| !app[*it].is_null());
            Ok((overlaid(asked, &app, &file, is_node)?, logs))
        });
        let (asked, logs) = match overlaid {
            Ok(found) => found,
            Err((message, hint)) => {
                self.report.error(file.place, file.path, message).hint(hint);
                return laid;
            }
        };
        if let Some(key) = logs {
            let message = format!("`{key}` in {} is not taken over", file.value);
            self.report
                .add(Severity::Note, file.place, file.path.clone(), message)
                .hint("`cutover logs` shows what it writes, masked and kept within bounds");
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
