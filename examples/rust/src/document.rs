//! The JSON documents this app answers with.

use crate::App;
use serde_json::{Value, json};
use std::{
    env, process,
    time::{SystemTime, UNIX_EPOCH},
};

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// What runs, and where.
pub(crate) fn version(app: &App) -> Value {
    json!({
        "version": app.version,
        "release": variable("CUTOVER_RELEASE"),
        "slot": variable("CUTOVER_SLOT"),
        "pid": process::id(),
    })
}

/// The same with what the deployment tells.
pub(crate) fn deployment(app: &App) -> Value {
    let mut document = version(app);
    document["status"] = "active".into();
    document["deployed_at"] = variable("CUTOVER_DEPLOYED_AT").into();
    document
}

/// How many POSTs came, and how many of them had an id that was there before.
pub(crate) fn posts(app: &App) -> Value {
    let posts = app.posts.lock().expect("no holder of this lock panics");
    json!({ "count": posts.count, "duplicates": posts.count - posts.ids.len() as u64 })
}

/// The health document; `path` may ask for readiness or liveness alone.
pub(crate) fn health(app: &App, path: &str) -> Value {
    match path {
        "/api/health/ready" => json!({ "status": "ready", "checks": { "warmup": "pass" } }),
        "/api/health/live" => json!({ "status": "alive", "pid": process::id() }),
        _ => json!({
            "status": "healthy",
            "version": app.version,
            "uptime": app.started.elapsed().as_secs_f64(),
            "timestamp": timestamp(),
            "deployment": {
                "slot": variable("CUTOVER_SLOT"),
                "release": variable("CUTOVER_RELEASE"),
            },
            "checks": { "http": "pass", "memory": "pass" },
        }),
    }
}

/// Now, in UTC, as `2026-11-21T13:14:15Z`.
fn timestamp() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(if year.is_multiple_of(100) { 400 } else { 4 });
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }
}
