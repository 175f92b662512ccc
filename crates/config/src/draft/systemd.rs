//! What is asked of systemd.

use crate::{
    report::{Field, Placed, Report, Table},
    scalar,
};
use model::{
    service::Millis,
    systemd::{Allowance, SystemdSpec, property_problem},
};
use std::collections::BTreeMap;

/// Every key of it.
pub(crate) const KEYS: [&str; 4] = ["watchdog", "cpu", "allow", "properties"];
/// Of one processor.
const CPU_PERCENT_MAX: u64 = 100_000;
/// More is no list that somebody keeps.
const PROPERTIES_MAX: usize = 64;

/// What is given of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemdDraft {
    pub(crate) watchdog: Option<Placed<Millis>>,
    pub(crate) cpu_percent: Option<Placed<u32>>,
    pub(crate) allow: Option<Placed<Vec<Placed<Allowance>>>>,
    pub(crate) properties: BTreeMap<String, String>,
}

impl SystemdDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<SystemdDraft>> {
        let elsewhere = [
            ("memory", "to the service, under `limits`"),
            ("tasks", "to the service, as `limits: { processes }`"),
            ("user", "to the service"),
            ("env", "to the service"),
            ("notify", "to the service, as `readiness: notify`"),
            ("restart", "nowhere: what serves is started again"),
        ];
        let table = Table::read(field, &KEYS, &elsewhere, report)?;
        let words = Allowance::ALL.map(|it| (it.word(), it));
        let shortest = Millis(100);
        let hour = Millis::seconds(3600);
        let draft = SystemdDraft {
            watchdog: table
                .get("watchdog")
                .and_then(|it| scalar::time(it, shortest..=hour, report)),
            cpu_percent: table.get("cpu").and_then(|it| percent(it, report)),
            allow: table.get("allow").and_then(|it| {
                scalar::list(it, report, |it, report| scalar::choice(it, &words, report))
            }),
            properties: table
                .get("properties")
                .map(|it| properties(it, report))
                .unwrap_or_default(),
        };
        Some(field.placed(draft))
    }

    pub(crate) fn spec(&self) -> SystemdSpec {
        let mut allowances: Vec<Allowance> =
            self.allow.iter().flat_map(|it| &it.value).map(|it| it.value).collect();
        allowances.sort_unstable();
        allowances.dedup();
        SystemdSpec {
            watchdog_ms: self.watchdog.as_ref().map(|it| it.value.0),
            cpu_percent: self.cpu_percent.as_ref().map(|it| it.value),
            allowances,
            properties: self.properties.clone(),
        }
    }
}

/// `150%`: one processor and a half.
fn percent(field: &Field<'_>, report: &mut Report) -> Option<Placed<u32>> {
    let found = scalar::word(field, report)?;
    let number = found.value.strip_suffix('%').and_then(|it| it.parse::<u64>().ok());
    let number = number.filter(|it| (1..=CPU_PERCENT_MAX).contains(it));
    let number = number.and_then(|it| u32::try_from(it).ok());
    if number.is_none() {
        field.wrong(report, "a part of one processor, such as `150%`");
    }
    number.map(|it| field.placed(it))
}

fn properties(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, inner) in field.entries(report, "a mapping of properties to values") {
        let Some(value) = scalar::text(&inner, report) else { continue };
        if let Some(problem) = property_problem(&name, &value.value) {
            inner.error(report, format!("`{name}` cannot be given: {problem}"));
            continue;
        }
        if found.len() == PROPERTIES_MAX {
            field.error(report, format!("more than {PROPERTIES_MAX} properties"));
            break;
        }
        found.insert(name.to_string(), value.value);
    }
    found
}
