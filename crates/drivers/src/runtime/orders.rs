//! What is the same for every instance that somebody else supervises: whose orders count, and why
//! it was not executed.

use crate::{file, layout::Layout};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
};
use std::fs;
use supervise::spec::InstanceSpec;

const EPOCH: &str = "epoch";

/// Refuses the orders of a controller that was replaced.
pub(super) fn admit(layout: &Layout, instance: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
    let path = layout.instance(instance).join(EPOCH);
    let told = fs::read_to_string(&path).unwrap_or_default();
    let highest: u64 = told.trim().parse().unwrap_or(0);
    if epoch.0 < highest {
        let message = format!(
            "order {instance}: a controller of epoch {highest} has given orders since, and this \
             one is of epoch {}",
            epoch.0
        );
        return Err(Failure::new(Blame::Platform, message));
    }
    if epoch.0 > highest {
        file::write(&path, epoch.0.to_string().as_bytes(), file::MODE_PRIVATE)
            .map_err(|error| file::failure("write", &path, &error))?;
    }
    Ok(())
}

/// Its program is not there, or cannot be executed.
pub(super) fn unexecuted(id: &InstanceId, spec: &InstanceSpec, why: &str) -> Failure {
    let program = spec.command.first().map(String::as_str).unwrap_or_default();
    let message = format!("start {id}: `{program}` could not be executed: {why}");
    Failure::new(Blame::Release, message)
        .hint("check `command`: its program must be in the release, in PATH, or a whole path")
        .evidence(format!("in {}", spec.directory.display()))
}
