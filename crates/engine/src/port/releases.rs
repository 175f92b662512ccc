//! Keeps releases: content, records, links.

use async_trait::async_trait;
use model::{
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    name::EnvironmentId,
    release::{Artifact, Release, Source},
    shared::Trouble,
};

/// Keeps releases under `projects/PROJECT/ENVIRONMENT/`.
///
/// Contract: every call is idempotent.  A release's directory appears whole, by one rename, after
/// its content is on disk.  Links are swapped by rename, and never missing for an instant.
/// Nothing is removed that was not made here.
#[async_trait]
pub trait Releases: Send + Sync {
    /// Finds out what the source holds.  Fetches what is far away into a mirror first.
    async fn inspect(
        &self,
        environment: &EnvironmentId,
        source: &Source,
    ) -> Result<Artifact, Failure>;
    /// Writes the release's record (mode 0600: it holds variables).
    async fn record(&self, release: &Release) -> Result<(), Failure>;
    /// Reads a release's record.
    async fn read(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
    ) -> Result<Release, Failure>;
    /// All records whose content is in place, newest first.
    async fn list(&self, environment: &EnvironmentId) -> Result<Vec<Release>, Failure>;
    /// Puts the content in place, with links to what all releases share.  The same version with the
    /// same digest is there already.
    async fn stage(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        source: &Source,
    ) -> Result<(), Failure>;
    /// What speaks against the links to what all releases share, of a release that is to be staged.
    async fn shared_trouble(
        &self,
        release: &Release,
        source: &Source,
    ) -> Result<Vec<Trouble>, Failure>;
    /// Whether the content in place is what the record says; altered or missing is a failure.
    async fn verify(&self, release: &Release) -> Result<(), Failure>;
    /// Points `current` and `previous` at versions.  No current leaves its link as it is; no
    /// previous removes its link.
    async fn link(
        &self,
        environment: &EnvironmentId,
        current: Option<&str>,
        previous: Option<&str>,
    ) -> Result<(), Failure>;
    /// The versions that `current` and `previous` point at.
    async fn links(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(Option<String>, Option<String>), Failure>;
    /// Removes a version's content and records.
    async fn remove(&self, environment: &EnvironmentId, version: &str) -> Result<(), Failure>;
    /// Versions that are staged for later: retention leaves them.
    async fn prepared(&self, environment: &EnvironmentId) -> Result<Vec<String>, Failure>;
    /// Removes what an upload left behind, if anything.
    async fn discard_upload(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
    ) -> Result<(), Failure>;
    /// Writes `manifest.json`, whole.
    async fn write_manifest(
        &self,
        environment: &EnvironmentId,
        manifest: &serde_json::Value,
    ) -> Result<(), Failure>;
}
