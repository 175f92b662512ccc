//! The ecosystem file by which PM2 is told of one instance: written whole, and never by a shell.

use super::{
    listed::{INSTANCE, TOKEN},
    record::Record,
};
use serde_json::{Map, Value, json};
use std::path::Path;
use supervise::{
    becoming::{EXIT_NOT_EXECUTED, EXIT_NOT_WANTED},
    spec::InstanceSpec,
};

/// PM2's first pause before it starts something again; it grows to 15 s.
const RESTART_PAUSE_MS: u64 = 100;
/// PM2 gives up after so many: what serves is never given up.
const RESTARTS_MAX: u64 = 1_000_000_000;
/// Where nothing is said, lines are led by their time, so that they can be put in order.
pub(super) const DATE_FORMAT: &str = "YYYY-MM-DDTHH:mm:ss.SSSZ";

/// `program` becomes the instance's program: variables that PM2 adds, keeps or was started with
/// end there, and none of the instance's own, secrets above all, is ever told to PM2.
pub(super) fn file(
    record: &Record,
    spec: &InstanceSpec,
    program: &Path,
    root: &Path,
    listen_timeout_ms: u64,
) -> Value {
    let told = &record.spec;
    let root = root.to_string_lossy();
    let mut app = Map::new();
    let mut say = |key: &str, value: Value| app.insert(key.to_owned(), value);
    say("name", json!(record.name));
    say("script", json!(program));
    say("interpreter", json!("none"));
    say("args", json!(["supervise", "--root", root, "--instance", spec.instance, "--become"]));
    say("exec_mode", json!(told.mode.word()));
    say("instances", json!(record.workers()));
    say("cwd", json!(spec.directory));
    say("autorestart", json!(true));
    say("stop_exit_codes", json!([EXIT_NOT_WANTED, EXIT_NOT_EXECUTED]));
    say("exp_backoff_restart_delay", json!(RESTART_PAUSE_MS));
    say("max_restarts", json!(RESTARTS_MAX));
    say("kill_timeout", json!(spec.grace_ms.max(1)));
    say("wait_ready", json!(told.wait_ready));
    say("listen_timeout", json!(listen_timeout_ms));
    if let Some(bytes) = told.max_memory_restart_bytes {
        say("max_memory_restart", json!(bytes));
    }
    say("out_file", json!(record.out));
    say("error_file", json!(record.error));
    say("merge_logs", json!(told.merge_logs || record.workers() == 1));
    say("log_date_format", json!(told.log_date_format.as_deref().unwrap_or(DATE_FORMAT)));
    say("env", json!({ INSTANCE: spec.instance, TOKEN: spec.token }));
    for key in ["vizion", "pmx", "automation", "watch"] {
        say(key, json!(false));
    }
    json!({ "apps": [app] })
}
