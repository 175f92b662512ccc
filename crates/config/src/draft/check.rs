//! Further questions to a candidate as they were read.

mod external;

use crate::{
    address, argv,
    draft::{
        service::PROBE_TIME_MAX,
        smoke::{self, SmokeDraft},
    },
    report::{Field, Placed, Report, Table, quoted_list},
    scalar,
    yaml::Value,
};
use model::{
    check::{Check, Identity, Performance, Question},
    service::Millis,
};

const KINDS: [&str; 9] =
    ["http", "tcp", "command", "log", "version", "commit", "performance", "endpoints", "external"];
/// Where nothing else is said.
const TIMEOUT: Millis = Millis::seconds(5);
const WINDOW: Millis = Millis::seconds(5);
const WINDOW_MAX: Millis = Millis::seconds(60);
const RESPONSE: Millis = Millis(2000);
const MEMORY_PERCENT: u32 = 80;
const CPU_PERCENT: u32 = 70;

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct CheckDraft(pub(crate) Check);

impl CheckDraft {
    /// `{ KIND: …, name, after, timeout }`.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<CheckDraft>> {
        let mut known = KINDS.to_vec();
        known.extend(["name", "after", "timeout"]);
        let elsewhere = [("path", "to a kind of check: `http: { get: /path }`")];
        let table = Table::read(field, &known, &elsewhere, report)?;
        let mut kinds = KINDS.iter().filter_map(|it| table.get(it));
        let Some(kind) = kinds.next() else {
            if !table.any_unknown {
                let hint = format!("name one of {}", quoted_list(&KINDS, KINDS.len()));
                field.error(report, "a check asks nothing").hint(hint);
            }
            return None;
        };
        if let Some(second) = kinds.next() {
            report
                .error(second.place, second.path.clone(), "a check asks one question")
                .hint("make a check of its own of it");
        }
        let name = table.get("name").and_then(|it| scalar::word(it, report)).map(|it| it.value);
        let after = table.get("after").and_then(|it| scalar::switch(it, report));
        let limit = Millis(10)..=PROBE_TIME_MAX;
        let timeout = table.get("timeout").and_then(|it| scalar::time(it, limit, report));
        let question = question(kind, report)?;
        if let (true, Some(false)) =
            (question.is_of_what_serves(), after.as_ref().map(|it| it.value))
        {
            let word = question.word();
            field
                .error(report, format!("`{word}` cannot be asked before the switch"))
                .hint("leave `after` out: the public name leads to what serves");
        }
        let check = Check {
            name: name.unwrap_or_else(|| question.word().to_owned()),
            after: after.is_some_and(|it| it.value) || question.is_of_what_serves(),
            timeout: timeout.map_or(TIMEOUT, |it| it.value),
            question,
        };
        Some(field.placed(CheckDraft(check)))
    }
}

fn question(field: &Field<'_>, report: &mut Report) -> Option<Question> {
    match field.name() {
        "http" => {
            let steps = SmokeDraft::sequence(field, report)?.value;
            Some(Question::Http { steps: steps.into_iter().map(|it| it.value.0).collect() })
        }
        "tcp" => tcp(field, report),
        "command" => argv::command(field, report).map(|it| Question::Command { command: it.value }),
        "log" => {
            let table = Table::read(field, &["absent"], &[], report)?;
            let Some(absent) = table.get("absent") else {
                field
                    .error(report, "`log` looks for nothing")
                    .hint("add what must not be there: `absent: \"panicked at\"`");
                return None;
            };
            smoke::pattern(absent, report).map(|it| Question::Log { absent: it.value })
        }
        "version" => identity(Identity::Version, field, report),
        "commit" => identity(Identity::Commit, field, report),
        "performance" => performance(field, report),
        "external" => external::read(field, report).map(Question::External),
        _ => {
            let paths = scalar::list(field, report, address::request_path)?.value;
            Some(Question::Endpoints { paths: paths.into_iter().map(|it| it.value).collect() })
        }
    }
}

/// `true`: the instance's own port; else the address of something that it needs.
fn tcp(field: &Field<'_>, report: &mut Report) -> Option<Question> {
    if let Value::Scalar { text, plain: true } = &field.node.value
        && &**text == "true"
    {
        return Some(Question::Tcp { address: None });
    }
    let found = scalar::template(field, report)?;
    let port = found.value.rsplit_once(':').map(|it| it.1);
    let fits = port.is_some_and(|it| it.parse::<u16>().is_ok() || it.ends_with('}'));
    if !fits {
        field
            .wrong(report, "`true` or an address with a port")
            .hint("write `tcp: db.internal:5432`, or `tcp: true` for the instance's own port");
        return None;
    }
    Some(Question::Tcp { address: Some(found.value) })
}

/// `true`, a path, or `{ path, field }`.
fn identity(what: Identity, field: &Field<'_>, report: &mut Report) -> Option<Question> {
    if let Value::Scalar { text, plain: true } = &field.node.value
        && &**text == "true"
    {
        return Some(Question::Identity { what, path: None, field: None });
    }
    if let Value::Scalar { .. } = &field.node.value {
        let path = address::request_path(field, report)?.value;
        return Some(Question::Identity { what, path: Some(path), field: None });
    }
    let table = Table::read(field, &["path", "field"], &[], report)?;
    let path = table.get("path").and_then(|it| address::request_path(it, report));
    let in_body = table.get("field").and_then(|it| scalar::word(it, report));
    let (path, field) = (path.map(|it| it.value), in_body.map(|it| it.value));
    Some(Question::Identity { what, path, field })
}

/// A path, or a mapping with bounds.
fn performance(field: &Field<'_>, report: &mut Report) -> Option<Question> {
    let by_default = |path: String| Performance {
        path,
        response: RESPONSE,
        memory_percent: MEMORY_PERCENT,
        cpu_percent: CPU_PERCENT,
        window: WINDOW,
    };
    if let Value::Scalar { .. } = &field.node.value {
        let path = address::request_path(field, report)?.value;
        return Some(Question::Performance(by_default(path)));
    }
    let known = ["path", "response_ms", "memory_percent", "cpu_percent", "window"];
    let table = Table::read(field, &known, &[], report)?;
    let Some(path) = table.get("path") else {
        field.error(report, "`performance` has no path to ask").hint("add `path: /`");
        return None;
    };
    let mut found = by_default(address::request_path(path, report)?.value);
    let percent = |key: &str, report: &mut Report| {
        table.get(key).and_then(|it| scalar::number::<u32>(it, 1..=100, report))
    };
    if let Some(given) = percent("memory_percent", report) {
        found.memory_percent = given.value;
    }
    if let Some(given) = percent("cpu_percent", report) {
        found.cpu_percent = given.value;
    }
    let response = table.get("response_ms");
    let limit = 1..=PROBE_TIME_MAX.0;
    if let Some(given) = response.and_then(|it| scalar::number::<u64>(it, limit, report)) {
        found.response = Millis(given.value);
    }
    let window = Millis(100)..=WINDOW_MAX;
    if let Some(given) = table.get("window").and_then(|it| scalar::time(it, window, report)) {
        found.window = given.value;
    }
    Some(Question::Performance(found))
}
