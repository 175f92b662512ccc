//! Content that arrives: `incoming/NAME/`, with what it consists of beside it.

use super::{
    DirectoryReleases,
    archive::{self, Format},
    arrival::{self, Arrival},
    growth::Growth,
    keep::read_artifact,
    listing::sum,
    make, segment, unwritable,
};
use crate::file;
use model::{failure::Failure, id::DeploymentId, name::EnvironmentId, release::Artifact};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// The three paths of one thing that arrived.
pub(super) struct Incoming {
    /// Its content.
    pub(super) directory: PathBuf,
    /// What it sums up to; written last.
    pub(super) artifact: PathBuf,
    /// What it consists of.
    pub(super) list: PathBuf,
    pub(super) partial: PathBuf,
    /// An archive that must be there whole before it can be read.
    spool: PathBuf,
}

/// An archive that was unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// What it summed up to.
    pub artifact: Artifact,
    /// What was done to it that whoever sent it should know.
    pub notes: Vec<String>,
}

impl DirectoryReleases {
    /// Unpacks a tar stream, as [`super::send::pack`] writes it, into `incoming/DEPLOYMENT/`.
    ///
    /// Nothing in the stream is trusted.  Sending again replaces what was sent.  Blocks.
    pub fn receive(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        reader: impl Read,
    ) -> Result<Artifact, Failure> {
        self.take_stream(environment, &deployment.0, None, "an upload", reader)
    }

    /// Unpacks an archive that anybody may have made into `incoming/DEPLOYMENT/`.
    ///
    /// Nothing in it is trusted.  Sending again replaces what was sent.  Blocks.
    pub fn receive_archive(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        format: Format,
        reader: impl Read,
    ) -> Result<Received, Failure> {
        self.take_in(environment, &deployment.0, None, "an archive", |incoming| {
            let growth = Growth::from_now();
            archive::unpack(format, reader, &incoming.partial, &incoming.spool, &growth)
        })
    }

    /// Unpacks a stream that our own command line or `git` packed.
    pub(super) fn take_stream(
        &self,
        environment: &EnvironmentId,
        name: &str,
        commit: Option<String>,
        described: &str,
        reader: impl Read,
    ) -> Result<Artifact, Failure> {
        let unpack = |incoming: &Incoming| arrival::of_stream(reader, &incoming.partial);
        let received = self.take_in(environment, name, commit, described, unpack)?;
        Ok(received.artifact)
    }

    /// Unpacks, sums up, and puts it in its place whole.
    pub(super) fn take_in(
        &self,
        environment: &EnvironmentId,
        name: &str,
        commit: Option<String>,
        described: &str,
        unpack: impl FnOnce(&Incoming) -> Result<Arrival, Failure>,
    ) -> Result<Received, Failure> {
        let incoming = self.incoming(environment, name)?;
        self.environment_directory(environment)?;
        make(&self.layout.incoming(environment), file::MODE_PRIVATE_DIRECTORY)?;
        incoming.discard()?;
        let taken =
            unpack(&incoming).and_then(|arrival| incoming.finish(arrival, commit, described));
        if taken.is_err() {
            // The first failure is what counts; what is left is removed by the next try.
            let _ = incoming.discard();
        }
        taken
    }

    /// What arrived under this name; none if it did not, or not whole.
    pub(super) fn arrived(
        &self,
        environment: &EnvironmentId,
        name: &str,
    ) -> Result<Option<Artifact>, Failure> {
        let incoming = self.incoming(environment, name)?;
        if !super::keep::is_directory(&incoming.directory)? {
            return Ok(None);
        }
        read_artifact(&incoming.artifact)
    }

    pub(super) fn incoming(
        &self,
        environment: &EnvironmentId,
        name: &str,
    ) -> Result<Incoming, Failure> {
        let directory = self.layout.incoming(environment);
        let name = segment("an upload's name", name)?;
        Ok(Incoming {
            directory: directory.join(name),
            artifact: directory.join(format!(".{name}.json")),
            list: directory.join(format!(".{name}.list")),
            partial: directory.join(format!(".{name}.partial")),
            spool: directory.join(format!(".{name}.archive")),
        })
    }

    pub(super) fn discard_upload_now(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
    ) -> Result<(), Failure> {
        self.incoming(environment, &deployment.0)?.discard()
    }
}

impl Incoming {
    fn finish(
        &self,
        arrival: Arrival,
        commit: Option<String>,
        described: &str,
    ) -> Result<Received, Failure> {
        let content = &arrival.content;
        let artifact = sum(content, commit, described)?;
        write(&self.list, content.text().as_bytes())?;
        file::rename(&arrival.directory, &self.directory)
            .map_err(|error| file::failure("move into place", &self.directory, &error))?;
        // What wrapped it, and what it was unpacked from.
        self.discard_partial()?;
        let text = serde_json::to_vec(&artifact).map_err(|error| unwritable(&error))?;
        write(&self.artifact, &text)?;
        Ok(Received { artifact, notes: arrival.notes })
    }

    /// Removes all of it; repeating it is harmless.
    pub(super) fn discard(&self) -> Result<(), Failure> {
        super::keep::remove_file(&self.artifact)?;
        super::keep::remove_file(&self.list)?;
        remove_tree(&self.directory)?;
        self.discard_partial()
    }

    fn discard_partial(&self) -> Result<(), Failure> {
        super::keep::remove_file(&self.spool)?;
        remove_tree(&self.partial)
    }
}

fn remove_tree(directory: &Path) -> Result<(), Failure> {
    file::remove_tree(directory).map_err(|error| file::failure("remove", directory, &error))
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    file::write(path, bytes, file::MODE_PRIVATE)
        .map_err(|error| file::failure("write", path, &error))
}
