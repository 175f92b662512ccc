//! The journal for whoever only reads, beside a running daemon or without one.

use crate::{
    event::{self, Told},
    look,
    open::{FILE_NAME, OpenError, check_pages, checked_root},
    position::Position,
    table::{deployment, job, mark, retired, standing},
    trouble::Trouble,
    writer,
};
use model::{
    control::Marks,
    deployment::DeploymentRecord,
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    instance::Instance,
    name::{EnvironmentId, Name},
    release::Standing,
    schedule::Memory,
};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// For a writer that is just opening or closing the journal.
const PATIENCE: Duration = Duration::from_secs(2);

/// The journal, read only: no lock, no epoch, and each call sees one state.
#[derive(Debug)]
pub struct ReadOnly {
    connection: Mutex<Connection>,
}

/// Opens the journal of the state directory for reading.
///
/// # Errors
///
/// Where there is none ([`OpenError::Missing`]), a newer program wrote it, or it cannot be read.
pub fn read_only(root: &Path) -> Result<ReadOnly, OpenError> {
    let path = checked_root(root)?.join(FILE_NAME);
    if look::version(&path)?.unwrap_or(0) == 0 {
        return Err(OpenError::Missing { path });
    }
    let connection = match connect(&path) {
        // Nothing can be made beside it, as on a read-only file system.  Where no log lies there,
        // the file is the whole journal, and nobody can be writing.
        Err(_) if !look::has(&path, "-wal") => look::frozen(&path),
        connection => connection.map_err(|it| OpenError::sql("read", &path, &it)),
    };
    Ok(ReadOnly { connection: Mutex::new(connection?) })
}

impl ReadOnly {
    /// How far it has come.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn position(&self) -> Result<Position, Failure> {
        self.read(Position::of)
    }

    /// Looks all pages through: what was read before them may be right by chance only.
    ///
    /// # Errors
    ///
    /// Where they are damaged.
    pub fn check(&self) -> Result<(), Failure> {
        self.read(|it| Ok(check_pages(it)?))
    }

    /// All environments that the journal knows, by name.
    ///
    /// # Errors
    ///
    /// As for all here: where the journal cannot be read.
    pub fn environments(&self) -> Result<Vec<EnvironmentId>, Failure> {
        self.read(deployment::environments)
    }

    /// An environment's deployments, newest first.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn history(
        &self,
        environment: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, Failure> {
        self.read(|it| deployment::history(it, environment, limit))
    }

    /// One deployment.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn deployment(&self, id: &DeploymentId) -> Result<Option<DeploymentRecord>, Failure> {
        self.read(|it| deployment::get(it, id))
    }

    /// Deployments that are not ended, and those that need attention and were not superseded.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn unfinished(&self) -> Result<Vec<DeploymentRecord>, Failure> {
        self.read(deployment::unfinished)
    }

    /// All releases that have a standing, the one that changed last first.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn standings(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Vec<(ReleaseId, String, Standing)>, Failure> {
        self.read(|it| standing::all(it, environment))
    }

    /// What was said of an environment by hand.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn marks(&self, environment: &EnvironmentId) -> Result<Marks, Failure> {
        self.read(|it| mark::all(it, environment))
    }

    /// What is remembered of a job that runs by the clock.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn job(
        &self,
        environment: &EnvironmentId,
        service: &Name,
    ) -> Result<Option<Memory>, Failure> {
        self.read(|it| job::of(it, environment, service))
    }

    /// All retired instances, with when they may be ended (Unix time in ms).
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read.
    pub fn retired(&self) -> Result<Vec<(Instance, u64)>, Failure> {
        self.read(retired::all)
    }

    /// All news of a deployment after this sequence number, in order.
    ///
    /// # Errors
    ///
    /// Where there is no such deployment, or the journal cannot be read.
    pub fn events_after(
        &self,
        deployment: &DeploymentId,
        sequence: u64,
    ) -> Result<Vec<Told>, Failure> {
        self.read(|it| event::after(it, deployment, sequence))
    }

    fn read<T>(&self, act: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Failure> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        writer::read(&connection, act)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // Only a statement finds out whether the log beside the file can be read.
    connection.query_row("SELECT epoch FROM epoch", [], |it| it.get::<_, u64>(0))?;
    Ok(connection)
}
