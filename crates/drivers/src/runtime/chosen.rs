//! Each instance by the runtime that its release names, and by the one that started it afterwards.

use super::{Pm2Runtime, ProcessRuntime, SystemdRuntime, process::service_of};
use crate::{blocking::blocking, file, layout::Layout};
use async_trait::async_trait;
use engine::port::runtime::{Life, Runtime, Stopped};
use model::{
    failure::Failure,
    id::{Epoch, InstanceId},
    instance::Instance,
    pm2::RuntimeSpec,
    release::Release,
    role::QuietSignal,
};
use std::{fs, io::ErrorKind, path::PathBuf};
use supervise::{
    port::{Belongs, listener_belongs_to},
    spec::InstanceSpec,
};

/// All runtimes of this machine.
#[derive(Clone, Debug)]
pub struct ChosenRuntime {
    process: ProcessRuntime,
    pm2: Pm2Runtime,
    systemd: SystemdRuntime,
}

/// Who runs an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Process,
    Pm2,
    Systemd,
}

impl ChosenRuntime {
    /// Over these; both lie under one state directory.
    pub fn new(process: ProcessRuntime) -> ChosenRuntime {
        let pm2 = Pm2Runtime::new(process.clone());
        let systemd = SystemdRuntime::new(process.clone());
        ChosenRuntime { process, pm2, systemd }
    }

    /// PM2's part of it.
    pub fn pm2(&self) -> &Pm2Runtime {
        &self.pm2
    }

    /// systemd's part of it.
    pub fn systemd(&self) -> &SystemdRuntime {
        &self.systemd
    }

    /// Who runs it, which was decided when it was started.
    fn runner(&self, instance: &InstanceId) -> Result<Runner, Failure> {
        Ok(if self.pm2.owns(instance)? {
            Runner::Pm2
        } else if self.systemd.owns(instance)? {
            Runner::Systemd
        } else {
            Runner::Process
        })
    }

    pub(crate) fn spec(&self, instance: &InstanceId) -> Result<Option<InstanceSpec>, Failure> {
        self.process.spec(instance)
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.process.layout()
    }

    pub(crate) fn directory(&self, instance: &Instance) -> PathBuf {
        self.process.directory(instance)
    }

    /// Whether what listens on the port is the instance with this token.
    pub(crate) async fn listener(
        &self,
        instance: &InstanceId,
        port: u16,
        token: String,
    ) -> Result<Belongs, Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || {
            let found = listener_belongs_to(port, &token);
            Ok(match found {
                Belongs::No { pid, .. } if this.pm2.holds_port_as(&instance, pid) => Belongs::Yes,
                found => found,
            })
        })
        .await
    }
}

#[async_trait]
impl Runtime for ChosenRuntime {
    async fn start(
        &self,
        instance: &Instance,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, instance, release) = (self.clone(), instance.clone(), release.clone());
        blocking(move || match service_of(&instance, &release)?.runtime {
            RuntimeSpec::Process => this.process.start_now(&instance, &release, epoch),
            RuntimeSpec::Pm2(_) => this.pm2.start_now(&instance, &release, epoch),
            RuntimeSpec::Systemd(_) => this.systemd.start_now(&instance, &release, epoch),
        })
        .await
    }

    async fn stop(&self, instance: &InstanceId, epoch: Epoch) -> Result<Stopped, Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || match this.runner(&instance)? {
            Runner::Pm2 => this.pm2.stop_now(&instance, epoch),
            Runner::Systemd => this.systemd.stop_now(&instance, epoch),
            Runner::Process => this.process.stop_now(&instance, epoch),
        })
        .await
    }

    async fn keep(&self, instance: &InstanceId, keep: bool, epoch: Epoch) -> Result<(), Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || match this.runner(&instance)? {
            Runner::Pm2 => this.pm2.keep_now(&instance, keep, epoch),
            Runner::Systemd => this.systemd.keep_now(&instance, keep, epoch),
            Runner::Process => this.process.keep_now(&instance, keep, epoch),
        })
        .await
    }

    async fn quiet(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || match this.runner(&instance)? {
            Runner::Pm2 => this.pm2.quiet_now(&instance, signal, epoch),
            Runner::Systemd => this.systemd.quiet_now(&instance, signal, epoch),
            Runner::Process => this.process.quiet_now(&instance, signal, epoch),
        })
        .await
    }

    async fn observe(&self, instance: &InstanceId) -> Result<Life, Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || this.observe_now(&instance)).await
    }

    async fn list(&self) -> Result<Vec<(InstanceId, Life)>, Failure> {
        let this = self.clone();
        blocking(move || this.list_now()).await
    }

    async fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        let (this, instance) = (self.clone(), instance.clone());
        // They explain another failure: that they cannot be read must not hide it.
        blocking(move || Ok(this.last_lines_now(&instance, lines))).await.unwrap_or_default()
    }

    fn unenforceable(&self, release: &Release) -> Vec<String> {
        let mut own = release.clone();
        own.spec.services.retain(|it| it.runtime.is_process());
        let mut problems = self.process.unenforceable(&own);
        problems.extend(self.pm2.unenforceable(release));
        problems.extend(self.systemd.unenforceable(release));
        problems.sort();
        problems.dedup();
        problems
    }
}

impl ChosenRuntime {
    fn observe_now(&self, instance: &InstanceId) -> Result<Life, Failure> {
        match self.runner(instance)? {
            Runner::Pm2 => self.pm2.observe_now(instance),
            Runner::Systemd => self.systemd.observe_now(instance),
            Runner::Process => self.process.observe_now(instance),
        }
    }

    /// All that have a directory, by id.
    fn list_now(&self) -> Result<Vec<(InstanceId, Life)>, Failure> {
        let directory = self.process.layout().instances();
        let failed = |error| file::failure("read", &directory, &error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(failed)?,
        };
        let mut found = vec![];
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().filter(|it| !it.starts_with('.')) else { continue };
            let instance = InstanceId(name.to_owned());
            let life = self.observe_now(&instance)?;
            if life != Life::Absent {
                found.push((instance, life));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    }

    fn last_lines_now(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        // One that PM2 ran, and that is removed, has left its lines where PM2 wrote them.
        let removed = self.spec(instance).is_ok_and(|it| it.is_none());
        if removed || self.runner(instance).is_ok_and(|it| it == Runner::Pm2) {
            let found = self.pm2.last_lines_now(instance, lines);
            if !removed || !found.is_empty() {
                return found;
            }
        }
        if self.runner(instance).is_ok_and(|it| it == Runner::Systemd) {
            return self.systemd.last_lines_now(instance, lines);
        }
        self.process.last_lines_now(instance, lines)
    }
}
