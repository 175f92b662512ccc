//! What instances take, as a screen and for programs.

use super::{
    Ui,
    figure::{Clock, bytes, duration},
    ps,
};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use daemon::{
    api::words::{EnvironmentReport, StatusReport},
    logs::plain,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Two looks, and what was measured between them.
#[derive(Clone, Copy, Debug)]
pub struct Now<'n> {
    /// The first.
    pub before: &'n StatusReport,
    /// The second.
    pub after: &'n StatusReport,
    /// By instance, in percent of one processor.
    pub cpu: &'n BTreeMap<String, f64>,
    /// Between them.
    pub seconds: f64,
}

impl Ui {
    /// Shows a text in place of all that the terminal shows.
    pub fn screen(&self, text: &str) {
        const HOME_AND_CLEAR: &str = "\u{1b}[H\u{1b}[J";
        self.out.print(&format!("{HOME_AND_CLEAR}{text}\n"));
    }
}

/// A line an environment, a row an instance.
pub fn text(now: &Now<'_>, clock: &Clock, now_ms: u64) -> String {
    let mut parts = vec![format!(
        "{} · {} free on disk",
        clock.second(now_ms),
        bytes(now.after.disk_free_bytes)
    )];
    for environment in &now.after.environments {
        let rate = per_second(now, environment);
        let rate = rate.map_or("no proxy".to_owned(), |it| format!("{it:.1} requests/s"));
        parts.push(format!("\n{} · {rate}", environment.id));
        parts.push(table(now, environment, now_ms));
    }
    if now.after.environments.is_empty() {
        parts.push("no environments".to_owned());
    }
    parts.join("\n")
}

fn table(now: &Now<'_>, environment: &EnvironmentReport, now_ms: u64) -> String {
    if environment.instances.is_empty() {
        return " no instances".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "INSTANCE",
        "VERSION",
        "ROLE",
        "STATUS",
        "CPU",
        "MEMORY",
        "RESTARTS",
        "UPTIME",
        "IN FLIGHT",
    ]);
    let or_none = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
    for instance in &environment.instances {
        table.add_row([
            ps::name(instance),
            instance.version.clone(),
            instance.role.clone(),
            plain(&instance.status),
            or_none(now.cpu.get(&instance.id).map(|it| format!("{it:.0} %"))),
            or_none(instance.memory_bytes.map(bytes)),
            instance.restarts.to_string(),
            or_none(ps::uptime_ms(instance, now_ms).map(duration)),
            instance.in_flight.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// None: no proxy runs, or another than before.
fn per_second(now: &Now<'_>, environment: &EnvironmentReport) -> Option<f64> {
    let (Some(one), Some(other)) = (&now.before.proxy, &now.after.proxy) else { return None };
    let before = now.before.environments.iter().find(|it| it.id == environment.id)?;
    let more = environment.requests.checked_sub(before.requests)?;
    (one.pid == other.pid && now.seconds > 0.0).then(|| more as f64 / now.seconds)
}

/// All of it.
pub fn object(now: &Now<'_>, now_ms: u64) -> Value {
    let rates: BTreeMap<String, Option<f64>> =
        now.after.environments.iter().map(|it| (it.id.to_string(), per_second(now, it))).collect();
    json!({
        "at_ms": now_ms,
        "disk_free_bytes": now.after.disk_free_bytes,
        "requests_per_second": rates,
        "instances": ps::objects(&now.after.environments, now.cpu, now_ms),
    })
}
