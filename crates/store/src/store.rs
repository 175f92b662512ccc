//! The journal as the daemon holds it.

use crate::{
    event::{self, Told},
    mask::Mask,
    queue::Queue,
    table::mark,
    trouble::Trouble,
    writer::Writer,
};
use model::{
    control::{Mark, Said},
    failure::{Blame, Failure},
    id::{DeploymentId, Epoch},
    name::EnvironmentId,
    redact::Redactor,
};
use rusqlite::{Connection, Transaction};
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The journal of one life of the controller; the only one that writes.
///
/// Dropping it waits for the writes that are under way and frees the lock.
#[derive(Debug)]
pub struct Store {
    epoch: Epoch,
    queue: Queue,
    spent: Arc<AtomicBool>,
    broken: Arc<OnceLock<Failure>>,
    mask: Mask,
}

impl Store {
    pub(crate) fn start(writer: Writer) -> io::Result<Store> {
        let (epoch, spent) = (writer.epoch(), writer.reserve().spent());
        let broken = writer.broken();
        let queue = Queue::start(writer)?;
        Ok(Store { epoch, queue, spent, broken, mask: Mask::default() })
    }

    /// From now on what failures saw is freed of secrets before it is written.
    #[must_use]
    pub fn masked_by(
        mut self,
        redactor: impl Fn() -> Arc<Redactor> + Send + Sync + 'static,
    ) -> Store {
        self.mask = Mask::by(redactor);
        self
    }

    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// This life of the controller.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether there is no reserve for a full disk: the journal took it, or it was never made.
    pub fn reserve_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    /// Why nothing more is written, if so: a write failed.
    pub fn broken(&self) -> Option<Failure> {
        self.broken.get().cloned()
    }

    /// Makes the reserve again if there is space; returns whether it is there.
    ///
    /// # Errors
    ///
    /// Where the disk does not take it for another reason than being full.
    pub async fn top_up(&self) -> Result<bool, Failure> {
        let doing = |error| format!("reserve space for the journal: {error}");
        let top_up = move |writer: &mut Writer| {
            writer.reserve().top_up().map_err(|it| Failure::new(Blame::Platform, doing(it)))
        };
        self.queue.call(top_up).await
    }

    /// All news of a deployment after this sequence number, in order.
    ///
    /// # Errors
    ///
    /// Where there is no such deployment, or the journal cannot be read.
    pub async fn events_after(
        &self,
        deployment: &DeploymentId,
        sequence: u64,
    ) -> Result<Vec<Told>, Failure> {
        let deployment = deployment.clone();
        self.read(move |it| event::after(it, &deployment, sequence)).await
    }

    /// All environments that the journal knows, by name.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub async fn environments(&self) -> Result<Vec<EnvironmentId>, Failure> {
        self.read(crate::table::deployment::environments).await
    }

    /// Says something of an environment by hand, or takes it back: what held before.
    ///
    /// # Errors
    ///
    /// Where it holds already, or does not, or the journal cannot be written.
    pub async fn mark(
        &self,
        environment: &EnvironmentId,
        said: Said,
        holds: bool,
        mark: &Mark,
    ) -> Result<Option<Mark>, Failure> {
        let (environment, mark) = (environment.clone(), mark.clone());
        self.write(move |it| match holds {
            true => mark::set(it, &environment, said, &mark).map(|()| None),
            false => mark::lift(it, &environment, said, &mark).map(Some),
        })
        .await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        self.queue.call(|writer| writer.read(act)).await
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        act: impl Fn(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        self.queue.call(|writer| writer.write(act)).await
    }
}
