//! Requests to a candidate as they were read: sequences of them.

use crate::{
    address,
    draft::{probe, service::PROBE_TIME_MAX},
    placeholder::{self, PLACEHOLDERS},
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::{Entry, Node, Value},
};
use model::service::{Body, Capture, Millis, SMOKE_TIMEOUT, SmokeTest};
use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

const METHODS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// One request, and what must come back.
#[derive(Clone, Debug)]
pub(crate) struct SmokeDraft(pub(crate) SmokeTest);

impl SmokeDraft {
    /// One request or a list of them: what one captures, the later ones may use.
    pub(crate) fn sequence(
        field: &Field<'_>,
        report: &mut Report,
    ) -> Option<Placed<Vec<Placed<SmokeDraft>>>> {
        let captured = RefCell::new(vec![]);
        if matches!(field.node.value, Value::Mapping(_)) {
            let only = SmokeDraft::read(field, &[], report)?;
            return Some(field.placed(vec![only]));
        }
        scalar::list(field, report, |it, report| {
            let step = SmokeDraft::read(it, &captured.borrow(), report)?;
            captured.borrow_mut().extend(step.value.0.capture.keys().cloned());
            Some(step)
        })
    }

    /// `{ METHOD: PATH, … }`; `captured` are the names that earlier requests give.
    fn read(
        field: &Field<'_>,
        captured: &[String],
        report: &mut Report,
    ) -> Option<Placed<SmokeDraft>> {
        let mut known = METHODS.to_vec();
        known.extend(["status", "contains", "matches", "json", "headers", "expect_headers"]);
        known.extend(["body", "form", "capture", "timeout"]);
        let elsewhere = [("path", "after the method: `get: /path`")];
        let table = Table::read(field, &known, &elsewhere, report)?;
        let mut methods = METHODS.iter().filter_map(|it| table.get(it));
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
            placeholder::check_with(path, captured, report);
        }
        let name = method.name().to_ascii_uppercase();
        let mut test = SmokeTest { method: name, ..SmokeTest::get(String::new()) };
        read_question(&mut test, field, &table, captured, report);
        read_answer(&mut test, field, &table, captured, report);
        test.path = path?.value;
        Some(field.placed(SmokeDraft(test)))
    }
}

