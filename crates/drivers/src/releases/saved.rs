//! Plans and prepared releases that are kept for later: `plans/ID.json`, mode 0600.

use super::{DirectoryReleases, make, record::names, segment, send::tree_digest, unwritable};
use crate::{blocking::blocking, file};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
    release::Source,
    saved::{Keeps, SAVED_VERSION, Saved},
};
use std::path::PathBuf;

impl DirectoryReleases {
    /// Keeps it.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn save(&self, saved: &Saved) -> Result<(), Failure> {
        let environment = &saved.request.environment;
        self.environment_directory(environment)?;
        make(&self.layout.saved(environment), file::MODE_PRIVATE_DIRECTORY)?;
        let path = self.saved_path(environment, &saved.id)?;
        let text = serde_json::to_vec_pretty(saved).map_err(|error| unwritable(&error))?;
        file::write(&path, &text, file::MODE_PRIVATE)
            .map_err(|error| file::failure("write", &path, &error))
    }

    /// One of them; none: it is not kept, or not any more.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or another version of this program wrote it.
    pub fn saved(
        &self,
        environment: &EnvironmentId,
        id: &DeploymentId,
    ) -> Result<Option<Saved>, Failure> {
        let path = self.saved_path(environment, id)?;
        let read = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let Some(bytes) = read else { return Ok(None) };
        let saved: Result<Saved, _> = serde_json::from_slice(&bytes);
        match saved {
            Ok(saved) if saved.version == SAVED_VERSION => Ok(Some(saved)),
            _ => {
                let message = format!("understand {}: another version wrote it", path.display());
                Err(Failure::new(Blame::Platform, message).hint("make the plan anew"))
            }
        }
    }

    /// All of them that can be read, the newest first.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn all_saved(&self, environment: &EnvironmentId) -> Result<Vec<Saved>, Failure> {
        let ids = self.saved_ids(environment)?;
        let saved = ids.iter().filter_map(|id| self.saved(environment, id).ok().flatten());
        let mut all: Vec<Saved> = saved.collect();
        all.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(all)
    }

    /// The ids of all of them, whether or not they can be read.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn saved_ids(&self, environment: &EnvironmentId) -> Result<Vec<DeploymentId>, Failure> {
        let names = names(&self.layout.saved(environment))?.into_iter();
        let ids = names.filter_map(|it| Some(DeploymentId(it.strip_suffix(".json")?.to_owned())));
        Ok(ids.filter(DeploymentId::is_well_formed).collect())
    }

    /// Versions that are staged for later.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn prepared_now(&self, environment: &EnvironmentId) -> Result<Vec<String>, Failure> {
        let all = self.all_saved(environment)?.into_iter();
        Ok(all.filter(|it| it.keeps == Keeps::Prepared).map(|it| it.release.version).collect())
    }

    /// Keeps it no longer, nor what was sent for it.  A staged release stays: retention knows it.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Where something cannot be removed.
    pub fn forget(&self, environment: &EnvironmentId, id: &DeploymentId) -> Result<(), Failure> {
        let path = self.saved_path(environment, id)?;
        // Content that nothing names any more is found by whoever discards uploads.
        file::remove(&path).map_err(|error| file::failure("remove", &path, &error))?;
        self.discard_upload_now(environment, id)
    }

    /// The digest of what lies there for a source, read anew byte by byte where it was sent.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub async fn digest_of(
        &self,
        environment: &EnvironmentId,
        source: &Source,
    ) -> Result<String, Failure> {
        let (this, environment, source) = (self.clone(), environment.clone(), source.clone());
        blocking(move || match &source {
            Source::Upload { upload, .. } => {
                tree_digest(&this.incoming(&environment, upload)?.directory)
            }
            // A repository's commit cannot change, and staging looks at what is kept.
            other => Ok(this.inspect_now(&environment, other)?.digest),
        })
        .await
    }

    fn saved_path(
        &self,
        environment: &EnvironmentId,
        id: &DeploymentId,
    ) -> Result<PathBuf, Failure> {
        let name = format!("{}.json", segment("a plan's id", &id.0)?);
        Ok(self.layout.saved(environment).join(name))
    }
}
