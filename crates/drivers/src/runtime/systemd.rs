//! Instances as units of systemd: it starts them, limits them, starts them again and writes their
//! output; what they run, and as whom, is ours to say.

mod begin;
mod finish;
mod lines;
mod record;
mod sight;
mod unit;

use super::process::{ProcessRuntime, refuse_odd};
use crate::{account, layout::Layout, units};
use model::{failure::Failure, id::InstanceId, pm2::RuntimeSpec, release::Release};
use std::sync::{Arc, Mutex};
use supervise::spec::User;

/// Runs instances in units; each has its directory under `ROOT/run/`, as those that we supervise.
#[derive(Clone, Debug)]
pub struct SystemdRuntime {
    /// What all have in common: where things lie, and what an instance is told.
    process: ProcessRuntime,
    /// Lines are taken over by one at a time.
    taking: Arc<Mutex<()>>,
}

impl SystemdRuntime {
    /// Beside the runtime whose state directory and program it shares.
    pub fn new(process: ProcessRuntime) -> SystemdRuntime {
        SystemdRuntime { process, taking: Arc::default() }
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
        Ok(self.layout().instance_systemd(instance).exists())
    }

    /// The unit that runs an instance; none: systemd does not run it.
    pub fn unit(&self, instance: &InstanceId) -> Option<String> {
        record::Record::read(self.layout(), instance).ok().flatten().map(|it| it.unit)
    }

    /// What systemd on this host cannot do for a release, in words.
    pub(super) fn unenforceable(&self, release: &Release) -> Vec<String> {
        let mut problems = vec![];
        for service in &release.spec.services {
            let RuntimeSpec::Systemd(_) = &service.runtime else { continue };
            let mut found = vec![];
            if !units::is_running() {
                found.push("systemd is not what this host was booted with".to_owned());
            } else if !rustix::process::geteuid().is_root() {
                found.push(
                    "only root may have systemd run units: run the controller as root \
                     (`cutover setup`), or use `runtime: process`"
                        .to_owned(),
                );
            }
            match service.user.as_deref().map(account::account).transpose() {
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
