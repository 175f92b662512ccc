//! What else there is in each PM2 that runs instances of ours: told, and never touched.

use super::{
    Pm2Runtime,
    home::Home,
    listed::{self, TOKEN},
    record::Record,
};
use model::id::InstanceId;
use serde::Serialize;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What `pm2 web` is called in PM2's list.
const PAGE: &str = "pm2-http-interface";
/// Log files beyond this are told: PM2 rotates none by itself.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// One `PM2_HOME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// Its path.
    pub home: PathBuf,
    /// Whether its daemon answers; else nothing more is known of it.
    pub answers: bool,
    /// Its daemon's user is root, and so is what runs in it.
    pub as_root: bool,
    /// Names of processes in it that are not ours.
    pub foreign: Vec<String>,
    /// PM2's page on all its processes is served, to whoever reaches its port.
    pub has_page: bool,
    /// Log files of others that have grown large.
    pub large_logs: Vec<PathBuf>,
}

impl Pm2Runtime {
    /// Each PM2 in which an instance of ours is, or was: looked at, and not started.
    pub fn beside(&self) -> Vec<Beside> {
        let mut homes: Vec<Home> = vec![];
        for place in fs::read_dir(self.layout().instances()).into_iter().flatten().flatten() {
            let Some(name) = place.file_name().to_str().map(str::to_owned) else { continue };
            // What is no instance's directory has no such record.
            let Ok(Some(record)) = Record::read(self.layout(), &InstanceId(name)) else { continue };
            if !homes.iter().any(|it| it.path == record.home.path) {
                homes.push(record.home);
            }
        }
        homes.sort_by(|one, other| one.path.cmp(&other.path));
        homes.iter().map(look).collect()
    }
}

fn look(home: &Home) -> Beside {
    let listed = home.list();
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}")).ok().map(|it| it.uid());
    let answers = listed.is_ok();
    let foreign: Vec<Value> =
        listed.unwrap_or_default().into_iter().filter(|it| !is_ours(it)).collect();
    let (mut names, mut large_logs) = (vec![], vec![]);
    for one in listed::all(&foreign) {
        names.push(one.name);
        let large = |path: &Path| fs::metadata(path).is_ok_and(|it| it.len() > LOG_BYTES_MAX);
        large_logs.extend(one.logs.into_iter().map(PathBuf::from).filter(|it| large(it)));
    }
    names.sort();
    large_logs.sort();
    large_logs.dedup();
    Beside {
        home: home.path.clone(),
        answers,
        as_root: answers && home.daemon_pid().and_then(owner) == Some(0),
        has_page: names.iter().any(|it| it == PAGE),
        foreign: names,
        large_logs,
    }
}

fn is_ours(told: &Value) -> bool {
    let env = &told["pm2_env"];
    env["env"][TOKEN].is_string() || env[TOKEN].is_string()
}
