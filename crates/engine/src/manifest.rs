//! Writing `manifest.json`.

use crate::port::Ports;
use model::{failure::Failure, manifest, name::EnvironmentId};

/// Writes what the journal says of the environment.
///
/// # Errors
///
/// Where the journal or a record cannot be read, or the file cannot be written.
pub async fn write(ports: &Ports, environment: &EnvironmentId) -> Result<(), Failure> {
    let history = ports.journal.history(environment, manifest::MANIFEST_HISTORY_MAX).await?;
    let releases = ports.releases.list(environment).await?;
    let value = manifest::manifest(environment, &history, &releases);
    ports.releases.write_manifest(environment, &value).await
}
