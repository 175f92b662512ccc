//! Certificates: whom the host trusts, and what was presented.

use crate::roots;
use model::{failure::Failure, service::Millis};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use x509_parser::{extensions::GeneralName, prelude::*};

/// Of those that were presented, so many are looked at.
const PRESENTED_MAX: usize = 8;
const NAMES_SHOWN: usize = 4;

/// Verifies as every client does, and keeps what was presented, also what is not trusted.
#[derive(Debug)]
pub(super) struct Recorded {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Vec<Seen>>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    names: Vec<String>,
    issuer: String,
    /// Seconds since 1970.
    ends_at: i64,
}

impl Recorded {
    /// Trusts these, or else whom the host trusts.
    pub(super) async fn new(trusted: Option<&str>) -> Result<Recorded, Failure> {
        let trusted = trusted.map(str::to_owned);
        let read = tokio::task::spawn_blocking(move || match trusted {
            Some(text) => roots::given(&text, "trusted"),
            None => roots::of_the_host(),
        });
        let roots = read.await.map_err(|error| roots::unread(&error.to_string()))??;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| roots::unread(&error.to_string()))?;
        Ok(Recorded { verifier, seen: Mutex::default() })
    }

    /// What was presented: the one of the host first.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Recorded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = std::iter::once(end_entity).chain(intermediates).take(PRESENTED_MAX);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            presented.filter_map(Seen::of).collect();
        let verifier = &self.verifier;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl Seen {
    fn of(certificate: &CertificateDer<'_>) -> Option<Seen> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let general = alternative.iter().flat_map(|it| &it.value.general_names);
        let mut names: Vec<String> = general
            .filter_map(|it| match it {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            names.push(parsed.subject().to_string());
        }
        let ends_at = parsed.validity().not_after.timestamp();
        Some(Seen { names, issuer: parsed.issuer().to_string(), ends_at })
    }

    /// Whether it is good for less than this.
    pub(super) fn ends_within(&self, wanted: Millis) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wanted_until = now + wanted.duration();
        self.ends_at < i64::try_from(wanted_until.as_secs()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.iter().take(NAMES_SHOWN);
        let names: Vec<String> = names.map(|it| printable(it)).collect();
        write!(formatter, "the certificate of {}", names.join(", "))?;
        let until = jiff::Timestamp::from_second(self.ends_at).ok();
        let until = until.map_or_else(|| "?".to_owned(), |it| it.strftime("%F %R UTC").to_string());
        write!(formatter, ", issued by {}, good until {until}", printable(&self.issuer))
    }
}

/// Without what a terminal would obey, and not endless.
fn printable(text: &str) -> String {
    const CHARACTERS_SHOWN: usize = 120;
    let safe = text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it });
    safe.take(CHARACTERS_SHOWN).collect()
}
