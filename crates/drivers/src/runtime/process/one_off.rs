//! One-off processes: each under a `supervise` of its own, in a place of their own, so that nothing
//! that looks after instances ever meets one.

use super::{
    ProcessRuntime,
    begin::{self, limits, new_token},
    finish::refused,
    placeholders_filled, service_of,
    sight::{ANSWER_WAIT, Sight, is_alive},
    variables,
};
use crate::{account, blocking::blocking, file, layout::Layout};
use async_trait::async_trait;
use engine::port::one_off::{OneOffRunner, Seen};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    instance::{Instance, Slot},
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    redact::secret_names,
    release::Release,
};
use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};
use supervise::{
    client::{self, ClientError},
    message::{Answer, Ask, Exit, Status},
    spec::{InstanceSpec, Output, Restart, User},
};

/// An output file above this is rotated; what was rotated is still read to its end.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rotated output files that are kept.
const LOGS_KEPT: u32 = 2;

/// Runs one-off processes under `ROOT/one-off/run/`.
#[derive(Clone, Debug)]
pub struct OneOffProcesses {
    /// Where releases and logs lie.
    layout: Layout,
    /// Knows the processes, as it knows instances elsewhere.
    runtime: ProcessRuntime,
}

impl OneOffProcesses {
    /// Under the state directory; `program` is executed as `PROGRAM supervise …`.
    pub fn new(layout: Layout, program: PathBuf) -> OneOffProcesses {
        let runtime = ProcessRuntime::new(layout.one_off(), program);
        OneOffProcesses { layout, runtime }
    }

    /// Under the state directory; starts nothing.
    pub fn onlooker(layout: Layout) -> OneOffProcesses {
        let runtime = ProcessRuntime::onlooker(layout.one_off());
        OneOffProcesses { layout, runtime }
    }

