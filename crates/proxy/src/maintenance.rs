//! Maintenance: an environment's clients are told to come again, but for those who work on it.

use crate::trusted::Trusted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The format this build writes and reads.
const FORMAT: u32 = 1;
/// Bytes of a page of one's own.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// A page's every byte may need six in JSON; the rest is small.
const FILE_BYTES_MAX: u64 = 8 * PAGE_BYTES_MAX as u64;
/// What clients read where nobody has written a page.
const PAGE: &str = "<!doctype html>\n<title>Maintenance</title>\n<h1>Back soon</h1>\n\
                    <p>This service is being worked on. Please try again in a few minutes.</p>\n";

/// `ROOT/proxy/maintenance/PROJECT.ENVIRONMENT.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintenanceFile {
    format: u32,
    allow: Vec<String>,
    page: Option<String>,
}

/// What clients are told, and who is served all the same.
#[derive(Debug)]
pub(crate) struct Maintenance {
    allow: Trusted,
    page: String,
}

/// Where the files of a state directory are.
pub fn maintenance_directory(root: &Path) -> PathBuf {
    root.join("proxy/maintenance")
}

/// That of one environment, by `PROJECT.ENVIRONMENT`: while it is there, it holds.
pub fn maintenance_path(root: &Path, environment: &str) -> PathBuf {
    maintenance_directory(root).join(format!("{environment}.json"))
}

/// The file's text: addresses and ranges that are served, and a page of one's own in HTML.
///
/// # Errors
/// In words, when an address is none, or the page is too long.
pub fn maintenance_text(allow: &[String], page: Option<String>) -> Result<Vec<u8>, String> {
    Trusted::parse(allow)?;
    if page.as_ref().is_some_and(|it| it.len() > PAGE_BYTES_MAX) {
        return Err(format!("the page is longer than {} KiB", PAGE_BYTES_MAX / 1024));
    }
    let file = MaintenanceFile { format: FORMAT, allow: allow.to_vec(), page };
    serde_json::to_vec(&file).map_err(|error| error.to_string())
}

impl Maintenance {
    /// All that are on, by environment.  One that cannot be read holds as well, for nobody but
    /// clients that come again: it was put there on purpose.
    pub(crate) fn read_all(root: &Path) -> io::Result<BTreeMap<String, Maintenance>> {
        let mut found = BTreeMap::new();
        let entries = match fs::read_dir(maintenance_directory(root)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let stem = name.to_str().and_then(|it| it.strip_suffix(".json"));
            let Some(stem) = stem.filter(|it| crate::route_file::is_environment_name(it)) else {
                continue;
            };
            let read = Self::read(&entry.path()).unwrap_or_else(|error| {
                tracing::warn!(environment = stem, %error, "maintenance with nobody let through");
                Maintenance { allow: Trusted::default(), page: PAGE.to_owned() }
            });
            found.insert(stem.to_owned(), read);
        }
        Ok(found)
    }

    fn read(path: &Path) -> io::Result<Maintenance> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        let file: MaintenanceFile = serde_json::from_slice(&bytes)?;
        if file.format != FORMAT {
            return Err(io::Error::other(format!("format {} is not known", file.format)));
        }
        let allow = Trusted::parse(&file.allow).map_err(io::Error::other)?;
        Ok(Maintenance { allow, page: file.page.unwrap_or_else(|| PAGE.to_owned()) })
    }

    /// Whether a client is served all the same.
    pub(crate) fn lets(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|it| self.allow.contains(it))
    }

    pub(crate) fn page(&self) -> &str {
        &self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_damaged_holds() {
        let root = tempfile::tempdir().unwrap();
        assert!(Maintenance::read_all(root.path()).unwrap().is_empty());
        fs::create_dir_all(maintenance_directory(root.path())).unwrap();
        let text = maintenance_text(&["10.0.0.0/8".to_owned()], Some("hello".to_owned())).unwrap();
        fs::write(maintenance_path(root.path(), "a.b"), text).unwrap();
        fs::write(maintenance_path(root.path(), "c.d"), "{").unwrap();
        let all = Maintenance::read_all(root.path()).unwrap();
        assert_eq!(all["a.b"].page(), "hello");
        assert!(all["a.b"].lets("10.1.2.3".parse().ok()) && !all["a.b"].lets(None));
        assert!(!all["a.b"].lets("11.1.2.3".parse().ok()));
        assert_eq!(all["c.d"].page(), PAGE);
        assert!(!all["c.d"].lets("10.1.2.3".parse().ok()));
    }

    #[test]
    fn no_address_and_a_book_are_refused() {
        assert!(maintenance_text(&["nobody".to_owned()], None).is_err());
        let long = "\u{1}".repeat(PAGE_BYTES_MAX + 1);
        assert!(maintenance_text(&[], Some(long)).is_err());
        let most = maintenance_text(&[], Some("\u{1}".repeat(PAGE_BYTES_MAX))).unwrap();
        assert!((most.len() as u64) < FILE_BYTES_MAX);
    }
}
