//! Instances as a table, and for programs.

use super::{
    figure::{bytes, duration},
    job,
};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use daemon::{
    api::words::{EnvironmentReport, InstanceReport, JobReport, STATIC},
    logs::plain,
};
use drivers::runtime::pm2::Listed;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of a table.
const COLUMNS: usize = 11;

/// A row an instance, and one a job.
pub fn table(environments: &[EnvironmentReport], now_ms: u64) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "ENVIRONMENT",
        "INSTANCE",
        "VERSION",
        "ROLE",
        "STATUS",
        "PID",
        "PORT",
        "RESTARTS",
        "UPTIME",
        "MEMORY",
        "IN FLIGHT",
    ]);
    let mut rows = 0;
    for environment in environments {
        for instance in &environment.instances {
            rows += 1;
            let or_none = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
            table.add_row([
                environment.id.to_string(),
                name(instance),
                instance.version.clone(),
                instance.role.clone(),
                plain(&status(instance)),
                or_none(instance.pid.map(|it| it.to_string())),
                or_none(place(instance)),
                instance.restarts.to_string(),
                or_none(uptime_ms(instance, now_ms).map(duration)),
                or_none(instance.memory_bytes.map(bytes)),
                instance.in_flight.to_string(),
            ]);
        }
    }
    for (environment, job) in of_jobs(environments) {
        rows += 1;
        let version = job.last.as_ref().map_or("-", |it| it.version.as_str());
        let mut row = vec![environment.id.to_string(), job.service.clone(), plain(version)];
        row.extend(["cron".to_owned(), job::status(job)]);
        row.resize(COLUMNS, "-".to_owned());
        table.add_row(row);
    }
    if rows == 0 {
        return "no instances".to_owned();
    }
    for column in table.column_iter_mut().skip(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// An object an instance; `cpu` in percent of one processor.
pub fn objects(
    environments: &[EnvironmentReport],
    cpu: &BTreeMap<String, f64>,
    now_ms: u64,
) -> Vec<Value> {
    let of = |environment: &EnvironmentReport| {
        let id = environment.id.clone();
        let count = |service: &str| {
            let serving = environment.instances.iter().filter(|it| it.role == "serving");
            serving.filter(|it| it.service == service).count()
        };
        let object = move |it: &InstanceReport| {
            json!({
                "environment": id.to_string(),
                "name": name(it),
                "id": it.id,
                "service": it.service,
                "status": it.status,
                "role": it.role,
                "restarts": it.restarts,
                "created_at_ms": it.since_ms,
                "version": it.version,
                "pid": it.pid,
                "port": it.port,
                "socket": it.socket,
                "slot": it.slot,
                "instances": count(&it.service),
                "mode": mode(it),
                "runtime": runtime(it),
                "unit": it.unit,
                "pm2": it.pm2.iter().map(|one| in_pm2(it, one)).collect::<Vec<_>>(),
                "memory_bytes": it.memory_bytes,
                "cpu_percent": cpu.get(&it.id),
                "uptime_ms": uptime_ms(it, now_ms),
                "in_flight": it.in_flight,
                "warm_until_ms": it.warm_until_ms,
            })
        };
        environment.instances.iter().map(object).collect::<Vec<_>>()
    };
    let jobs = of_jobs(environments).map(|(of, job)| job::object(&of.id.to_string(), job));
    environments.iter().flat_map(of).chain(jobs).collect()
}

/// Its port, or that it listens at a socket, whose path would be too long here.
fn place(instance: &InstanceReport) -> Option<String> {
    let socket = || instance.socket.as_ref().map(|_| "socket".to_owned());
    instance.port.map(|it| it.to_string()).or_else(socket)
}

/// How it runs: as PM2 calls it where PM2 runs it.
fn mode(instance: &InstanceReport) -> &str {
    match instance.pm2.first() {
        _ if instance.status == STATIC => "static",
        Some(one) => one.exec_mode.as_str(),
        None => runtime(instance),
    }
}

/// Who runs it.
fn runtime(instance: &InstanceReport) -> &'static str {
    match (&instance.unit, instance.pm2.is_empty()) {
        (Some(_), _) => "systemd",
        (None, false) => "pm2",
        (None, true) => "process",
    }
}

/// One of its processes, as PM2's own list has it.
fn in_pm2(instance: &InstanceReport, one: &Listed) -> Value {
    json!({
        "name": one.name,
        "pm_id": one.pm_id,
        "pid": one.pid,
        "status": one.status,
        "restart_time": one.restart_time,
        "created_at": one.created_at,
        "pm_uptime": one.pm_uptime,
        "pm2_env": {
            "version": instance.version,
            "PORT": instance.port,
            "instances": instance.pm2.len(),
            "exec_mode": one.exec_mode,
            "cwd": one.cwd,
        },
        "monit": { "memory": one.memory, "cpu": f64::from(one.cpu_tenths) / 10.0 },
    })
}

/// PM2's own word for it is added where PM2 runs it; and that systemd does.
fn status(instance: &InstanceReport) -> String {
    if instance.unit.is_some() {
        return format!("{} (systemd)", instance.status);
    }
    let said: Vec<String> =
        instance.pm2.iter().map(|it| format!("{} {}", it.pm_id, it.status)).collect();
    if said.is_empty() {
        return instance.status.clone();
    }
    format!("{} (pm2 {})", instance.status, said.join(", "))
}

fn of_jobs(
    environments: &[EnvironmentReport],
) -> impl Iterator<Item = (&EnvironmentReport, &JobReport)> {
    environments.iter().flat_map(|of| of.jobs.iter().map(move |job| (of, job)))
}

pub(super) fn name(instance: &InstanceReport) -> String {
    crate::story::short(&instance.id)
}

pub(super) fn uptime_ms(instance: &InstanceReport, now_ms: u64) -> Option<u64> {
    let runs = instance.status == "running";
    instance.since_ms.filter(|_| runs).map(|it| now_ms.saturating_sub(it))
}
