//! How an instance is run by PM2: `pm2.json` beside what it is told.

use super::home::Home;
use crate::{file, layout::Layout};
use model::{
    failure::Failure,
    id::InstanceId,
    pm2::{Mode, Pm2Spec},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The format this build writes and reads.
const FORMAT: u32 = 1;

/// Written before PM2 hears of the instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) home: Home,
    /// What PM2 calls it.
    pub(super) name: String,
    pub(super) spec: Pm2Spec,
    pub(super) out: PathBuf,
    pub(super) error: PathBuf,
    /// From the controller that ordered it last.
    pub(super) started_at_ms: u64,
}

impl Record {
    pub(super) fn new(layout: &Layout, instance: &InstanceId, spec: &Pm2Spec) -> Record {
        let environment = environment_of(instance);
        let logs = environment
            .map_or_else(|| layout.instance(instance), |it| layout.logs_directory(&it).join("pm2"));
        Record {
            format: FORMAT,
            home: Home::of(layout, spec),
            name: name(instance),
            spec: spec.clone(),
            out: logs.join(format!("{instance}-out.log")),
            error: logs.join(format!("{instance}-error.log")),
            started_at_ms: crate::clock::unix_ms(),
        }
    }

    /// None: PM2 does not run it.
    pub(super) fn read(layout: &Layout, instance: &InstanceId) -> Result<Option<Record>, Failure> {
        let path = layout.instance_pm2(instance);
        let failed = |error| file::failure("read", &path, &error);
        let bytes = file::read(&path).map_err(failed)?;
        bytes.map(|it| serde_json::from_slice(&it)).transpose().map_err(|it| failed(it.into()))
    }

    pub(super) fn write(&self, layout: &Layout, instance: &InstanceId) -> Result<(), Failure> {
        let path = layout.instance_pm2(instance);
        serde_json::to_vec_pretty(self)
            .map_err(Into::into)
            .and_then(|it| file::write(&path, &it, file::MODE_PRIVATE))
            .map_err(|error| file::failure("write", &path, &error))
    }

    pub(super) fn workers(&self) -> usize {
        match self.spec.mode {
            Mode::Fork => 1,
            Mode::Cluster => usize::from(self.spec.workers.max(1)),
        }
    }
}

/// `PROJECT-ENVIRONMENT-SERVICE-NUMBER-XXXXXXXX`.
pub(super) fn name(instance: &InstanceId) -> String {
    instance.0.replace('.', "-")
}

pub(super) fn environment_of(instance: &InstanceId) -> Option<model::name::EnvironmentId> {
    let mut parts = instance.0.split('.');
    let (project, environment) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(model::name::EnvironmentId { project, environment })
}