    /// One that runs in a release, whose content must stay.
    pub(crate) fn running_in(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<Option<InstanceId>, Failure> {
        let all = self.list_now()?.into_iter();
        let mut there = all.filter(|it| {
            let one_off = &it.one_off;
            let is_there = one_off.environment == *environment && one_off.version == version;
            is_there && !matches!(it.life, Life::Ended(_))
        });
        Ok(there.next().map(|it| it.one_off.id))
    }

    /// Ends what is left of one that ended: nothing that it started lives on.
    pub(super) fn clear_now(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
        self.runtime.end_now(id, epoch).map(drop)
    }

    /// Where releases and logs lie.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// With these variables besides those of its service.
    pub(super) fn begin_now(
        &self,
        one_off: &OneOff,
        release: &Release,
        epoch: Epoch,
        more: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        if self.look_now(&one_off.id)?.is_some_and(|it| it.life != Life::Begun) {
            return Ok(());
        }
        let mut spec = self.spec(one_off, release)?;
        spec.environment.extend(more.clone());
        self.begin_as(one_off, &spec, epoch)
    }

    /// Begins one that does not run, and never ran.
    pub(super) fn begin_as(
        &self,
        one_off: &OneOff,
        spec: &InstanceSpec,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let id = &one_off.id;
        // Of a beginning that was cut short nothing may be beside the new one.
        self.runtime.end_now(id, epoch)?;
        let place = self.runtime.layout();
        let path = place.one_off_record(id);
        let record = serde_json::to_vec(one_off).map_err(std::io::Error::from);
        file::make_directory(&place.instances(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| file::make_directory(&place.instance(id), file::MODE_PRIVATE_DIRECTORY))
            .and_then(|()| file::write(&path, &record?, file::MODE_PRIVATE))
            .and_then(|()| client::write_spec(place.root(), spec))
            .map_err(|error| file::failure("write", &path, &error))?;
        self.runtime.spawn(id, false)?;
        let has_begun = |it: &Status| it.child.is_some() || it.exit.is_some();
        self.runtime.until_answered(id, has_begun).map(drop)
    }

    fn spec(&self, one_off: &OneOff, release: &Release) -> Result<InstanceSpec, Failure> {
        let instance = as_instance(one_off);
        let service = service_of(&instance, release)?;
        let directory = self.layout.release(&one_off.environment, &one_off.version);
        let directory = fs::canonicalize(&directory)
            .map_err(|error| file::failure("start in", &directory, &error))?;
        let user = service.user.as_deref().map(account::account).transpose()?;
        Ok(InstanceSpec {
            format: supervise::spec::FORMAT,
            instance: one_off.id.0.clone(),
            token: new_token()?,
            command: command(&self.layout, one_off, &instance, release),
            directory,
            environment: variables(&self.layout, &instance, release)?,
            user: user.map(|it| User { uid: it.uid, gid: it.gid }),
            limits: limits(&service.limits),
            stop_signal: service.stop_signal.number(),
            grace_ms: service.grace.0,
            notify: false,
            listen: None,
            time_limit_ms: one_off.time_limit_ms,
            restart: Restart::Never,
            output: self.output(one_off)?,
            redact: secret_names(&release.spec, service),
        })
    }

    pub(super) fn output(&self, one_off: &OneOff) -> Result<Output, Failure> {
        if one_off.scheduled {
            return begin::output(&self.layout, &one_off.environment);
        }
        let files = self.layout.one_off_logs(&one_off.environment, &one_off.id);
        let directory = self.layout.logs_directory(&one_off.environment).join("runs");
        begin::output_in(&directory, files, (LOG_BYTES_MAX, LOGS_KEPT))
    }

    pub(super) fn look_now(&self, id: &InstanceId) -> Result<Option<Seen>, Failure> {
        super::refuse_odd(id)?;
        let path = self.runtime.layout().one_off_record(id);
        let failed = |error| file::failure("read", &path, &error);
        let Some(bytes) = file::read(&path).map_err(failed)? else { return Ok(None) };
        let one_off: OneOff = serde_json::from_slice(&bytes).map_err(|it| failed(it.into()))?;
        if one_off.format != FORMAT || one_off.id != *id {
            let message = format!("use {}: it is of another version", path.display());
            return Err(Failure::new(Blame::Platform, message));
        }
        let (life, held) = self.life(id)?;
        Ok(Some(Seen { one_off, life, held }))
    }

    fn life(&self, id: &InstanceId) -> Result<(Life, bool), Failure> {
        let running = |status: &Status| {
            let child = status.child.as_ref().filter(|it| is_alive(it));
            child.map(|child| Life::Running { pid: child.pid })
        };
        let ended = |status: &Status| {
            let exit = status.exit.as_ref();
            Life::Ended(exit.map_or_else(Ended::default, |exit| ended(status, exit)))
        };
        Ok(match self.runtime.look(id)? {
            Sight::Absent => (Life::Begun, false),
            Sight::Supervised(status) => match (&status.child, &status.exit) {
                (Some(child), _) => (Life::Running { pid: child.pid }, true),
                (None, Some(_)) => (ended(&status), true),
                (None, None) => (Life::Begun, true),
            },
            Sight::Left(Some(status)) => match running(&status) {
                Some(life) => (life, true),
                // What it started may live on, until somebody has seen to it.
                None => (ended(&status), !status.gone),
            },
            Sight::Left(None) => {
                let before = client::read_status(self.runtime.layout().root(), &id.0);
                (before.map_or(Life::Begun, |status| ended(&status)), false)
            }
        })
    }

    fn list_now(&self) -> Result<Vec<Seen>, Failure> {
        let directory = self.runtime.layout().instances();
        let failed = |error| file::failure("read", &directory, &error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(failed)?,
        };
        let mut all = vec![];
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().filter(|it| !it.starts_with('.')) else { continue };
            all.extend(self.look_now(&InstanceId(name.to_owned()))?);
        }
        all.sort_by_key(|it| (it.one_off.begun_at_ms, it.one_off.id.clone()));
        Ok(all)
    }

    fn signal_now(&self, id: &InstanceId, signal: i32, epoch: Epoch) -> Result<(), Failure> {
        let ask = Ask::Signal { signal, epoch: epoch.0 };
        match client::ask(self.runtime.layout().root(), &id.0, &ask, ANSWER_WAIT) {
            Ok(Answer::Taken) | Err(ClientError::NotRunning) => Ok(()),
            answer => Err(refused("signal", id, &answer)),
        }
    }

    fn forget_now(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
        let seen = self.look_now(id)?;
        self.runtime.end_now(id, epoch)?;
        if let Some(seen) = &seen {
            for path in self.layout.one_off_logs(&seen.one_off.environment, id) {
                let beside = |suffix: String| format!("{}.{suffix}", path.display()).into();
                let rotated = (1..=LOGS_KEPT).map(|it| beside(it.to_string()));
                for path in [path.clone(), beside("lock".to_owned())].into_iter().chain(rotated) {
                    file::remove(&path).map_err(|it| file::failure("remove", &path, &it))?;
                }
            }
        }
        self.runtime.stop_now(id, epoch).map(drop)
    }
}

/// What is configured has placeholders; what is typed is taken as it is.
fn command(
    layout: &Layout,
    one_off: &OneOff,
    instance: &Instance,
    release: &Release,
) -> Vec<String> {
    let filled = |it: &String| placeholders_filled(layout, it, instance, release);
    if one_off.scheduled {
        one_off.command.iter().map(filled).collect()
    } else {
        one_off.command.clone()
    }
}

/// As an instance that has no traffic.
pub(super) fn as_instance(one_off: &OneOff) -> Instance {
    Instance {
        id: one_off.id.clone(),
        environment: one_off.environment.clone(),
        service: one_off.service.clone(),
        release: one_off.release.clone(),
        version: one_off.version.clone(),
        number: 0,
        slot: Slot::default(),
        port: None,
        socket: false,
    }
}

fn ended(status: &Status, exit: &Exit) -> Ended {
    Ended {
        code: exit.code,
        signal: exit.signal,
        out_of_memory: exit.out_of_memory,
        timed_out: status.timed_out,
        not_executed: exit.spawn_error.clone(),
        lines_dropped: status.lines_dropped,
        at_ms: exit.at_ms,
    }
}

#[async_trait]
impl OneOffRunner for OneOffProcesses {
    async fn begin(
        &self,
        one_off: &OneOff,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, one_off, release) = (self.clone(), one_off.clone(), release.clone());
        blocking(move || this.begin_now(&one_off, &release, epoch, &BTreeMap::new())).await
    }

    async fn look(&self, id: &InstanceId) -> Result<Option<Seen>, Failure> {
        let (this, id) = (self.clone(), id.clone());
        blocking(move || this.look_now(&id)).await
    }

    async fn list(&self) -> Result<Vec<Seen>, Failure> {
        let this = self.clone();
        blocking(move || this.list_now()).await
    }

    async fn signal(&self, id: &InstanceId, signal: i32, epoch: Epoch) -> Result<(), Failure> {
        let (this, id) = (self.clone(), id.clone());
        blocking(move || this.signal_now(&id, signal, epoch)).await
    }

    async fn stop(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
        let (this, id) = (self.clone(), id.clone());
        blocking(move || this.runtime.end_now(&id, epoch).map(drop)).await
    }

    async fn forget(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
        let (this, id) = (self.clone(), id.clone());
        blocking(move || this.forget_now(&id, epoch)).await
    }
}
