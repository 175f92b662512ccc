//! Ending an instance in PM2, and saying what its exit shall lead to.

use super::{
    Pm2Runtime,
    home::{self, Home, unanswered},
    listed::{self, Listed},
    record::Record,
    sight::{Known, STOPPING},
    wire::{Unanswered, Wire},
};
use crate::{file, runtime::orders};
use engine::port::runtime::Stopped;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    role::QuietSignal,
};
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};
use supervise::{
    becoming::KEPT,
    kin::{self, Kin},
    spec::InstanceSpec,
};

/// For PM2 to forget what has ended: it looks for a process that is gone already.
const DELETE_WAIT: Duration = Duration::from_secs(20);
/// A start that was ordered before may come late; it ends at once, and is deleted as well.
const DELETE_TRIES: u32 = 5;
/// For descendants, once the process itself has ended.
const DESCENDANTS_WAIT: Duration = Duration::from_secs(1);
/// To see that what was killed is gone.
const KILLED_WAIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const KILL: i32 = 9;

impl Pm2Runtime {
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
        self.admit(instance, epoch)?;
        let record = Record::read(self.layout(), instance)?;
        if let (Some(record), Some(spec)) = (record, self.process.spec(instance)?) {
            self.close_gate(instance)?;
            // Before anything is ended: what PM2 does not answer for, nobody knows.
            let answered = record.home.list().map(drop);
            let runs = match answered {
                Ok(()) => true,
                Err(Unanswered::NotRunning) => false,
                Err(why) => {
                    return Err(unanswered(&format!("stop {instance}"), &record.home, &why));
                }
            };
            stopped.killed = end(instance, &spec)?;
            if runs {
                delete(instance, &spec, &record.home)?;
            }
        }
        // What it wrote last is taken over while it is known whose it is.
        if let Err(failure) = self.pump_one(instance) {
            let why = failure.message;
            tracing::warn!(%instance, "its last lines stay with PM2: failed to {why}");
        }
        let record = Record::read(self.layout(), instance)?;
        file::remove_tree(&directory).map_err(|it| file::failure("remove", &directory, &it))?;
        if let Some(record) = record {
            self.save(&record.home);
            self.remove_old_files(&record);
        }
        Ok(stopped)
    }

    /// From here on PM2 starts it in vain.
    fn close_gate(&self, instance: &InstanceId) -> Result<(), Failure> {
        let directory = self.layout().instance(instance);
        let marker = directory.join(STOPPING);
        file::write(&marker, b"", file::MODE_PRIVATE)
            .and_then(|()| file::remove(&directory.join(KEPT)))
            .map_err(|error| file::failure("write", &marker, &error))
    }

    pub(in crate::runtime) fn keep_now(
        &self,
        instance: &InstanceId,
        keep: bool,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let Some(known) = self.look(instance)? else {
            let message = format!("keep {instance}: PM2 was never told of it");
            return if keep { Err(Failure::new(Blame::Platform, message)) } else { Ok(()) };
        };
        self.admit(instance, epoch)?;
        let marker = self.layout().instance(instance).join(KEPT);
        let written = if keep {
            file::write(&marker, b"", file::MODE_PRIVATE)
        } else {
            file::remove(&marker)
        };
        written.map_err(|error| file::failure("write", &marker, &error))?;
        if !keep {
            return Ok(());
        }
        start_what_ended(instance, &known)?;
        self.save(&known.record.home);
        Ok(())
    }

    pub(in crate::runtime) fn quiet_now(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        // First, or one that ends when it has nothing left to do would be started again.
        self.keep_now(instance, false, epoch)?;
        if let Some(spec) = self.process.spec(instance)? {
            tell(&kin::of_token(&spec.token), signal.number());
        }
        Ok(())
    }

    /// Refuses the orders of a controller that was replaced.
    pub(super) fn admit(&self, instance: &InstanceId, epoch: Epoch) -> Result<(), Failure> {
        orders::admit(self.layout(), instance, epoch)
    }
}

