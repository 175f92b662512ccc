//! The edge file: what the proxy does of itself for the hosts of one environment, such as which
//! certificate it presents.  It is no part of the route file, since no release has one of its own.

use crate::access::Format;
use crate::rate::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The format this build writes and reads.
pub const FORMAT: u32 = 1;
/// Bytes of an edge file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// `ROOT/proxy/edge/PROJECT.ENVIRONMENT.json`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeFile {
    /// Always [`FORMAT`].
    pub format: u32,
    /// By host, in lower case; `*.shop.example` stands for every name with one label more.
    #[serde(default)]
    pub certificates: BTreeMap<String, CertificateFiles>,
    /// Whether clear requests are led to TLS, for hosts that have a certificate.
    #[serde(default)]
    pub redirect: bool,
    /// How long clients are told to use TLS only, in seconds; 0: nothing is said.
    #[serde(default)]
    pub hsts_s: u64,
    /// Whether responses get the headers of [`crate::http1::protection`] that they lack.
    #[serde(default)]
    pub protects: bool,
    /// How requests are logged; none: they are not.
    #[serde(default)]
    pub access_log: Option<Format>,
    /// How many requests each client may send; none: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// PEM: the certificate first, then those that lead to a trusted one.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Where the edge files of a state directory are.
pub fn edge_directory(root: &Path) -> PathBuf {
    root.join("proxy/edge")
}

/// That of one environment, by `PROJECT.ENVIRONMENT`.
pub fn edge_path(root: &Path, environment: &str) -> PathBuf {
    edge_directory(root).join(format!("{environment}.json"))
}

/// The text of an edge file.
///
/// # Errors
/// In words, where one of its hosts is none.
pub fn edge_text(file: &EdgeFile) -> Result<Vec<u8>, String> {
    check(file)?;
    serde_json::to_vec_pretty(file).map_err(|error| error.to_string())
}

/// All edge files, by environment; one that cannot be read says why, and hides no other.
///
/// # Errors
/// When the directory cannot be listed.
pub fn read_all(root: &Path) -> io::Result<BTreeMap<String, Result<EdgeFile, String>>> {
    let mut found = BTreeMap::new();
    let entries = match fs::read_dir(edge_directory(root)) {
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
        let path = entry.path();
        let read = read(&path).map_err(|error| format!("{}: {error}", path.display()));
        found.insert(stem.to_owned(), read);
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<EdgeFile> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than any edge file"));
    }
    let file: EdgeFile = serde_json::from_slice(&bytes)?;
    check(&file).map_err(io::Error::other)?;
    Ok(file)
}

fn check(file: &EdgeFile) -> Result<(), String> {
    if file.format != FORMAT {
        return Err(format!("format {} is not {FORMAT}, the one known here", file.format));
    }
    if let Some(rate) = file.rate {
        rate.check()?;
    }
    for host in file.certificates.keys() {
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if crate::http1::host::normalise(bare).as_deref() != Some(bare) || bare == "*" {
            return Err(format!("`{host}` is not a host name in lower case"));
        }
    }
    Ok(())
}
