//! That systemd runs an instance: `systemd.json` beside what it is told.

use crate::{file, layout::Layout};
use model::{failure::Failure, id::InstanceId};
use serde::{Deserialize, Serialize};

/// The format this build writes and reads.
pub(super) const FORMAT: u32 = 1;

/// Written before systemd hears of the instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    /// What systemd calls it.
    pub(super) unit: String,
    /// From the controller that ordered it last.
    pub(super) started_at_ms: u64,
    /// See the configuration.
    pub(super) watchdog_ms: Option<u64>,
}

impl Record {
    /// None: systemd does not run it.
    pub(super) fn read(layout: &Layout, instance: &InstanceId) -> Result<Option<Record>, Failure> {
        let path = layout.instance_systemd(instance);
        let failed = |error| file::failure("read", &path, &error);
        let bytes = file::read(&path).map_err(failed)?;
        bytes.map(|it| serde_json::from_slice(&it)).transpose().map_err(|it| failed(it.into()))
    }

    pub(super) fn write(&self, layout: &Layout, instance: &InstanceId) -> Result<(), Failure> {
        let path = layout.instance_systemd(instance);
        serde_json::to_vec(self)
            .map_err(Into::into)
            .and_then(|it| file::write(&path, &it, file::MODE_PRIVATE))
            .map_err(|error| file::failure("write", &path, &error))
    }
}
