//! How far a journal has come: by it whoever knows better sees that it is an older copy.

use crate::{table::generation, trouble::Trouble};
use model::name::EnvironmentId;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// How far a journal has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Of the last life of a controller that wrote it.
    pub epoch: u64,
    /// By environment, the highest number of a generation that was given out.
    pub generations: BTreeMap<EnvironmentId, u64>,
}

impl Position {
    pub(crate) fn of(connection: &Connection) -> Result<Position, Trouble> {
        let epoch = connection.query_row("SELECT epoch FROM epoch", [], |it| it.get(0))?;
        Ok(Position { epoch, generations: generation::all(connection)? })
    }
}
