//! From a release to a unit that runs.

use super::{
    SystemdRuntime,
    record::{FORMAT, Record},
    sight::{STOPPING, beginning},
    unit,
};
use crate::{
    file,
    runtime::{
        orders,
        process::{refuse_taken_port, service_of},
    },
    units::{self, Shown},
};
use engine::port::runtime::Life;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    instance::Instance,
    pm2::RuntimeSpec,
    release::Release,
    systemd::SystemdSpec,
};
use std::{
    fs, thread,
    time::{Duration, Instant},
};
use supervise::{
    becoming::{ENDED, NOT_EXECUTED, TOLD},
    client,
    spec::InstanceSpec,
};

/// For systemd to have executed it.
const START_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Holds the token, which is nobody else's business, and nothing else.
const ENVIRONMENT: &str = "systemd.env";

impl SystemdRuntime {
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
        let RuntimeSpec::Systemd(told) = &service.runtime else {
            return Err(Failure::new(Blame::Us, format!("start {id}: systemd does not run it")));
        };
        let spec = self.process.new_spec(instance, release)?;
        let unit = unit::name(id);
        self.refuse_foreign(id, &unit)?;
        self.write(id, &spec, told, &unit, epoch)?;
        let directory = self.layout().instance(id);
        let program = self.process.program().ok_or_else(|| {
            Failure::new(Blame::Us, format!("start {id}: it may only be looked at here"))
        })?;
        let text = unit::text(&unit::Parts {
            root: self.layout().root(),
            program,
            environment_file: &directory.join(ENVIRONMENT),
            spec: &spec,
            service,
            told,
        })?;
        let path = unit::path(&unit);
        file::write(&path, text.as_bytes(), file::MODE_PUBLIC)
            .map_err(|error| file::failure("write", &path, &error))?;
        units::systemctl(&["daemon-reload"])?;
        self.refuse_unread(id, &unit)?;
        units::systemctl(&["start", "--no-block", "--", &unit])?;
        self.until_begun(id, &spec, &unit)
    }

    /// Whose name ours would take.
    fn refuse_foreign(&self, id: &InstanceId, unit: &str) -> Result<(), Failure> {
        let shown = Shown::of(unit, &["LoadState", "FragmentPath"])?;
        let path = unit::path(unit);
        let is_there = match fs::read_to_string(&path) {
            Ok(text) => !text.starts_with(&unit::mark(self.layout().root())),
            Err(_) => {
                shown.get("LoadState") != "not-found" && !shown.get("FragmentPath").is_empty()
            }
        };
        if !is_there {
            return Ok(());
        }
        let message = format!("start {id}: there is a unit {unit} already, and it is not ours");
        Err(Failure::new(Blame::Platform, message).hint(format!("see `systemctl cat {unit}`")))
    }

    /// systemd passes over a line that it does not understand, and starts what is left.
    fn refuse_unread(&self, id: &InstanceId, unit: &str) -> Result<(), Failure> {
        let state = Shown::of(unit, &["LoadState", "LoadError"])?;
        if state.get("LoadState") == "loaded" {
            return Ok(());
        }
        let why = state.get("LoadError");
        let message = format!("start {id}: systemd does not take its unit: {why}");
        Err(Failure::new(Blame::Release, message)
            .hint("see `systemd: { properties }` of the service"))
    }

    /// All that is known of it is on disk before systemd hears of it.
    fn write(
        &self,
        id: &InstanceId,
        spec: &InstanceSpec,
        told: &SystemdSpec,
        unit: &str,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let directory = self.layout().instance(id);
        file::make_directory(&self.layout().instances(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY))
            .map_err(|error| file::failure("make the directory", &directory, &error))?;
        let record = Record {
            format: FORMAT,
            unit: unit.to_owned(),
            started_at_ms: crate::clock::unix_ms(),
            watchdog_ms: told.watchdog_ms,
        };
        record.write(self.layout(), id)?;
        orders::admit(self.layout(), id, epoch)?;
        let path = directory.join(ENVIRONMENT);
        let text = format!("CUTOVER_TOKEN={}\n{TOLD}=1\n", spec.token);
        file::write(&path, text.as_bytes(), file::MODE_PRIVATE)
            .map_err(|error| file::failure("write", &path, &error))?;
        client::write_spec(self.layout().root(), spec)
            .map_err(|error| file::failure("write", &self.layout().instance_spec(id), &error))
    }

    /// It has become its own program, or has ended already: that is a verdict for others.
    fn until_begun(&self, id: &InstanceId, spec: &InstanceSpec, unit: &str) -> Result<(), Failure> {
        let directory = self.layout().instance(id);
        let deadline = Instant::now() + START_WAIT;
        loop {
            if let Ok(why) = fs::read_to_string(directory.join(NOT_EXECUTED)) {
                return Err(orders::unexecuted(id, spec, &why));
            }
            let runs = beginning(spec).is_none() && self.main_process(spec).is_some();
            if runs || directory.join(ENDED).exists() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let seconds = START_WAIT.as_secs();
                let shown = Shown::of(unit, &["ActiveState", "SubState", "Result"])?;
                let message = format!(
                    "start {id}: systemd has not executed it within {seconds} s: {} ({}), {}",
                    shown.get("ActiveState"),
                    shown.get("SubState"),
                    shown.get("Result")
                );
                return Err(Failure::new(Blame::Platform, message)
                    .hint(format!("see `journalctl -u {unit}`")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}
