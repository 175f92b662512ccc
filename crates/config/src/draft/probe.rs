//! Questions to an instance as they were read: health and smoke.

use crate::{
    address, argv,
    draft::service::PROBE_TIME_MAX,
    placeholder,
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::{Node, Value},
};
use model::service::{HealthSpec, Millis, Probe, SmokeTest};
use std::collections::BTreeMap;

/// Asked before the switch.
#[derive(Clone, Debug)]
pub(crate) enum HealthDraft {
    /// Nothing is asked: readiness is enough.
    None,
    /// So is it asked.
    Given(HealthKeys),
}

/// The keys of `health`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthKeys {
    pub(crate) probe: Option<ProbeDraft>,
    status: Option<u16>,
    interval: Option<Millis>,
    timeout: Option<Millis>,
    successes: Option<u32>,
    tries: Option<u32>,
}

/// The question itself.
#[derive(Clone, Debug)]
pub(crate) enum ProbeDraft {
    Http(String),
    Tcp,
    Command(Vec<String>),
}

impl HealthDraft {
    /// A mapping, a path alone, or `none`.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<HealthDraft>> {
        if let Value::Scalar { text, plain } = &field.node.value {
            if &**text == "none" || (*plain && &**text == "false") {
                return Some(field.placed(HealthDraft::None));
            }
            let path = address::request_path(field, report)?;
            return Some(path.with(HealthDraft::path(&path.value)));
        }
        let known =
            ["path", "tcp", "command", "status", "interval", "timeout", "successes", "tries"];
        let table = Table::read(field, &known, &[], report)?;
        let probe = match probe(field, &table, report) {
            None if ["path", "tcp", "command"].iter().any(|it| table.gives(it)) => return None,
            probe => probe,
        };
        let time = |key: &str, report: &mut Report| {
            let read = |it| scalar::time(it, Millis(10)..=PROBE_TIME_MAX, report);
            table.get(key).and_then(read).map(|it| it.value)
        };
        let count = |key: &str, report: &mut Report| {
            table.get(key).and_then(|it| scalar::number(it, 1..=1000, report)).map(|it| it.value)
        };
        let keys = HealthKeys {
            probe,
            status: status(&table, report),
            interval: time("interval", report),
            timeout: time("timeout", report),
            successes: count("successes", report),
            tries: count("tries", report),
        };
        Some(field.placed(HealthDraft::Given(keys)))
    }

    /// GET this path, everything else as by default.
    pub(crate) fn path(path: &str) -> HealthDraft {
        let probe = Some(ProbeDraft::Http(path.to_owned()));
        HealthDraft::Given(HealthKeys { probe, ..HealthKeys::default() })
    }

    /// This one's keys where it has them, else those of the base.
    pub(crate) fn over(&self, base: &HealthDraft) -> HealthDraft {
        match (self, base) {
            (HealthDraft::Given(own), HealthDraft::Given(below)) => {
                HealthDraft::Given(HealthKeys {
                    probe: own.probe.clone().or_else(|| below.probe.clone()),
                    status: own.status.or(below.status),
                    interval: own.interval.or(below.interval),
                    timeout: own.timeout.or(below.timeout),
                    successes: own.successes.or(below.successes),
                    tries: own.tries.or(below.tries),
                })
            }
            _ => self.clone(),
        }
    }

    /// With the defaults filled in; none if there is nothing to ask.
    pub(crate) fn spec(&self) -> Option<HealthSpec> {
        let HealthDraft::Given(keys) = self else { return None };
        let probe = match keys.probe.clone()? {
            ProbeDraft::Http(path) => Probe::Http { path, status: keys.status.unwrap_or(200) },
            ProbeDraft::Tcp => Probe::Tcp,
            ProbeDraft::Command(command) => Probe::Command { command },
        };
        Some(HealthSpec {
            probe,
            interval: keys.interval.unwrap_or(Millis::seconds(3)),
            timeout: keys.timeout.unwrap_or(Millis::seconds(5)),
            successes: keys.successes.unwrap_or(1),
            tries: keys.tries.unwrap_or(5),
        })
    }
}

