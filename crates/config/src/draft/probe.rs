//! The question for an instance's health as it was read.

use crate::{
    address, argv,
    draft::service::PROBE_TIME_MAX,
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::service::{HealthSpec, Millis, Probe};

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

pub(crate) fn status(table: &Table<'_>, report: &mut Report) -> Option<u16> {
    table.get("status").and_then(|it| scalar::number(it, 100..=599, report)).map(|it| it.value)
}
