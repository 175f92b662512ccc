//! Our processes of one state directory.

use crate::controller::Controller;
use drivers::state::is_alive;
use proxy::{
    client::ask_async,
    control::{Answer, Ask},
};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};
use supervise::client::{is_holder, read_holder_status};

/// For the proxy to say who it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It acts.
    Controller,
    /// It keeps the listeners.
    Holder,
    /// It serves.
    Proxy,
    /// It accepts no more, and finishes what it has.
    LeavingProxy,
    /// It keeps one instance.
    Supervise,
}

impl Role {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Holder => "holder",
            Role::Proxy => "proxy",
            Role::LeavingProxy => "leaving proxy",
            Role::Supervise => "supervise",
        }
    }
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Running {
    /// What for.
    pub role: Role,
    /// Which.
    pub pid: u32,
    /// For `supervise`: whose.
    pub instance: Option<String>,
}

/// All that run now.
pub async fn running(root: &Path) -> Vec<Running> {
    let of = |role: Role| move |pid: u32| Running { role, pid, instance: None };
    let mut all = vec![];
    all.extend(Controller::new(root).info().await.ok().map(|it| of(Role::Controller)(it.pid)));
    let holder = read_holder_status(root).map(|it| it.pid);
    let holder = holder.filter(|it| is_alive(*it) && is_holder(*it, root));
    all.extend(holder.map(of(Role::Holder)));
    if let Ok(Answer::Status(status)) = ask_async(root, &Ask::Status, ANSWER_WAIT).await {
        all.push(of(Role::Proxy)(status.pid));
        all.extend(status.leaving.iter().map(|it| of(Role::LeavingProxy)(it.pid)));
    }
    let mut kept = supervised(root);
    kept.sort_by(|one, other| one.instance.cmp(&other.instance));
    all.extend(kept);
    all
}

/// By the words they were started with.
fn supervised(root: &Path) -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = text.split(|it| *it == 0).skip(1).map(OsStr::from_bytes);
        let starts = ["supervise", "--root"].map(|it| Some(OsStr::new(it)));
        if [words.next(), words.next()] != starts || words.next() != Some(root.as_os_str()) {
            return None;
        }
        let instance = words.next().filter(|it| *it == "--instance").and(words.next())?;
        let instance = Some(instance.to_string_lossy().into_owned());
        Some(Running { role: Role::Supervise, pid, instance })
    })
    .collect()
}
