//! From a release to a process that runs.

use super::{ProcessRuntime, service_of, sight::Sight, socket, variables};
use crate::{account, file, layout::Layout, machine::port_taken};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    instance::Instance,
    name::EnvironmentId,
    redact::secret_names,
    release::Release,
    service::Readiness,
};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};
use supervise::{
    client,
    message::Status,
    spec::{FORMAT, InstanceSpec, Limits, Output, Restart, User},
};

/// A log file above this is rotated.
const LOG_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Rotated log files that are kept.
const LOGS_KEPT: u32 = 5;
/// Space that logs leave free: what the journal's reserve file needs, and some.
const LOG_FREE_BYTES_MIN: u64 = (64 + 8) * 1024 * 1024;
/// On a small file system they leave this part of it.
const LOG_FREE_PART: u64 = 10;
const LOGS_MODE: u32 = 0o750;

impl ProcessRuntime {
    pub(in crate::runtime) fn start_now(
        &self,
        instance: &Instance,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        match self.look(&instance.id)? {
            Sight::Supervised(status) if status.child.is_some() && !status.stopping => {
                return Ok(());
            }
            Sight::Left(Some(status))
                if status.child.as_ref().is_some_and(super::sight::is_alive) =>
            {
                let status = self.adopt(&instance.id)?;
                if status.child.is_some() && !status.stopping {
                    return Ok(());
                }
            }
            _ => {}
        }
        // What is left of an earlier run, descendants included, must not be beside the new one.
        self.stop_now(&instance.id, epoch)?;
        refuse_taken_port(instance)?;
        let spec = self.new_spec(instance, release)?;
        if let Some(path) = &spec.listen {
            socket::prepare(self.layout(), &instance.id, path, spec.user)?;
        }
        file::make_directory(&self.layout().instances(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| client::write_spec(self.layout().root(), &spec))
            .map_err(|error| {
                file::failure("write", &self.layout().instance_spec(&instance.id), &error)
            })?;
        self.spawn(&instance.id, false)?;
        let has_begun = |status: &Status| status.child.is_some() || status.exit.is_some();
        let status = self.until_answered(&instance.id, has_begun)?;
        self.refuse_unexecuted(&instance.id, &spec, &status)
    }

    fn refuse_unexecuted(
        &self,
        instance: &InstanceId,
        spec: &InstanceSpec,
        status: &Status,
    ) -> Result<(), Failure> {
        let error = status.exit.as_ref().and_then(|exit| exit.spawn_error.as_deref());
        let (Some(error), None) = (error, &status.child) else { return Ok(()) };
        let program = spec.command.first().map(String::as_str).unwrap_or_default();
        let message = format!("start {instance}: `{program}` could not be executed: {error}");
        let failure = Failure::new(Blame::Release, message)
            .hint("check `command`: its program must be in the release, in PATH, or a whole path")
            .evidence(format!("in {}", spec.directory.display()));
        let lines = self.last_lines_now(instance, 10);
        Err(if lines.is_empty() { failure } else { failure.evidence(lines.join("\n")) })
    }

    /// All that it is told, but by whom it is supervised.
    pub(in crate::runtime) fn new_spec(
        &self,
        instance: &Instance,
        release: &Release,
    ) -> Result<InstanceSpec, Failure> {
        let service = service_of(instance, release)?;
        let directory = self.directory(instance);
        let directory = fs::canonicalize(&directory)
            .map_err(|error| file::failure("start in", &directory, &error))?;
        let layout = self.layout();
        let filled = |it: &String| super::placeholders_filled(layout, it, instance, release);
        let user = service.user.as_deref().map(account::account).transpose()?;
        Ok(InstanceSpec {
            format: FORMAT,
            instance: instance.id.0.clone(),
            token: new_token()?,
            command: service.command.iter().map(filled).collect(),
            directory,
            environment: variables(layout, instance, release)?,
            user: user.map(|it| User { uid: it.uid, gid: it.gid }),
            limits: limits(&service.limits),
            stop_signal: service.stop_signal.number(),
            grace_ms: service.grace.0,
            notify: service.readiness == Readiness::Notify,
            restart: Restart::Never,
            time_limit_ms: None,
            listen: instance.socket.then(|| layout.socket(&instance.id)),
            output: output(self.layout(), &instance.environment)?,
            redact: secret_names(&release.spec, service),
        })
    }
}

/// Where an environment's instances write.
pub(super) fn output(layout: &Layout, environment: &EnvironmentId) -> Result<Output, Failure> {
    let directory = layout.logs_directory(environment);
    let (out, error, combined) = layout.logs(environment);
    output_in(&directory, [out, error, combined], (LOG_BYTES_MAX, LOGS_KEPT))
}

/// Into files of a directory, which is made; so many bytes of each, and so many rotated ones.
pub(super) fn output_in(
    directory: &Path,
    [out, error, combined]: [PathBuf; 3],
    (rotate_bytes, rotate_count): (u64, u32),
) -> Result<Output, Failure> {
    file::make_directory(directory, LOGS_MODE)
        .map_err(|error| file::failure("make the directory", directory, &error))?;
    let free_bytes_min = log_free_bytes_min(directory);
    Ok(Output { out, error, combined, rotate_bytes, rotate_count, free_bytes_min })
}

pub(super) fn limits(limits: &model::service::Limits) -> Limits {
    Limits { memory_bytes: limits.memory_bytes, processes: limits.processes, files: limits.files }
}

pub(in crate::runtime) fn refuse_taken_port(instance: &Instance) -> Result<(), Failure> {
    let Some(port) = instance.port else { return Ok(()) };
    let Some(owner) = port_taken(port) else { return Ok(()) };
    let message = format!("start {}: port {port} is taken by {owner}", instance.id);
    Err(Failure::new(Blame::Platform, message)
        .hint("deploy again: another port is chosen; or end that process")
        .evidence(format!("{owner} listens on port {port}")))
}

fn log_free_bytes_min(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(LOG_FREE_BYTES_MIN, |space| {
        let whole = space.f_blocks.saturating_mul(space.f_frsize);
        LOG_FREE_BYTES_MIN.min(whole / LOG_FREE_PART)
    })
}

/// 128 random bits, in hexadecimal.
pub(super) fn new_token() -> Result<String, Failure> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; 16];
    fs::File::open(SOURCE)
        .and_then(|mut it| it.read_exact(&mut bytes))
        .map_err(|error| file::failure("read", Path::new(SOURCE), &error))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
