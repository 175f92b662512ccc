//! Certificates: read from files, and looked at before anybody is shown one.

use crate::challenge;
use crate::edge::CertificateFiles;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Bytes of a file of certificates, or of a key.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Certificates of one chain.
const CHAIN_MAX: usize = 16;
/// Names of a certificate that are told.
const NAMES_SHOWN: usize = 8;
/// Who may do what with a key that is still secret: its owner anything, its group read it.
const KEY_MODE_FORBIDDEN: u32 = 0o027;

/// Why a certificate cannot be presented.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// An authority was asked for it, or will be.
    #[error("no certificate has been issued yet; `cutover cert list` says how it stands")]
    NotIssued,
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner and its group have a way to the key.
    #[error("{path} is open to others (mode {mode:04o}); `chmod 600 {path}` closes it")]
    Open {
        /// The key's file.
        path: PathBuf,
        /// As it is.
        mode: u32,
    },
    /// There is no certificate in the file, or too many.
    #[error("{path} holds no certificate chain in PEM")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no private key in the file, or one of a kind that is not known.
    #[error("{path} holds no private key in PEM that can be used here")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// They do not belong together.
    #[error("the key in {key} is not that of the certificate in {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// It is another host's.
    #[error("the certificate in {path} is of {names}, not of {host}")]
    OtherHost {
        /// The certificate's file.
        path: PathBuf,
        /// That it was meant for.
        host: String,
        /// Those it names.
        names: String,
    },
    /// Its time is over.
    #[error("the certificate in {path} ended {days} days ago; renew it")]
    Expired {
        /// The certificate's file.
        path: PathBuf,
        /// Whole days since.
        days: i64,
    },
    /// Its time has not come.
    #[error("the certificate in {path} is good only in {days} days; is the clock right?")]
    NotYet {
        /// The certificate's file.
        path: PathBuf,
        /// Whole days until, rounded up.
        days: i64,
    },
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The names it is good for, as many as are told.
    pub names: Vec<String>,
    /// Unix time in seconds.
    pub begins_at_s: i64,
    /// Unix time in seconds.
    pub ends_at_s: i64,
}

/// One that can be presented.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) facts: Facts,
}

/// Looks at a certificate for `host`, which may begin with `*.`, at this Unix time.
///
/// # Errors
/// The first reason why it cannot be presented.
pub fn look(files: &CertificateFiles, host: &str, now_s: i64) -> Result<Facts, Trouble> {
    load(files, host, now_s).map(|it| it.facts)
}

/// As [`look`], to present it.
pub(crate) fn load(files: &CertificateFiles, host: &str, now_s: i64) -> Result<Loaded, Trouble> {
    let CertificateFiles { certificate, key } = files;
    if challenge::is_issued(certificate) && !certificate.exists() {
        return Err(Trouble::NotIssued);
    }
    let chain = chain(certificate)?;
    let facts = facts(certificate, &chain[0], host, now_s)?;
    let secret = secret(key)?;
    let certified = CertifiedKey::from_der(chain, secret, &provider()).map_err(|error| {
        let (certificate, key) = (certificate.clone(), key.clone());
        match error {
            rustls::Error::InconsistentKeys(_) => Trouble::Mismatch { certificate, key },
            _ => Trouble::NoKey { path: key },
        }
    })?;
    Ok(Loaded { certified: Arc::new(certified), facts })
}

/// Who does the arithmetic.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let text = read(path)?;
    let none = || Trouble::NoCertificate { path: path.to_owned() };
    let found = CertificateDer::pem_slice_iter(&text).take(CHAIN_MAX + 1);
    let chain = found.collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
    if chain.is_empty() || chain.len() > CHAIN_MAX { Err(none()) } else { Ok(chain) }
}

fn secret(path: &Path) -> Result<PrivateKeyDer<'static>, Trouble> {
    let unreadable = |source| Trouble::Unreadable { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.mode() & 0o7777;
    if mode & KEY_MODE_FORBIDDEN != 0 {
        return Err(Trouble::Open { path: path.to_owned(), mode });
    }
    let text = read(path)?;
    // What is wrong with it may hold a part of it, and is not told.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| Trouble::NoKey { path: path.to_owned() })
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let unreadable = |source| Trouble::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::other("it is too long")));
    }
    Ok(text)
}

fn facts(
    path: &Path,
    certificate: &CertificateDer<'_>,
    host: &str,
    now_s: i64,
) -> Result<Facts, Trouble> {
    const DAY_S: i64 = 24 * 3600;
    let path = path.to_owned();
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Err(Trouble::NoCertificate { path });
    };
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let general = alternative.iter().flat_map(|it| &it.value.general_names);
    let names: Vec<String> = general
        .filter_map(|it| match it {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let (begins_at_s, ends_at_s) =
        (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    if !names.iter().any(|name| is_of(name, host)) {
        let names = match names.as_slice() {
            [] => "no host".to_owned(),
            names => printable(&names[..names.len().min(NAMES_SHOWN)].join(", ")),
        };
        return Err(Trouble::OtherHost { path, host: host.to_owned(), names });
    }
    if ends_at_s < now_s {
        return Err(Trouble::Expired { path, days: (now_s - ends_at_s) / DAY_S });
    }
    if begins_at_s > now_s {
        return Err(Trouble::NotYet { path, days: (begins_at_s - now_s) / DAY_S + 1 });
    }
    let names = names.iter().take(NAMES_SHOWN).map(|it| printable(it)).collect();
    Ok(Facts { names, begins_at_s, ends_at_s })
}

/// Whether a name of a certificate covers `host`; one that begins with `*.` covers one label.
fn is_of(name: &str, host: &str) -> bool {
    let rest = || host.split_once('.').map(|(_, rest)| rest);
    name == host || name.strip_prefix("*.").is_some_and(|parent| rest() == Some(parent))
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
