//! Challenges: what a certificate authority that asks whose a host is gets to see, as the
//! controller put it there.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format this build writes and reads.
const FORMAT: u32 = 1;
/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Files that are read: a controller orders one certificate after the other.
const FILES_MAX: usize = 64;
/// Bytes of a token, and of what answers it.
const WORD_BYTES_MAX: usize = 1024;
/// What an authority asks for over HTTP.
pub(crate) const PATH: &str = "/.well-known/acme-challenge/";
/// The name by which it asks over TLS.
pub(crate) const ALPN: &[u8] = b"acme-tls/1";
/// Where what an authority issued lies, from the state directory.
const ISSUED: &str = "proxy/acme/certificates";

/// `ROOT/proxy/acme/challenges/HOST.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeFile {
    format: u32,
    host: String,
    proof: Proof,
}

/// How it is proved whose a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// The last part of a path below `/.well-known/acme-challenge/`, and what is answered there.
    Http {
        /// It.
        token: String,
        /// The whole body.
        answer: String,
    },
    /// A certificate with its key, in PEM, for handshakes that ask for `acme-tls/1` only.
    Tls {
        /// Both of them.
        pem: String,
    },
}

/// All that are answered now.
#[derive(Default)]
pub(crate) struct Challenges {
    by_token: HashMap<String, Arc<str>>,
    by_host: HashMap<String, Arc<CertifiedKey>>,
}

/// Where all that belongs to certificates of an authority lies.
pub fn acme_directory(root: &Path) -> PathBuf {
    root.join("proxy/acme")
}

/// Where the challenges of a state directory are.
pub fn challenges_directory(root: &Path) -> PathBuf {
    acme_directory(root).join("challenges")
}

/// That of one host: while it is there, it is answered.
pub fn challenge_path(root: &Path, host: &str) -> PathBuf {
    challenges_directory(root).join(format!("{host}.json"))
}

/// Where the certificate that was issued for a host lies, with its key in the same file, so that
/// both are exchanged in one step.
pub fn issued_path(root: &Path, host: &str) -> PathBuf {
    root.join(ISSUED).join(format!("{host}.pem"))
}

/// Whether an authority is to fill this file.
pub(crate) fn is_issued(path: &Path) -> bool {
    path.parent().is_some_and(|it| it.ends_with(ISSUED))
}

/// The text of a challenge's file.
///
/// # Errors
/// In words, where the host is none, or the proof cannot be given.
pub fn challenge_text(host: &str, proof: &Proof) -> Result<Vec<u8>, String> {
    let file = ChallengeFile { format: FORMAT, host: host.to_owned(), proof: proof.clone() };
    Challenges::default().add(&file)?;
    serde_json::to_vec(&file).map_err(|error| error.to_string())
}

impl Challenges {
    /// All that can be read; the rest is told in words.
    pub(crate) fn read_all(root: &Path) -> (Challenges, Vec<String>) {
        let (mut found, mut broken) = (Challenges::default(), Vec::new());
        let Ok(entries) = fs::read_dir(challenges_directory(root)) else {
            return (found, broken);
        };
        let paths = entries.filter_map(|it| Some(it.ok()?.path()));
        let whole = paths.filter(|it| it.extension().is_some_and(|it| it == "json"));
        for path in whole.take(FILES_MAX) {
            let read = read(&path).map_err(|error| error.to_string());
            if let Err(why) = read.and_then(|file| found.add(&file)) {
                broken.push(format!("{}: {why}", path.display()));
            }
        }
        (found, broken)
    }

    /// What is answered at this path.
    pub(crate) fn answer(&self, path: &str) -> Option<&Arc<str>> {
        self.by_token.get(path.strip_prefix(PATH)?)
    }

    /// What is shown to who asks for the host by [`ALPN`].
    pub(crate) fn certificate(&self, host: &str) -> Option<&Arc<CertifiedKey>> {
        self.by_host.get(host)
    }

    fn add(&mut self, file: &ChallengeFile) -> Result<(), String> {
        if file.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}, the one known here", file.format));
        }
        let host = &file.host;
        if crate::http1::host::normalise(host).as_deref() != Some(host.as_str()) {
            return Err(format!("`{}` is not a host name in lower case", host.escape_debug()));
        }
        match &file.proof {
            Proof::Http { token, answer } => {
                let is_word = |it: &str| {
                    let mut bytes = it.bytes();
                    let known = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
                    !it.is_empty() && it.len() <= WORD_BYTES_MAX && bytes.all(known)
                };
                if !is_word(token) || !is_word(answer) {
                    return Err("the token or its answer holds what none does".to_owned());
                }
                self.by_token.insert(token.clone(), Arc::from(answer.as_str()));
            }
            Proof::Tls { pem } => {
                let wrong = "there is no certificate with its key";
                let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| wrong)?;
                let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong)?;
                let provider = crate::certificate::provider();
                let key = provider.key_provider.load_private_key(key).map_err(|_| wrong)?;
                if chain.is_empty() {
                    return Err(wrong.to_owned());
                }
                // What proves it stands in an extension that no verifier knows, nor shall.
                let certified = CertifiedKey::new(chain, key);
                self.by_host.insert(host.clone(), Arc::new(certified));
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<ChallengeFile> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than any challenge"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(token: &str, answer: &str) -> Proof {
        Proof::Http { token: token.to_owned(), answer: answer.to_owned() }
    }

    #[test]
    fn what_was_put_there_is_answered_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(challenges_directory(root.path())).unwrap();
        let text = challenge_text("a.test", &http("to-k_en", "to-k_en.print")).unwrap();
        fs::write(challenge_path(root.path(), "a.test"), text).unwrap();
        fs::write(challenge_path(root.path(), "b.test"), "{").unwrap();
        let (found, broken) = Challenges::read_all(root.path());
        let answer = |path: &str| found.answer(path).map(|it| it.to_string());
        let path = "/.well-known/acme-challenge/to-k_en";
        assert_eq!(answer(path).as_deref(), Some("to-k_en.print"));
        for other in ["/to-k_en", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x"] {
            assert_eq!(answer(other), None, "{other}");
        }
        assert_eq!(broken.len(), 1);
        assert!(broken[0].contains("b.test.json"), "{broken:?}");
        assert!(found.certificate("a.test").is_none());
    }

    #[test]
    fn what_cannot_be_answered_is_not_written() {
        for (host, proof) in [
            ("A.test", http("a", "b")),
            ("../a", http("a", "b")),
            ("a.test", http("", "b")),
            ("a.test", http("a/b", "b")),
            ("a.test", http("a", "b\r\nc")),
            ("a.test", http("a", &"b".repeat(WORD_BYTES_MAX + 1))),
            ("a.test", Proof::Tls { pem: "none".to_owned() }),
        ] {
            assert!(challenge_text(host, &proof).is_err(), "{host} {proof:?}");
        }
    }
}
