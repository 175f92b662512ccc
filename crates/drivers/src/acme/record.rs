//! What is known of a host's certificate between two lives of the controller.

use crate::file;
use model::{failure::Failure, renewal::Standing};
use proxy::challenge::acme_directory;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The format this build writes and reads.
const FORMAT: u32 = 1;

/// `ROOT/proxy/acme/hosts/HOST.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    format: u32,
    host: String,
    /// Of the authority that all else is about.
    pub(super) directory: String,
    pub(super) standing: Standing,
    /// Why the last try failed.
    pub(super) error: Option<String>,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            format: FORMAT,
            host: String::new(),
            directory: String::new(),
            standing: Standing::default(),
            error: None,
        }
    }
}

impl Record {
    /// None: nothing was ever tried.  A damaged one is as good as none: what it bounds is bounded
    /// by the authority, too.
    pub(super) fn read(root: &Path, host: &str) -> Result<Option<Record>, Failure> {
        let path = path(root, host);
        let bytes = file::read(&path).map_err(|it| file::failure("read", &path, &it))?;
        let found = bytes.and_then(|it| serde_json::from_slice::<Record>(&it).ok());
        Ok(found.filter(|it| it.format == FORMAT).map(|it| Record { host: host.to_owned(), ..it }))
    }

    pub(super) fn write(&mut self, root: &Path, host: &str) -> Result<(), Failure> {
        self.host = host.to_owned();
        let path = path(root, host);
        let written = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let written = written.and_then(|text| {
            file::make_directory(&directory(root), file::MODE_PRIVATE_DIRECTORY)?;
            file::write(&path, &text, file::MODE_PRIVATE)
        });
        written.map_err(|error| file::failure("write", &path, &error))
    }
}

fn directory(root: &Path) -> PathBuf {
    acme_directory(root).join("hosts")
}

fn path(root: &Path, host: &str) -> PathBuf {
    directory(root).join(format!("{host}.json"))
}
