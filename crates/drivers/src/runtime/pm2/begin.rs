//! From a release to processes in PM2.

use super::{Pm2Runtime, ecosystem, home, listed::Listed, record::Record, sight::STOPPING};
use crate::{
    file, host,
    runtime::{
        orders,
        process::{refuse_taken_port, service_of},
    },
};
use engine::port::runtime::Life;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    instance::Instance,
    pm2::{Mode, Pm2Spec, RuntimeSpec},
    release::Release,
    service::{Millis, ServiceSpec},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use supervise::{becoming::NOT_EXECUTED, client, spec::InstanceSpec};

/// For PM2's program, its daemon's start included, beyond what it waits for the service.
const START_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Loaded by Node before the program, in fork mode.
const READY_SCRIPT: &str = include_str!("ready.cjs");
/// Loaded by PM2 instead of the program, in cluster mode.
const WORKER_SCRIPT: &str = include_str!("worker.cjs");

impl Pm2Runtime {
    pub(in crate::runtime) fn start_now(
        &self,
        instance: &Instance,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let id = &instance.id;
        if matches!(self.observe_now(id)?, Life::Running(_))
            && !self.layout().instance(id).join(STOPPING).exists()
        {
            return Ok(());
        }
        // What is left of an earlier run, descendants included, must not be beside the new one.
        self.stop_now(id, epoch)?;
        refuse_taken_port(instance)?;
        let service = service_of(instance, release)?;
        let RuntimeSpec::Pm2(told) = &service.runtime else {
            return Err(Failure::new(Blame::Us, format!("start {id}: PM2 does not run it")));
        };
        let spec = self.told(instance, release, service, told)?;
        let mut record = Record::new(self.layout(), id, told);
        make_unique(&mut record, &spec);
        self.write(id, &spec, &record, epoch, service.start_timeout)?;
        self.order(id, &spec, &record, service.start_timeout)
    }

    fn told(
        &self,
        instance: &Instance,
        release: &Release,
        service: &ServiceSpec,
        told: &Pm2Spec,
    ) -> Result<InstanceSpec, Failure> {
        let mut spec = self.process.new_spec(instance, release)?;
        spec.notify = told.wait_ready;
        if told.wait_ready && told.mode == Mode::Fork && program_is_node(service) {
            let script = self.script("ready.cjs", READY_SCRIPT)?;
            let loaded = ["--require".to_owned(), script.to_string_lossy().into_owned()];
            spec.command.splice(1..1, loaded);
        }
        Ok(spec)
    }

    /// Something of ours that Node loads, where every user can read it.
    fn script(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let directory = self.layout().pm2_scripts();
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|it| it == text.as_bytes()) {
            return Ok(path);
        }
        file::make_directory(&directory, file::MODE_PUBLIC_DIRECTORY)
            .and_then(|()| file::write(&path, text.as_bytes(), file::MODE_PUBLIC))
            .map_err(|error| file::failure("write", &path, &error))?;
        Ok(path)
    }

    /// All that is known of it is on disk before PM2 hears of it.
    fn write(
        &self,
        id: &InstanceId,
        spec: &InstanceSpec,
        record: &Record,
        epoch: Epoch,
        start_timeout: Millis,
    ) -> Result<(), Failure> {
        let logs = record.out.parent().unwrap_or(Path::new("/"));
        file::make_directory(logs, file::MODE_PRIVATE_DIRECTORY)
            .map_err(|error| file::failure("make the directory", logs, &error))?;
        record.home.prepare()?;
        let directory = self.layout().instance(id);
        file::make_directory(&self.layout().instances(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY))
            .map_err(|error| file::failure("make the directory", &directory, &error))?;
        record.write(self.layout(), id)?;
        self.admit(id, epoch)?;
        client::write_spec(self.layout().root(), spec)
            .map_err(|error| file::failure("write", &self.layout().instance_spec(id), &error))?;
        let program = self.own_program(id)?;
        let worker = match record.spec.mode {
            Mode::Cluster => Some(self.script("worker.cjs", WORKER_SCRIPT)?),
            Mode::Fork => None,
        };
        let (root, timeout_ms) = (self.layout().root(), start_timeout.0.max(1));
        let text = ecosystem::file(record, spec, &program, worker.as_deref(), root, timeout_ms);
        let path = ecosystem_path(&directory);
        serde_json::to_vec_pretty(&text)
            .map_err(Into::into)
            .and_then(|it| file::write(&path, &it, file::MODE_PRIVATE))
            .map_err(|error| file::failure("write", &path, &error))
    }

    fn own_program(&self, id: &InstanceId) -> Result<PathBuf, Failure> {
        self.process.program().cloned().ok_or_else(|| {
            Failure::new(Blame::Us, format!("start {id}: it may only be looked at here"))
        })
    }

    /// Has PM2 start it, and waits until its own program runs, or is known not to.
    fn order(
        &self,
        id: &InstanceId,
        spec: &InstanceSpec,
        record: &Record,
        start_timeout: Millis,
    ) -> Result<(), Failure> {
        let directory = self.layout().instance(id);
        let patience =
            if record.spec.wait_ready { start_timeout.duration() } else { Duration::ZERO };
        let limit = START_WAIT + patience;
        let command =
            record.home.command(limit).argument("start").argument(ecosystem_path(&directory));
        // It waits until the service is ready, where PM2 does: that is asked elsewhere.
        let (sender, ended) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let read = |output: &mut dyn std::io::Read| {
                let mut text = vec![];
                // What it says is only shown where it failed.
                let _ = output.read_to_end(&mut text);
                Ok(text)
            };
            // Nobody listens any more where the instance runs already.
            let _ = sender.send(host::stream(&command, read));
        });
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(why) = fs::read_to_string(directory.join(NOT_EXECUTED)) {
                return Err(orders::unexecuted(id, spec, &why));
            }
            let listed = self.listed(id);
            if listed.len() >= record.workers() && listed.iter().all(has_begun) {
                return Ok(());
            }
            if let Ok(result) = ended.try_recv() {
                let (text, mut finished) = result?;
                finished.stdout = text;
                if !finished.success && self.listed(id).is_empty() {
                    let doing = format!("start {id} in PM2 ({})", record.home.path.display());
                    return Err(finished.failure(Blame::Platform, &doing));
                }
            }
            if Instant::now() >= deadline {
                let why = super::wire::Unanswered::Silent("it was not started in time".to_owned());
                return Err(home::unanswered(&format!("start {id}"), &record.home, &why));
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// PM2's program takes a name that is listed for an order to start that one again, whosever it is.
fn make_unique(record: &mut Record, spec: &InstanceSpec) {
    const LETTERS: usize = 6;
    let list = record.home.list().unwrap_or_default();
    if super::listed::all(&list).iter().any(|it| it.name == record.name) {
        let of_token: String = spec.token.chars().take(LETTERS).collect();
        record.name = format!("{}-{of_token}", record.name);
    }
}

/// It has become its own program, or has ended already: that is a verdict for others.
fn has_begun(one: &Listed) -> bool {
    if !one.runs() {
        return !one.waits();
    }
    let arguments = fs::read(format!("/proc/{}/cmdline", one.pid)).unwrap_or_default();
    !arguments.is_empty() && !arguments.split(|it| *it == 0).any(|it| it == b"--become")
}

fn program_is_node(service: &ServiceSpec) -> bool {
    let program = service.command.first().map(String::as_str).unwrap_or_default();
    program.rsplit('/').next() == Some("node")
}

fn ecosystem_path(directory: &Path) -> PathBuf {
    directory.join("ecosystem.json")
}
