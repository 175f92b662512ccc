//! The ecosystem file by which PM2 is told of one instance: written whole, and never by a shell.

use super::{
    listed::{INSTANCE, TOKEN},
    record::Record,
};
use model::pm2::Mode;
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

/// `program`, or in cluster mode `worker`, becomes the instance's program: variables that PM2 adds,
/// keeps or was started with end there, and none of the instance's own, secrets above all, is ever
/// told to PM2.
pub(super) fn file(
    record: &Record,
    spec: &InstanceSpec,
    program: &Path,
    worker: Option<&Path>,
    root: &Path,
    listen_timeout_ms: u64,
) -> Value {
    let told = &record.spec;
    let root = root.to_string_lossy();
    let mut app = Map::new();
    let mut say = |key: &str, value: Value| app.insert(key.to_owned(), value);
    say("name", json!(record.name));
    let mut variables = json!({ INSTANCE: spec.instance, TOKEN: spec.token });
    match (told.mode, worker) {
        (Mode::Cluster, Some(worker)) => {
            let at = script_at(&spec.command);
            say("script", json!(worker));
            say("node_args", json!(spec.command.get(1..at).unwrap_or_default()));
            variables["CUTOVER_PLACE"] = json!(format!("{root}/run/{}", spec.instance));
            variables["CUTOVER_SCRIPT_AT"] = json!(at.to_string());
        }
        _ => {
            let instance = &spec.instance;
            say("script", json!(program));
            say("interpreter", json!("none"));
            say("args", json!(["supervise", "--root", root, "--instance", instance, "--become"]));
        }
    }
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
    say("env", variables);
    for key in ["vizion", "pmx", "automation", "watch"] {
        say(key, json!(false));
    }
    json!({ "apps": [app] })
}

/// Where the script stands in `node OPTIONS SCRIPT ARGUMENTS`.
fn script_at(command: &[String]) -> usize {
    const WITH_VALUE: [&str; 7] =
        ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"];
    let mut at = 1;
    while let Some(word) = command.get(at).filter(|it| it.starts_with('-')) {
        at += if WITH_VALUE.contains(&word.as_str()) { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_node_end_where_its_script_stands() {
        let at = |text: &str| script_at(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(at("node server.js --port 3"), 1);
        assert_eq!(at("node --require a.js --max-old-space-size=99 server.js"), 4);
    }
}
