//! What a directory holds, told to the controller without sending any of it.

use super::Content;
use crate::{controller::Controller, halt::Halt};
use drivers::releases::send::{Packed, pack};
use model::{
    deployment::{Change, Request},
    failure::{Blame, Failure},
    release::Source,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What would be sent of a directory, by its hashes.
///
/// # Errors
///
/// Where it cannot be read, or would be refused.
pub async fn read(directory: &Path, state_root: &Path) -> Result<Packed, Halt> {
    let (directory, root): (PathBuf, PathBuf) = (directory.to_owned(), state_root.to_owned());
    let reading = move || pack(&directory, Some(&root), io::sink());
    let read = tokio::task::spawn_blocking(reading).await;
    let read = read.map_err(|it| Failure::new(Blame::Us, format!("read the directory: {it}")))?;
    Ok(read?)
}

/// Lets a request be planned by the list of its directory; gives false, and does nothing, where
/// its content is no directory.
///
/// # Errors
///
/// Where it cannot be read, or is refused.
pub async fn stand_in(
    controller: &Controller,
    request: &mut Request,
    content: &Content,
    state_root: &Path,
) -> Result<bool, Halt> {
    let Content::Directory(directory) = content else { return Ok(false) };
    let packed = read(directory, state_root).await?;
    let (environment, id) = (request.environment.clone(), request.deployment.clone());
    controller.list(&environment, &id, packed.list).await?;
    if let Change::Deploy { source, .. } = &mut request.change
        && let Source::Upload { upload, described, commit } = source.clone()
    {
        *source = Source::Listed { upload, described, commit };
    }
    Ok(true)
}