fn probe(field: &Field<'_>, table: &Table<'_>, report: &mut Report) -> Option<ProbeDraft> {
    let given: Vec<&str> =
        ["path", "tcp", "command"].into_iter().filter(|it| table.get(it).is_some()).collect();
    if let [_, second, ..] = given[..]
        && let Some(extra) = table.get(second)
    {
        report
            .error(extra.place, extra.path.clone(), "`health` asks one question, not several")
            .hint("keep one of `path`, `tcp` and `command`");
    }
    if let Some(path) = table.get("path") {
        return address::request_path(path, report).map(|it| ProbeDraft::Http(it.value));
    }
    if let Some(command) = table.get("command") {
        return argv::command(command, report).map(|it| ProbeDraft::Command(it.value));
    }
    let tcp = table.get("tcp")?;
    if !scalar::switch(tcp, report)?.value {
        field.error(report, "`tcp` is off and nothing else is asked").hint("write `health: none`");
        return None;
    }
    Some(ProbeDraft::Tcp)
}

fn status(table: &Table<'_>, report: &mut Report) -> Option<u16> {
    table.get("status").and_then(|it| scalar::number(it, 100..=599, report)).map(|it| it.value)
}

/// One smoke test.
#[derive(Clone, Debug)]
pub(crate) struct SmokeDraft(pub(crate) SmokeTest);

impl SmokeDraft {
    /// `{ get: PATH, status, contains, json }`.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<SmokeDraft>> {
        let known = ["get", "head", "options", "status", "contains", "json"];
        let elsewhere = [
            ("path", "after the method: `get: /path`"),
            ("post", "nowhere: only requests without a body are sent"),
        ];
        let table = Table::read(field, &known, &elsewhere, report)?;
        let mut methods = ["get", "head", "options"].iter().filter_map(|it| table.get(it));
        let Some(method) = methods.next() else {
            if !table.any_unknown {
                field.error(report, "a smoke test sends nothing").hint("name a path: `get: /`");
            }
            return None;
        };
        if let Some(second) = methods.next() {
            report
                .error(second.place, second.path.clone(), "a smoke test sends one request")
                .hint("make a test of its own of it");
        }
        let path = address::request_path(method, report);
        if let Some(path) = &path {
            placeholder::check(path, report);
        }
        let name = method.name().to_ascii_uppercase();
        let contains = table.get("contains").and_then(|it| scalar::template(it, report));
        let json = table.get("json").map(|it| json_fields(it, report)).unwrap_or_default();
        if name == "HEAD" && (contains.is_some() || !json.is_empty()) {
            field.error(report, "an answer to `head` has no body to look into").hint("use `get`");
        }
        let status = status(&table, report).unwrap_or(200);
        let contains = contains.map(|it| it.value);
        let test = SmokeTest { method: name, path: path?.value, status, contains, json };
        Some(field.placed(SmokeDraft(test)))
    }
}

fn json_fields(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, serde_json::Value> {
    let wanted = "a mapping of dotted paths to values";
    let entries = field.entries(report, wanted);
    entries.iter().map(|(key, it)| (key.to_string(), json_value(it.node, it, report))).collect()
}

/// Plain words become what JSON would make of them.
fn json_value(node: &Node, field: &Field<'_>, report: &mut Report) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, plain: true } if is_json_word(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.to_string().into())
        }
        Value::Scalar { text, .. } => {
            let placed =
                Placed { value: text.to_string(), place: node.place, path: field.path.clone() };
            placeholder::check(&placed, report);
            placed.value.into()
        }
        Value::Sequence(items) => items.iter().map(|it| json_value(it, field, report)).collect(),
        Value::Mapping(entries) => {
            let fields =
                entries.iter().map(|it| (it.key.to_string(), json_value(&it.value, field, report)));
            serde_json::Value::Object(fields.collect())
        }
    }
}

fn is_json_word(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text).starts_with(|it: char| it.is_ascii_digit());
    number || text == "true" || text == "false"
}
