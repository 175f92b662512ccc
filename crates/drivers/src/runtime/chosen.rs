//! Each instance by the runtime that its release names, and by the one that started it afterwards.

use super::{Pm2Runtime, ProcessRuntime, process::service_of};
use crate::blocking::blocking;
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
use std::path::PathBuf;
use supervise::{
    port::{Belongs, listener_belongs_to},
    spec::InstanceSpec,
};

/// All runtimes of this machine.
#[derive(Clone, Debug)]
pub struct ChosenRuntime {
    process: ProcessRuntime,
    pm2: Pm2Runtime,
}

impl ChosenRuntime {
    /// Over these; both lie under one state directory.
    pub fn new(process: ProcessRuntime) -> ChosenRuntime {
        ChosenRuntime { pm2: Pm2Runtime::new(process.clone()), process }
    }

    /// PM2's part of it.
    pub fn pm2(&self) -> &Pm2Runtime {
        &self.pm2
    }

    fn of(&self, instance: &InstanceId) -> Result<&dyn Runtime, Failure> {
        Ok(if self.pm2.owns(instance)? { &self.pm2 } else { &self.process })
    }

    pub(crate) fn spec(&self, instance: &InstanceId) -> Result<Option<InstanceSpec>, Failure> {
        self.process.spec(instance)
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
        match service_of(instance, release)?.runtime {
            RuntimeSpec::Process => self.process.start(instance, release, epoch).await,
            RuntimeSpec::Pm2(_) => self.pm2.start(instance, release, epoch).await,
        }
    }

    async fn stop(&self, instance: &InstanceId, epoch: Epoch) -> Result<Stopped, Failure> {
        self.of(instance)?.stop(instance, epoch).await
    }

    async fn keep(&self, instance: &InstanceId, keep: bool, epoch: Epoch) -> Result<(), Failure> {
        self.of(instance)?.keep(instance, keep, epoch).await
    }

    async fn quiet(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        self.of(instance)?.quiet(instance, signal, epoch).await
    }

    async fn observe(&self, instance: &InstanceId) -> Result<Life, Failure> {
        self.of(instance)?.observe(instance).await
    }

    async fn list(&self) -> Result<Vec<(InstanceId, Life)>, Failure> {
        let mut all = self.process.list().await?;
        all.extend(self.pm2.list().await?);
        all.sort_by(|one, other| one.0.0.cmp(&other.0.0));
        Ok(all)
    }

    async fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        // One that PM2 ran, and that is removed, has left its lines where PM2 wrote them.
        let removed = self.spec(instance).is_ok_and(|it| it.is_none());
        if removed || self.pm2.owns(instance).unwrap_or(false) {
            let found = self.pm2.last_lines(instance, lines).await;
            if !removed || !found.is_empty() {
                return found;
            }
        }
        self.process.last_lines(instance, lines).await
    }

    fn unenforceable(&self, release: &Release) -> Vec<String> {
        let mut own = release.clone();
        own.spec.services.retain(|it| it.runtime.is_process());
        let mut problems = self.process.unenforceable(&own);
        problems.extend(self.pm2.unenforceable(release));
        problems.sort();
        problems.dedup();
        problems
    }
}
