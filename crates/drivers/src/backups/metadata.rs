//! `metadata.json` on disk.

use super::path::is_file_name;
use crate::file;
use model::{
    backup::{
        BackupName,
        metadata::{ITEMS_MAX, METADATA_FORMAT, Metadata},
    },
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use std::path::Path;

/// Its name.
pub(super) const FILE: &str = "metadata.json";

/// Writes it, sealed.
pub(super) fn write(directory: &Path, metadata: &Metadata) -> Result<Metadata, Failure> {
    let sealed = Metadata { seal: seal(metadata)?, ..metadata.clone() };
    let path = directory.join(FILE);
    let text = serde_json::to_vec_pretty(&sealed).map_err(|error| unwritable(&error))?;
    let written = file::write(&path, &text, file::MODE_PRIVATE);
    written.map_err(|error| file::failure("write", &path, &error))?;
    Ok(sealed)
}

/// Reads it, and refuses what nothing may be restored by.
pub(super) fn read(
    directory: &Path,
    environment: &EnvironmentId,
    name: &BackupName,
) -> Result<Metadata, Failure> {
    let path = directory.join(FILE);
    let refused = |why: String| {
        Failure::new(Blame::Platform, format!("trust {name} of {environment}: {why}"))
            .hint("restore another backup")
    };
    let text = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
    let Some(text) = text else { return Err(refused(format!("it has no {FILE}"))) };
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|error| refused(format!("{FILE}: {error}")))?;
    if metadata.format != METADATA_FORMAT {
        let why = format!("another version of this program wrote it (format {})", metadata.format);
        return Err(refused(why));
    }
    if seal(&metadata)? != metadata.seal {
        return Err(refused(format!("{FILE} was altered")));
    }
    if metadata.name != *name || metadata.environment != *environment {
        let (of, is) = (&metadata.environment, &metadata.name);
        return Err(refused(format!("it is {is} of {of}")));
    }
    let hostile = metadata.items.iter().find(|it| !is_file_name(&it.file));
    if let Some(hostile) = hostile {
        let shown = hostile.file.escape_debug().to_string();
        return Err(refused(format!("`{shown}` is no name of a part")));
    }
    if metadata.items.len() > ITEMS_MAX {
        return Err(refused(format!("it has more than {ITEMS_MAX} parts")));
    }
    Ok(metadata)
}

/// The hash of all but itself.
fn seal(metadata: &Metadata) -> Result<String, Failure> {
    let open = Metadata { seal: String::new(), ..metadata.clone() };
    let text = serde_json::to_vec(&open).map_err(|error| unwritable(&error))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Blame::Us, format!("write {FILE}: {error}"))
}
