//! What applications say of themselves: one tolerant parser for the documents that are in use.
//!
//! `status` is `healthy`, `degraded` or `unhealthy`, or one of the words that mean the same;
//! `checks` is a list or a map; `uptime` is a number of seconds or a text like `123s`.  A body that
//! is no such document says nothing, and then the HTTP status alone decides.

use serde_json::{Map, Value};

/// Failing checks that are named in a reason.
const CHECKS_NAMED_MAX: usize = 8;
/// Characters of a word that we do not know.
const SHOWN_MAX: usize = 80;

/// An application's own word on how it is.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthDocument {
    /// The sum of it.
    pub health: Health,
    /// Its parts, in the order of the document.
    pub checks: Vec<Part>,
    /// How long it has been running.
    pub uptime_seconds: Option<f64>,
    /// Of the application.
    pub version: Option<String>,
    /// It was built from.
    pub commit: Option<String>,
}

/// How something is, in its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Healthy,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Unhealthy,
    /// A word that we do not know.
    Unknown(String),
}

/// One of the checks in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: Health,
}

impl HealthDocument {
    /// Reads a body; none where it is no health document.
    pub fn read(body: &[u8]) -> Option<HealthDocument> {
        let Ok(Value::Object(document)) = serde_json::from_slice(body) else { return None };
        let health = health(document.get("status")?)?;
        let text = |key: &str| Some(document.get(key)?.as_str()?.to_owned());
        Some(HealthDocument {
            health,
            checks: document.get("checks").map(parts).unwrap_or_default(),
            uptime_seconds: document.get("uptime").and_then(uptime),
            version: text("version"),
            commit: text("commit").or_else(|| text("gitCommit")),
        })
    }

    /// Why an instance that says this of itself may not be switched to, if so.
    pub fn against_switch(&self) -> Option<String> {
        let failing = || {
            let bad = self.checks.iter().filter(|it| it.health != Health::Healthy);
            let names: Vec<&str> = bad.map(|it| it.name.as_str()).take(CHECKS_NAMED_MAX).collect();
            if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
        };
        match &self.health {
            Health::Healthy => None,
            Health::Degraded => Some(format!("it says that it is degraded{}", failing())),
            Health::Unhealthy => Some(format!("it says that it is unhealthy{}", failing())),
            Health::Unknown(word) => Some(format!("it says `{word}`, which is no status we know")),
        }
    }
}

fn health(value: &Value) -> Option<Health> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(true) => return Some(Health::Healthy),
        Value::Bool(false) => return Some(Health::Unhealthy),
        // A number is an HTTP status, or anything; not a word on health.
        _ => return None,
    };
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "healthy" | "ok" | "pass" | "passing" | "up" => Health::Healthy,
        "degraded" | "warn" | "warning" => Health::Degraded,
        "unhealthy" | "fail" | "failing" | "failed" | "error" | "down" | "critical" => {
            Health::Unhealthy
        }
        _ => Health::Unknown(text.chars().filter(|it| !it.is_control()).take(SHOWN_MAX).collect()),
    })
}

fn parts(checks: &Value) -> Vec<Part> {
    match checks {
        Value::Object(map) => map
            .iter()
            .filter_map(|(name, value)| Some(Part { name: name.clone(), health: of(value)? }))
            .collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_object).filter_map(named).collect(),
        _ => vec![],
    }
}

fn named(check: &Map<String, Value>) -> Option<Part> {
    let name = check.get("name").or_else(|| check.get("check"))?.as_str()?.to_owned();
    Some(Part { name, health: health(check.get("status")?)? })
}

/// A check in a map is a word, or an object that holds one.
fn of(value: &Value) -> Option<Health> {
    match value {
        Value::Object(check) => health(check.get("status")?),
        word => health(word),
    }
}

fn uptime(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let text = text.trim();
            text.strip_suffix('s').unwrap_or(text).trim().parse().ok()?
        }
        _ => return None,
    };
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}