/// PM2 starts by itself what exits; what somebody stopped there, or it gave up, it is told to.
fn start_what_ended(instance: &InstanceId, known: &Known) -> Result<(), Failure> {
    let doing = || format!("keep {instance}");
    let lives = || kin::of_token(&known.spec.token).iter().any(|it| it.holder);
    let listed = match &known.listed {
        Ok(listed) if !listed.is_empty() => listed,
        _ if lives() => return Ok(()),
        Ok(_) => {
            let why = Unanswered::Silent("it does not list it any more".to_owned());
            return Err(unanswered(&doing(), &known.record.home, &why));
        }
        Err(why) => return Err(unanswered(&doing(), &known.record.home, why)),
    };
    if listed.iter().all(|it| it.runs() || it.waits()) {
        return Ok(());
    }
    let failed = |why: Unanswered| unanswered(&doing(), &known.record.home, &why);
    let mut wire = Wire::open(&known.record.home.path, DELETE_WAIT).map_err(failed)?;
    for one in ours(&mut wire, instance, &known.spec).map_err(failed)? {
        if !one.runs() && !one.waits() {
            wire.call("startProcessId", &json!(one.pm_id)).map_err(failed)?;
        }
    }
    Ok(())
}

fn ours(
    wire: &mut Wire,
    instance: &InstanceId,
    spec: &InstanceSpec,
) -> Result<Vec<Listed>, Unanswered> {
    let mut all = listed::all(&home::list(wire)?);
    all.retain(|it| it.is_of(instance, &spec.token));
    Ok(all)
}

/// Asks it to end, waits its grace, and ends all its descendants; whether it had to be killed.
fn end(instance: &InstanceId, spec: &InstanceSpec) -> Result<bool, Failure> {
    tell(&kin::of_token(&spec.token), spec.stop_signal);
    let mut killed = false;
    let mut kill_at = Instant::now() + Duration::from_millis(spec.grace_ms);
    let mut give_up_at = kill_at + KILLED_WAIT;
    let mut alone = false;
    loop {
        let left = kin::of_token(&spec.token);
        if left.is_empty() {
            return Ok(killed);
        }
        let now = Instant::now();
        if !alone && eldest(&left).is_empty() {
            alone = true;
            tell(&left, spec.stop_signal);
            kill_at = kill_at.min(now + DESCENDANTS_WAIT);
            give_up_at = kill_at + KILLED_WAIT;
        }
        if now >= kill_at {
            killed |= !alone;
            for one in &left {
                one.send(KILL);
            }
        }
        if now >= give_up_at {
            let pids: Vec<String> = left.iter().map(|it| it.pid().to_string()).collect();
            let message = format!("stop {instance}: it does not end (pid {})", pids.join(", "));
            return Err(Failure::new(Blame::Platform, message));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Has PM2 forget it: by the numbers of one life of its daemon, and only where the token is ours.
fn delete(instance: &InstanceId, spec: &InstanceSpec, home: &Home) -> Result<(), Failure> {
    let failed = |why: Unanswered| unanswered(&format!("stop {instance}"), home, &why);
    for _ in 0..DELETE_TRIES {
        let mut wire = match Wire::open(&home.path, DELETE_WAIT) {
            Err(Unanswered::NotRunning) => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        let all = ours(&mut wire, instance, spec).map_err(failed)?;
        if all.is_empty() {
            return Ok(());
        }
        for one in all {
            match wire.call("deleteProcessId", &json!(one.pm_id)) {
                // It is gone: somebody else was faster.
                Ok(_) | Err(Unanswered::Refused(_)) => {}
                Err(why) => return Err(failed(why)),
            }
        }
    }
    let why = Unanswered::Silent("it lists it again and again".to_owned());
    Err(failed(why))
}

/// Tells those that nobody else of them started; they tell their own.
fn tell(all: &[Kin], signal: i32) {
    for one in eldest(all) {
        one.send(signal);
    }
}

fn eldest(all: &[Kin]) -> Vec<&Kin> {
    let is_child = |it: &Kin| all.iter().any(|other| other.pid() == it.parent());
    all.iter().filter(|it| it.holder && !is_child(it)).collect()
}
