//! Instances in PM2: it starts them, starts them again and writes their output; what they run, and
//! as whom, is ours to say.

mod begin;
mod beside;
mod dump;
mod ecosystem;
mod finish;
mod home;
mod lines;
mod listed;
mod pump;
mod record;
mod sight;
mod wire;

pub use beside::Beside;
pub use listed::Listed;

use super::process::{ProcessRuntime, refuse_odd};
use crate::{account, layout::Layout};
use home::Home;
use model::{
    failure::Failure,
    id::InstanceId,
    pm2::{Mode, RuntimeSpec},
    release::Release,
};
use record::Record;
use std::collections::BTreeMap;
use supervise::spec::User;

/// Runs instances in PM2; each has its directory under `ROOT/run/`, as those that we supervise.
#[derive(Clone, Debug)]
pub struct Pm2Runtime {
    /// What both have in common: where things lie, and what an instance is told.
    process: ProcessRuntime,
}

impl Pm2Runtime {
    /// Beside the runtime whose state directory and program it shares.
    pub fn new(process: ProcessRuntime) -> Pm2Runtime {
        Pm2Runtime { process }
    }

    fn layout(&self) -> &Layout {
        self.process.layout()
    }

    /// Whether it was the one to start this instance.
    ///
    /// # Errors
    ///
    /// The id is none.
    pub fn owns(&self, instance: &InstanceId) -> Result<bool, Failure> {
        refuse_odd(instance)?;
        Ok(self.layout().instance_pm2(instance).exists())
    }

    /// Whether a process that listens for an instance is PM2's daemon, as it does for a cluster.
    pub(crate) fn holds_port_as(&self, instance: &InstanceId, pid: u32) -> bool {
        let record = Record::read(self.layout(), instance).ok().flatten();
        record.is_some_and(|it| {
            it.spec.mode == Mode::Cluster && pid > 0 && it.home.daemon_pid() == Some(pid)
        })
    }

    /// Ends the daemon of our own `PM2_HOME`, where nothing runs in it any more.
    pub fn end_own_daemon(&self) {
        let path = self.layout().pm2_home();
        Home { path, program: String::new() }.end_idle_daemon();
    }

    /// Takes what PM2 wrote since the last time over into the logs of the environments.
    ///
    /// # Errors
    ///
    /// Where they cannot be written.
    pub fn take_lines(&self) -> Result<(), Failure> {
        self.pump_now()
    }

    /// What PM2 says of an instance's processes; none where it does not run it, or says nothing.
    pub fn listed(&self, instance: &InstanceId) -> Vec<Listed> {
        self.listed_of(std::slice::from_ref(instance)).remove(instance).unwrap_or_default()
    }

    /// As [`Pm2Runtime::listed`], by instance.  Each `PM2_HOME` is asked once for all of them:
    /// where its daemon hangs, that is waited for once.
    pub fn listed_of(&self, instances: &[InstanceId]) -> BTreeMap<InstanceId, Vec<Listed>> {
        let mut asked: Vec<(Home, Vec<Listed>)> = vec![];
        let mut found = BTreeMap::new();
        for instance in instances {
            let Ok(Some(record)) = Record::read(self.layout(), instance) else { continue };
            let Ok(Some(spec)) = self.process.spec(instance) else { continue };
            let at = asked.iter().position(|it| it.0 == record.home).unwrap_or_else(|| {
                let list = listed::all(&record.home.list().unwrap_or_default());
                asked.push((record.home.clone(), list));
                asked.len() - 1
            });
            let its = asked[at].1.iter().filter(|it| it.is_of(instance, &spec.token));
            found.insert(instance.clone(), its.cloned().collect());
        }
        found
    }
}

impl Pm2Runtime {
    /// What PM2 on this host cannot do for a release, in words.
    pub(super) fn unenforceable(&self, release: &Release) -> Vec<String> {
        let mut problems = vec![];
        for service in &release.spec.services {
            let RuntimeSpec::Pm2(spec) = &service.runtime else { continue };
            let mut found = Home::of(self.layout(), spec).problems();
            if service.limits.memory_bytes.is_some() || service.limits.processes.is_some() {
                found.push(
                    "PM2 limits neither memory nor processes: use `pm2: max_memory_restart`, or \
                     `runtime: process`"
                        .to_owned(),
                );
            }
            let user = service.user.as_deref().map(account::account).transpose();
            match user {
                Err(failure) => found.push(failure.message),
                Ok(account) => {
                    let user = account.map(|it| User { uid: it.uid, gid: it.gid });
                    let files = service.limits.files;
                    let limits = supervise::spec::Limits { files, ..Default::default() };
                    found.extend(supervise::enforceable(&limits, user));
                }
            }
            problems.extend(found.into_iter().map(|it| format!("{}: {it}", service.name)));
        }
        problems
    }
}
