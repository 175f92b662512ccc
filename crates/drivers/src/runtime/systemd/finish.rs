//! Ending an instance in systemd, and saying what its exit shall lead to.

use super::{SystemdRuntime, record::Record, sight::STOPPING, unit};
use crate::{
    file,
    runtime::orders,
    units::{Shown, systemctl_within},
};
use engine::port::runtime::Stopped;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    role::QuietSignal,
};
use std::{
    fs, thread,
    time::{Duration, Instant},
};
use supervise::{becoming::KEPT, kin};

/// Beyond its grace: systemd kills what is left, and is told how it ended.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// For what is to be done at once.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// To see that what was killed is gone.
const KILLED_WAIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const KILL: i32 = 9;

impl SystemdRuntime {
    pub(in crate::runtime) fn stop_now(
        &self,
        instance: &InstanceId,
        epoch: Epoch,
    ) -> Result<Stopped, Failure> {
        super::refuse_odd(instance)?;
        let directory = self.layout().instance(instance);
        let mut stopped = Stopped { killed: false };
        if !directory.exists() {
            return Ok(stopped);
        }
        orders::admit(self.layout(), instance, epoch)?;
        let spec = self.process.spec(instance)?;
        if let Some(record) = Record::read(self.layout(), instance)? {
            self.close_gate(instance)?;
            let grace_ms = spec.as_ref().map_or(0, |it| it.grace_ms);
            stopped.killed = self.end(&record.unit, Duration::from_millis(grace_ms))?;
        }
        if let Some(spec) = &spec {
            end_rest(instance, &spec.token)?;
        }
        // What it wrote last is taken over while it is known whose it is.
        if let Err(failure) = self.take_last_lines() {
            let why = failure.message;
            tracing::warn!(%instance, "its last lines stay in the journal: failed to {why}");
        }
        file::remove_tree(&directory).map_err(|it| file::failure("remove", &directory, &it))?;
        Ok(stopped)
    }

    /// From here on systemd starts it in vain.
    fn close_gate(&self, instance: &InstanceId) -> Result<(), Failure> {
        let directory = self.layout().instance(instance);
        let marker = directory.join(STOPPING);
        file::write(&marker, b"", file::MODE_PRIVATE)
            .and_then(|()| file::remove(&directory.join(KEPT)))
            .map_err(|error| file::failure("write", &marker, &error))
    }

    /// Ends the unit, if it is ours, and removes it; whether it had to be killed.
    fn end(&self, name: &str, grace: Duration) -> Result<bool, Failure> {
        let path = unit::path(name);
        let ours = fs::read_to_string(&path)
            .is_ok_and(|it| it.starts_with(&unit::mark(self.layout().root())));
        // After a boot there is none of it.
        if !ours {
            return Ok(false);
        }
        let asks = |words: &[&str], wait| systemctl_within(words, wait).map(drop);
        let mut killed = false;
        if Shown::of(name, &["LoadState"])?.get("LoadState") != "not-found" {
            asks(&["stop", "--", name], grace + STOP_MARGIN)?;
            killed = Shown::of(name, &["Result"])?.get("Result") == "timeout";
            // It fails where the unit is not one that failed.
            let _ = asks(&["reset-failed", "--", name], ANSWER_WAIT);
        }
        file::remove(&path).map_err(|error| file::failure("remove", &path, &error))?;
        asks(&["daemon-reload"], ANSWER_WAIT)?;
        Ok(killed)
    }

    pub(in crate::runtime) fn keep_now(
        &self,
        instance: &InstanceId,
        keep: bool,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let record = Record::read(self.layout(), instance)?;
        let (Some(record), Some(spec)) = (record, self.process.spec(instance)?) else {
            let message = format!("keep {instance}: systemd was never told of it");
            return if keep { Err(Failure::new(Blame::Platform, message)) } else { Ok(()) };
        };
        orders::admit(self.layout(), instance, epoch)?;
        let marker = self.layout().instance(instance).join(KEPT);
        let written = if keep {
            file::write(&marker, b"", file::MODE_PRIVATE)
        } else {
            file::remove(&marker)
        };
        written.map_err(|error| file::failure("write", &marker, &error))?;
        if !keep || self.main_process(&spec).is_some() {
            return Ok(());
        }
        start_what_ended(instance, &record.unit)
    }

    pub(in crate::runtime) fn quiet_now(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        // First, or one that ends when it has nothing left to do would be started again.
        self.keep_now(instance, false, epoch)?;
        let spec = self.process.spec(instance)?;
        if let Some(process) = spec.and_then(|it| self.main_process(&it)) {
            process.send(signal.number());
        }
        Ok(())
    }
}

/// systemd starts by itself what exits; what ended at the gate, or it gave up, it is told to.
fn start_what_ended(instance: &InstanceId, unit: &str) -> Result<(), Failure> {
    let shown = Shown::of(unit, &["LoadState", "ActiveState"])?;
    match (shown.get("LoadState"), shown.get("ActiveState")) {
        ("loaded", "failed" | "inactive") => {
            systemctl_within(&["start", "--no-block", "--", unit], ANSWER_WAIT).map(drop)
        }
        ("loaded", _) => Ok(()),
        (state, _) => {
            let message = format!("keep {instance}: systemd says of {unit}: {state}");
            Err(Failure::new(Blame::Platform, message))
        }
    }
}

/// What left the unit's group, as only root can.
fn end_rest(instance: &InstanceId, token: &str) -> Result<(), Failure> {
    let give_up_at = Instant::now() + KILLED_WAIT;
    loop {
        let left = kin::of_token(token);
        if left.is_empty() {
            return Ok(());
        }
        for one in &left {
            one.send(KILL);
        }
        if Instant::now() >= give_up_at {
            let pids: Vec<String> = left.iter().map(|it| it.pid().to_string()).collect();
            let message = format!("stop {instance}: it does not end (pid {})", pids.join(", "));
            return Err(Failure::new(Blame::Platform, message));
        }
        thread::sleep(LOOK_EVERY);
    }
}
