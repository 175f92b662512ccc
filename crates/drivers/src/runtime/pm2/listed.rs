//! What PM2 lists, and what of it is ours.

use model::id::InstanceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The variable by which PM2's entry says whose it is.
pub(super) const INSTANCE: &str = "CUTOVER_INSTANCE";
pub(super) const TOKEN: &str = "CUTOVER_TOKEN";

/// One process as PM2 lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What PM2 calls it.
    pub name: String,
    /// Its number in this life of PM2's daemon.
    pub pm_id: u64,
    /// Its process id; 0: none.
    pub pid: u32,
    /// `online`, `launching`, `stopping`, `stopped`, `errored`, `waiting restart`.
    pub status: String,
    /// Times PM2 started it again.
    pub restart_time: u32,
    /// Unix time in ms when it was created.
    pub created_at: u64,
    /// Unix time in ms when this process of it was started.
    pub pm_uptime: u64,
    /// Where it started.
    pub cwd: String,
    /// `fork` or `cluster`.
    pub exec_mode: String,
    /// Resident, in bytes.
    pub memory: u64,
    /// In tenths of a percent of one processor.
    pub cpu_tenths: u32,
    /// How its last process ended; none: none has.
    pub exit_code: Option<i32>,
    /// The instance that it says it is.
    #[serde(skip)]
    pub(super) instance: String,
    #[serde(skip)]
    pub(super) token: String,
    /// Where PM2 writes its output.
    #[serde(skip)]
    pub(super) logs: [String; 2],
}

impl Listed {
    /// None where it has no number: PM2 is about to replace it.
    pub(super) fn read(value: &Value) -> Option<Listed> {
        let told = &value["pm2_env"];
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let variable = |name: &str| match text(&told["env"][name]) {
            it if it.is_empty() => text(&told[name]),
            it => it,
        };
        Some(Listed {
            name: text(&value["name"]),
            pm_id: value["pm_id"].as_u64()?,
            pid: value["pid"].as_u64().and_then(|it| it.try_into().ok()).unwrap_or(0),
            status: text(&told["status"]),
            restart_time: small(&told["restart_time"]),
            created_at: told["created_at"].as_u64().unwrap_or(0),
            pm_uptime: told["pm_uptime"].as_u64().unwrap_or(0),
            cwd: text(&told["pm_cwd"]),
            exec_mode: text(&told["exec_mode"]).trim_end_matches("_mode").to_owned(),
            memory: value["monit"]["memory"].as_u64().unwrap_or(0),
            cpu_tenths: tenths(&value["monit"]["cpu"]),
            exit_code: told["exit_code"].as_i64().and_then(|it| it.try_into().ok()),
            instance: variable(INSTANCE),
            token: variable(TOKEN),
            logs: [text(&told["pm_out_log_path"]), text(&told["pm_err_log_path"])],
        })
    }

    pub(super) fn is_of(&self, instance: &InstanceId, token: &str) -> bool {
        self.instance == instance.0 && self.token == token && !token.is_empty()
    }

    /// PM2 says that its process runs.
    pub(super) fn runs(&self) -> bool {
        matches!(self.status.as_str(), "online" | "launching" | "stopping") && self.pid > 0
    }

    /// PM2 starts it by itself in a moment.
    pub(super) fn waits(&self) -> bool {
        self.status == "waiting restart" && self.pid > 0
    }
}

/// All of a list that can be read, ours and others.
pub(super) fn all(list: &[Value]) -> Vec<Listed> {
    list.iter().filter_map(Listed::read).collect()
}

/// PM2 rounds to tenths already.
fn tenths(value: &Value) -> u32 {
    let text = format!("{:.1}", value.as_f64().unwrap_or(0.0)).replace('.', "");
    text.parse().unwrap_or(0)
}

fn small(value: &Value) -> u32 {
    value.as_u64().and_then(|it| it.try_into().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_carries_id_and_token_is_ours() {
        let id = InstanceId("shop.production.web.1.A".to_owned());
        let entry = |env: Value| {
            let env = json!({ "status": "online", "env": env, "exec_mode": "fork_mode" });
            let value = json!({ "name": "shop-production-web-1-A", "pm_id": 3, "pid": 7,
                "pm2_env": env, "monit": { "memory": 5, "cpu": 0.5 } });
            Listed::read(&value).unwrap()
        };
        let ours = entry(json!({ "CUTOVER_INSTANCE": id.0, "CUTOVER_TOKEN": "abc" }));
        assert!(ours.is_of(&id, "abc") && ours.runs());
        assert_eq!((ours.exec_mode.as_str(), ours.memory, ours.cpu_tenths), ("fork", 5, 5));
        assert!(!ours.is_of(&id, "abd"));
        assert!(!entry(json!({})).is_of(&id, ""), "a name alone says nothing");
        assert_eq!(Listed::read(&json!({ "pm_id": "_old_3" })), None);
    }
}
