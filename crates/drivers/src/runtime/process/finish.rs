//! Ending an instance, and saying what its exit shall lead to.

use super::{
    ProcessRuntime,
    sight::{ANSWER_WAIT, Sight, is_alive},
    socket,
};
use crate::file;
use engine::port::runtime::Stopped;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    role::QuietSignal,
};
use std::{io::ErrorKind, thread, time::Duration};
use supervise::{
    client::{self, ClientError},
    message::{Answer, Ask},
    spec::Restart,
};

/// Beyond the grace: to kill what is left and to see it gone.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// Its `supervise` may die while it is asked.
const STOP_TRIES: u32 = 3;
/// A `supervise` that has answered may still write into the directory that is removed.
const REMOVE_TRIES: u32 = 50;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

impl ProcessRuntime {
    pub(in crate::runtime) fn stop_now(
        &self,
        instance: &InstanceId,
        epoch: Epoch,
    ) -> Result<Stopped, Failure> {
        let stopped = self.end_now(instance, epoch)?;
        socket::remove(self.layout(), instance)?;
        self.remove(instance)?;
        Ok(stopped)
    }

    /// Ends it and all its descendants; what was written of it stays.
    pub(super) fn end_now(&self, instance: &InstanceId, epoch: Epoch) -> Result<Stopped, Failure> {
        let mut killed = false;
        for _ in 0..STOP_TRIES {
            match self.look(instance)? {
                Sight::Absent => return Ok(Stopped { killed }),
                Sight::Left(status) => {
                    // None of an earlier boot lives; in this one, descendants may.
                    let is_gone = status.is_none_or(|it| it.gone);
                    if is_gone || self.spec(instance)?.is_none() {
                        return Ok(Stopped { killed });
                    }
                    self.adopt(instance)?;
                }
                Sight::Supervised(_) => {}
            }
            if let Some(was_killed) = self.ask_to_stop(instance, epoch)? {
                killed |= was_killed;
                return Ok(Stopped { killed });
            }
        }
        let message = format!("stop {instance}: its supervise process died {STOP_TRIES} times");
        Err(Failure::new(Blame::Platform, message).hint("see its supervise.log, then try again"))
    }

    /// Whether it had to be killed; none: nobody answered.
    fn ask_to_stop(&self, instance: &InstanceId, epoch: Epoch) -> Result<Option<bool>, Failure> {
        let grace_ms = self.spec(instance)?.map_or(0, |spec| spec.grace_ms);
        let timeout = Duration::from_millis(grace_ms) + STOP_MARGIN;
        let ask = Ask::Stop { epoch: epoch.0 };
        match client::ask(self.layout().root(), &instance.0, &ask, timeout) {
            Ok(Answer::Stopped { killed }) => Ok(Some(killed)),
            Err(ClientError::NotRunning) => Ok(None),
            answer => Err(refused("stop", instance, &answer)),
        }
    }

    fn remove(&self, instance: &InstanceId) -> Result<(), Failure> {
        let directory = self.layout().instance(instance);
        for left in (0..REMOVE_TRIES).rev() {
            match file::remove_tree(&directory) {
                Ok(()) => return Ok(()),
                Err(error) if left > 0 && error.kind() == ErrorKind::DirectoryNotEmpty => {
                    thread::sleep(REMOVE_PAUSE);
                }
                Err(error) => return Err(file::failure("remove", &directory, &error)),
            }
        }
        Ok(())
    }

    pub(in crate::runtime) fn keep_now(
        &self,
        instance: &InstanceId,
        keep: bool,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        if let Sight::Left(Some(status)) = self.look(instance)?
            && (keep || status.child.as_ref().is_some_and(is_alive))
        {
            self.adopt(instance)?;
        }
        let restart = if keep { Restart::Always } else { Restart::Never };
        let ask = Ask::Restart { restart, epoch: epoch.0 };
        match client::ask(self.layout().root(), &instance.0, &ask, ANSWER_WAIT) {
            Ok(Answer::Taken) => Ok(()),
            // What does not run is not restarted either.
            Err(ClientError::NotRunning) if !keep => Ok(()),
            answer => Err(refused("keep", instance, &answer)),
        }
    }
}

impl ProcessRuntime {
    pub(in crate::runtime) fn quiet_now(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        // First, or one that ends when it has nothing left to do would be started again.
        self.keep_now(instance, false, epoch)?;
        let ask = Ask::Tell { signal: signal.number(), epoch: epoch.0 };
        match client::ask(self.layout().root(), &instance.0, &ask, ANSWER_WAIT) {
            Ok(Answer::Taken) | Err(ClientError::NotRunning) => Ok(()),
            answer => Err(refused("quiet", instance, &answer)),
        }
    }
}

pub(super) fn refused(
    verb: &str,
    instance: &InstanceId,
    answer: &Result<Answer, ClientError>,
) -> Failure {
    let what = match answer {
        Err(error) => error.to_string(),
        Ok(Answer::Refused { message }) => message.clone(),
        Ok(other) => format!("its supervise process answered something else: {other:?}"),
    };
    Failure::new(Blame::Platform, format!("{verb} {instance}: {what}"))
}
