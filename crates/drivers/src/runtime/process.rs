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
mod socket;

pub use build::HostBuilder;
pub use one_off::OneOffProcesses;

pub(super) use begin::refuse_taken_port;
pub(crate) use environment::{HOST, placeholders_filled, service_of, variables};
pub(super) use lines::{plain, tail};

use crate::{account, layout::Layout};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
    release::Release,
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

impl ProcessRuntime {
    /// Limits and users of a release that this host cannot enforce, in words.
    pub(super) fn unenforceable(&self, release: &Release) -> Vec<String> {
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
