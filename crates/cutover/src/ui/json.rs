//! What goes on, for programs: one object a line, of a stable shape.
//!
//! Every line has `event` and `at_ms`.  Events of a deployment are `accepted`, `note`, `found`,
//! `planned`, `step`, `judged` and `ended`, and carry `sequence`; `error`, `detached`, `upload`,
//! `waiting` and `done` are ours.

use crate::story::Story;
use daemon::api::words::{ErrorReport, Place};
use model::{deployment::Progress, id::DeploymentId};
use serde_json::{Map, Value, json};

/// News of a deployment.
pub fn progress(progress: &Progress, story: &Story) -> String {
    let mut line = Map::new();
    line.insert("sequence".into(), progress.sequence.into());
    let news = serde_json::to_value(&progress.news).unwrap_or_default();
    if let Value::Object(mut fields) = news {
        let event = fields.remove("news").unwrap_or_default();
        line.insert("event".into(), event);
        line.append(&mut fields);
    }
    if story.ending.is_some() {
        line.insert("exit_code".into(), story.exit_code().into());
        line.insert("took_ms".into(), story.took_ms().into());
        line.insert("deployment".into(), json!(story.deployment));
        line.insert("environment".into(), json!(story.environment));
    }
    finished(line, progress.at_ms)
}

/// Something besides.
pub fn note(text: &str, at_ms: u64) -> String {
    said("note", text, at_ms)
}

/// Something was done.
pub fn done(text: &str, at_ms: u64) -> String {
    said("done", text, at_ms)
}

fn said(event: &str, text: &str, at_ms: u64) -> String {
    let fields = [("event".into(), event.into()), ("text".into(), text.into())];
    finished(Map::from_iter(fields), at_ms)
}

/// How far content is sent.
pub fn upload(sent: u64, total: Option<u64>, at_ms: u64) -> String {
    let fields = [
        ("event".into(), "upload".into()),
        ("bytes".into(), sent.into()),
        ("total_bytes".into(), json!(total)),
    ];
    finished(Map::from_iter(fields), at_ms)
}

/// A turn did not come yet.
pub fn waiting(place: &Place, waited_ms: u64, at_ms: u64) -> String {
    let fields = [
        ("event".into(), "waiting".into()),
        ("position".into(), place.position.into()),
        ("queue".into(), json!(place.queue)),
        ("holder".into(), json!(place.holder.as_ref().map(|it| &it.id))),
        ("kept".into(), json!(place.kept)),
        ("waited_ms".into(), waited_ms.into()),
    ];
    finished(Map::from_iter(fields), at_ms)
}

/// The watcher left.
pub fn detached(deployment: &DeploymentId, exit_code: u8, at_ms: u64) -> String {
    let fields = [
        ("event".into(), "detached".into()),
        ("deployment".into(), json!(deployment)),
        ("exit_code".into(), exit_code.into()),
    ];
    finished(Map::from_iter(fields), at_ms)
}

/// Why a verb ended.
pub fn error(report: &ErrorReport) -> String {
    let mut line = Map::from_iter([("event".into(), "error".into())]);
    if let Ok(Value::Object(mut fields)) = serde_json::to_value(report) {
        line.append(&mut fields);
    }
    finished(line, super::figure::now_ms())
}

fn finished(mut line: Map<String, Value>, at_ms: u64) -> String {
    line.insert("at_ms".into(), at_ms.into());
    Value::Object(line).to_string()
}
