//! One-off processes as a table, and for programs.

use super::{Ui, figure::Clock, json};
use comfy_table::{Table, presets::NOTHING};
use daemon::{api::one_offs::Shown, logs::plain, one_off::News};
use model::one_off::{Ended, Life};
use serde_json::{Value, json};

/// Letters of a command line, or of how one ended, that are shown in a row.
const LETTERS_MAX: usize = 40;

impl Ui {
    /// Says that one goes on without its watcher.
    pub fn one_off_detached(&self, id: &str) {
        if self.is_json() {
            self.out.line(&json!({ "event": "detached", "one_off": id }).to_string());
            return;
        }
        let short = short(id);
        self.line(&format!(
            "detached: {id} goes on · watch: cutover run --attach {short} · \
             end: cutover run --stop {short}"
        ));
    }
}

/// What names it as well, unless there are several: the end of its id.
fn short(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

/// It has begun.
pub fn begun(id: &str) -> String {
    json!({ "event": "begun", "one_off": id, "at_ms": super::figure::now_ms() }).to_string()
}

/// News as a line, where there is something to tell.
pub fn news(news: &News) -> Option<String> {
    let value = match news {
        News::Out { text, .. } => json!({ "event": "out", "text": text }),
        News::Error { text, .. } => json!({ "event": "error_output", "text": text }),
        News::Alive => return None,
        News::Ended(ended) => json!({
            "event": "ended",
            "exit_code": ended.exit_code(),
            "how": ended.how(),
            "lines_dropped": ended.lines_dropped,
            "at_ms": ended.at_ms,
        }),
        News::Lost { failure } => {
            let exit_code = model::one_off::EXIT_UNKNOWN;
            let report = daemon::api::words::ErrorReport {
                exit_code,
                failure: failure.clone(),
                holder: None,
            };
            return Some(json::error(&report));
        }
    };
    Some(value.to_string())
}

/// What its exit code alone does not say.
pub fn remark(ended: &Ended) -> Option<String> {
    let plain_exit = ended.code.is_some() && !ended.timed_out && !ended.out_of_memory;
    let how = (!plain_exit || ended.not_executed.is_some()).then(|| ended.how());
    let dropped = (ended.lines_dropped > 0)
        .then(|| format!("{} lines of its output were dropped", ended.lines_dropped));
    let both: Vec<String> = how.into_iter().chain(dropped).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// A row each.
pub fn table(all: &[Shown], clock: &Clock) -> String {
    if all.is_empty() {
        return "no one-off processes".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "ENVIRONMENT",
        "SERVICE",
        "VERSION",
        "ID",
        "BEGUN",
        "BY",
        "STATUS",
        "COMMAND",
    ]);
    for Shown { one_off, life } in all {
        table.add_row([
            one_off.environment.to_string(),
            one_off.service.to_string(),
            one_off.version.clone(),
            short(&one_off.id.0).to_owned(),
            clock.minute(one_off.begun_at_ms),
            plain(&one_off.by),
            cut(&plain(&status(life, one_off.detached))),
            cut(&plain(&one_off.command.join(" "))),
        ]);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn status(life: &Life, detached: bool) -> String {
    match (life, detached) {
        (Life::Begun, _) => "beginning".to_owned(),
        (Life::Running { .. }, true) => "running, detached".to_owned(),
        (Life::Running { .. }, false) => "running".to_owned(),
        (Life::Ended(ended), _) => ended.how(),
    }
}

fn cut(text: &str) -> String {
    let mut letters = text.chars();
    let start: String = letters.by_ref().take(LETTERS_MAX).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}

/// An object each.
pub fn objects(all: &[Shown]) -> Vec<Value> {
    let object = |it: &Shown| {
        let (pid, ended) = match &it.life {
            Life::Running { pid } => (Some(*pid), None),
            Life::Ended(ended) => (None, Some(ended)),
            Life::Begun => (None, None),
        };
        json!({
            "id": it.one_off.id,
            "environment": it.one_off.environment.to_string(),
            "service": it.one_off.service,
            "version": it.one_off.version,
            "command": it.one_off.command,
            "by": it.one_off.by,
            "detached": it.one_off.detached,
            "begun_at_ms": it.one_off.begun_at_ms,
            "time_limit_ms": it.one_off.time_limit_ms,
            "status": status(&it.life, it.one_off.detached),
            "pid": pid,
            "exit_code": ended.map(Ended::exit_code),
            "ended_at_ms": ended.map(|it| it.at_ms),
        })
    };
    all.iter().map(object).collect()
}
