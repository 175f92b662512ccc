//! Which hosts are to have a certificate, as the configuration of each environment says.

use crate::file;
use model::{edge::Acme, failure::Failure, name::EnvironmentId};
use proxy::challenge::acme_directory;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The format this build writes and reads.
const FORMAT: u32 = 1;

/// `ROOT/proxy/acme/wanted/PROJECT.ENVIRONMENT.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFile {
    format: u32,
    acme: Acme,
}

fn directory(root: &Path) -> PathBuf {
    acme_directory(root).join("wanted")
}

/// Says what an environment wants; None: nothing any more.  What was issued stays where it is.
pub(crate) fn want(
    root: &Path,
    environment: &EnvironmentId,
    acme: Option<&Acme>,
) -> io::Result<()> {
    let path = directory(root).join(format!("{}.json", environment.stem()));
    let Some(acme) = acme.filter(|it| !it.hosts.is_empty()) else {
        return if path.exists() { file::remove(&path) } else { Ok(()) };
    };
    let text = serde_json::to_vec_pretty(&WantedFile { format: FORMAT, acme: acme.clone() })?;
    if file::read(&path).is_ok_and(|it| it.as_deref() == Some(&text)) {
        return Ok(());
    }
    let mode = file::MODE_PRIVATE_DIRECTORY;
    file::make_directory(&acme_directory(root), mode)?;
    file::make_directory(&directory(root), mode)?;
    file::write(&path, &text, file::MODE_PRIVATE)
}

/// By host.  One that several environments have is asked for as the first of them says.
pub(super) fn read_all(root: &Path) -> Result<BTreeMap<String, Acme>, Failure> {
    let directory = directory(root);
    let failed = |error: io::Error| file::failure("read", &directory, &error);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = vec![];
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut wanted = BTreeMap::new();
    for path in paths {
        let failed = |error: io::Error| file::failure("read", &path, &error);
        // One that is gone by now is wanted no more.
        let Some(bytes) = file::read(&path).map_err(failed)? else { continue };
        let found: WantedFile = serde_json::from_slice(&bytes).map_err(|it| failed(it.into()))?;
        if found.format != FORMAT {
            let why = format!("format {} is not known", found.format);
            return Err(failed(super::invalid(why)));
        }
        for host in &found.acme.hosts {
            wanted.entry(host.clone()).or_insert_with(|| found.acme.clone());
        }
    }
    Ok(wanted)
}