fn read_question(
    test: &mut SmokeTest,
    field: &Field<'_>,
    table: &Table<'_>,
    captured: &[String],
    report: &mut Report,
) {
    let headers = table.get("headers").map(|it| headers(it, captured, report));
    test.headers = headers.unwrap_or_default();
    test.body = match (table.get("body"), table.get("form")) {
        (Some(body), None) => Some(match &body.node.value {
            Value::Scalar { .. } => Body::Text(text(body, captured, report)),
            _ => Body::Json(json_value(body.node, body, captured, report)),
        }),
        (None, Some(form)) => {
            let entries = form.entries(report, "a mapping of names to values");
            let one =
                |(key, it): &(Arc<str>, Field<'_>)| (key.to_string(), text(it, captured, report));
            Some(Body::Form(entries.iter().map(one).collect()))
        }
        (Some(_), Some(form)) => {
            form.error(report, "a request carries one body").hint("keep `body` or `form`");
            None
        }
        (None, None) => None,
    };
    if test.body.is_some() && ["GET", "HEAD"].contains(&test.method.as_str()) {
        let method = test.method.to_ascii_lowercase();
        field.error(report, format!("a `{method}` carries no body")).hint("use `post`");
    }
    let limit = Millis(10)..=PROBE_TIME_MAX;
    let given = table.get("timeout").and_then(|it| scalar::time(it, limit, report));
    test.timeout = given.map_or(SMOKE_TIMEOUT, |it| it.value);
}

fn read_answer(
    test: &mut SmokeTest,
    field: &Field<'_>,
    table: &Table<'_>,
    captured: &[String],
    report: &mut Report,
) {
    test.status = probe::status(table, report).unwrap_or(200);
    test.contains = table.get("contains").map(|it| text(it, captured, report));
    test.matches = table.get("matches").and_then(|it| pattern(it, report)).map(|it| it.value);
    test.json = table.get("json").map(|it| json_fields(it, captured, report)).unwrap_or_default();
    let headers = table.get("expect_headers").map(|it| headers(it, captured, report));
    test.expect_headers = headers.unwrap_or_default();
    test.capture = table.get("capture").map(|it| captures(it, report)).unwrap_or_default();
    let of_body = |it: &Capture| matches!(it, Capture::Json(_));
    let looks = test.contains.is_some()
        || test.matches.is_some()
        || !test.json.is_empty()
        || test.capture.values().any(of_body);
    if test.method == "HEAD" && looks {
        field.error(report, "an answer to `head` has no body to look into").hint("use `get`");
    }
}

/// A text in which placeholders and what was captured are filled.
fn text(field: &Field<'_>, captured: &[String], report: &mut Report) -> String {
    let Some(found) = scalar::text(field, report) else { return String::new() };
    placeholder::check_with(&found, captured, report);
    found.value
}

/// A regular expression, as it stands: nothing is filled in, since braces are its own.
pub(crate) fn pattern(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let built = regex::RegexBuilder::new(&found.value).size_limit(PATTERN_BYTES_MAX).build();
    if let Err(error) = built {
        let what = error.to_string();
        let last = what.lines().last().unwrap_or_default().trim_start_matches("error: ");
        field.error(report, format!("`{}` is no regular expression: {last}", found.value));
        return None;
    }
    Some(found)
}

/// Names in lower case.
fn headers(
    field: &Field<'_>,
    captured: &[String],
    report: &mut Report,
) -> BTreeMap<String, String> {
    let entries = field.entries(report, "a mapping of header names to values");
    let mut headers = BTreeMap::new();
    for (key, it) in &entries {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if key.is_empty() || !key.bytes().all(fits) {
            it.error(report, format!("`{key}` is not the name of a header"));
        }
        headers.insert(key.to_ascii_lowercase(), text(it, captured, report));
    }
    headers
}

fn captures(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, Capture> {
    let entries = field.entries(report, "a mapping of names to what is captured");
    let mut captures = BTreeMap::new();
    for (key, it) in &entries {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if key.is_empty() || !key.bytes().all(fits) || PLACEHOLDERS.contains(&&**key) {
            it.error(report, format!("`{key}` cannot be the name of what is captured"))
                .hint("use lower-case letters and `_`, and none of the placeholders' names");
        }
        let Some(found) = scalar::word(it, report) else { continue };
        let capture = match found.value.split_once(':') {
            Some(("json", path)) if !path.is_empty() => Capture::Json(path.to_owned()),
            Some(("header", name)) if !name.is_empty() => {
                Capture::Header(name.to_ascii_lowercase())
            }
            Some(("cookie", name)) if !name.is_empty() => Capture::Cookie(name.to_owned()),
            _ => {
                it.error(report, format!("`{}` does not say what is captured", found.value))
                    .hint("write `json:data.token`, `header:location` or `cookie:session`");
                continue;
            }
        };
        captures.insert(key.to_string(), capture);
    }
    captures
}

fn json_fields(
    field: &Field<'_>,
    captured: &[String],
    report: &mut Report,
) -> BTreeMap<String, serde_json::Value> {
    let wanted = "a mapping of dotted paths to values";
    let entries = field.entries(report, wanted);
    let value = |(key, it): &(Arc<str>, Field<'_>)| {
        (key.to_string(), json_value(it.node, it, captured, report))
    };
    entries.iter().map(value).collect()
}

/// Plain words become what JSON would make of them.
fn json_value(
    node: &Node,
    field: &Field<'_>,
    captured: &[String],
    report: &mut Report,
) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, plain: true } if is_json_word(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.to_string().into())
        }
        Value::Scalar { text, .. } => {
            let placed =
                Placed { value: text.to_string(), place: node.place, path: field.path.clone() };
            placeholder::check_with(&placed, captured, report);
            placed.value.into()
        }
        Value::Sequence(items) => {
            items.iter().map(|it| json_value(it, field, captured, report)).collect()
        }
        Value::Mapping(entries) => {
            let one =
                |it: &Entry| (it.key.to_string(), json_value(&it.value, field, captured, report));
            serde_json::Value::Object(entries.iter().map(one).collect())
        }
    }
}

fn is_json_word(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text).starts_with(|it: char| it.is_ascii_digit());
    number || text == "true" || text == "false"
}
