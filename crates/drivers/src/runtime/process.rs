//! Instances as processes, each under a `supervise` process that outlives the controller.

mod begin;
mod build;
mod environment;
mod finish;
mod follow;
mod hook;
mod lines;
mod migrate;
mod one_off;
mod sight;

pub use build::HostBuilder;
pub use one_off::OneOffProcesses;

pub(super) use begin::refuse_taken_port;
pub(crate) use environment::{HOST, placeholders_filled, service_of, variables};
pub(super) use lines::{plain, tail};

use crate::{account, blocking::blocking, layout::Layout};
use async_trait::async_trait;
use engine::port::runtime::{Life, Runtime, Stopped};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    instance::Instance,
    release::Release,
    role::QuietSignal,
};
use std::{path::PathBuf, sync::Arc};
use supervise::spec::InstanceSpec;

/// Runs instances as processes under `ROOT/run/`.
#[derive(Clone, Debug)]
pub struct ProcessRuntime {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    /// This very program, which has the role `supervise`; none: it is only looked.
    program: Option<PathBuf>,
}

impl ProcessRuntime {
    /// Under the state directory; `program` is executed as `PROGRAM supervise …`.
    pub fn new(layout: Layout, program: PathBuf) -> ProcessRuntime {
        ProcessRuntime { shared: Arc::new(Shared { layout, program: Some(program) }) }
    }

    /// Under the state directory; starts nothing, not even a `supervise` for one that died.
    pub fn onlooker(layout: Layout) -> ProcessRuntime {
        ProcessRuntime { shared: Arc::new(Shared { layout, program: None }) }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// This very program; none: it is only looked.
    pub(super) fn program(&self) -> Option<&PathBuf> {
        self.shared.program.as_ref()
    }

    /// What the instance was told to run; none if it never was, or is removed.
    pub(crate) fn spec(&self, instance: &InstanceId) -> Result<Option<InstanceSpec>, Failure> {
        refuse_odd(instance)?;
        let path = self.layout().instance_spec(instance);
        let failed = |error| crate::file::failure("read", &path, &error);
        let bytes = crate::file::read(&path).map_err(failed)?;
        bytes
            .map(|it| serde_json::from_slice(&it))
            .transpose()
            .map_err(|error| failed(error.into()))
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    async fn start(
        &self,
        instance: &Instance,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, instance, release) = (self.clone(), instance.clone(), release.clone());
        blocking(move || this.start_now(&instance, &release, epoch)).await
    }

    async fn stop(&self, instance: &InstanceId, epoch: Epoch) -> Result<Stopped, Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || this.stop_now(&instance, epoch)).await
    }

    async fn keep(&self, instance: &InstanceId, keep: bool, epoch: Epoch) -> Result<(), Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || this.keep_now(&instance, keep, epoch)).await
    }

    async fn quiet(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, instance) = (self.clone(), instance.clone());
        blocking(move || this.quiet_now(&instance, signal, epoch)).await
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
        let mut problems = vec![];
        for service in &release.spec.services {
            let user = match service.user.as_deref().map(account::account) {
                Some(Err(failure)) => {
                    problems.push(format!("{}: {}", service.name, failure.message));
                    None
                }
                Some(Ok(account)) => {
                    Some(supervise::spec::User { uid: account.uid, gid: account.gid })
                }
                None => None,
            };
            let limits = begin::limits(&service.limits);
            let found = supervise::enforceable(&limits, user);
            problems.extend(found.into_iter().map(|it| format!("{}: {it}", service.name)));
        }
        for build in &release.spec.builds {
            let found = supervise::enforceable(&begin::limits(&build.limits), None);
            problems.extend(found.into_iter().map(|it| format!("build: {it}")));
        }
        problems.sort();
        problems.dedup();
        problems
    }
}

/// An id becomes the name of a directory, and nothing else.
pub(super) fn refuse_odd(instance: &InstanceId) -> Result<(), Failure> {
    let id = &instance.0;
    let is_name = !id.is_empty()
        && !id.starts_with('.')
        && !id.contains(|it: char| it == '/' || it.is_control());
    if is_name {
        return Ok(());
    }
    Err(Failure::new(Blame::Us, format!("use `{}` as an instance's id", id.escape_debug())))
}
