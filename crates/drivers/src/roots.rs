//! Which certificates are trusted to sign those of others.

use model::failure::{Blame, Failure};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// They cannot be read.
pub(crate) fn unread(why: &str) -> Failure {
    Failure::new(Blame::Platform, format!("read the trusted certificates: {why}"))
}

/// Those of a text in PEM, which the configuration gives as `key`.
pub(crate) fn given(text: &str, key: &str) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let added = certificate.map_err(|error| error.to_string());
        let added = added.and_then(|it| roots.add(it).map_err(|error| error.to_string()));
        added.map_err(|why| {
            let failure = Failure::new(Blame::Request, format!("read `{key}`: {why}"));
            failure.hint("give certificates in PEM, whole")
        })?;
    }
    Ok(roots)
}

/// Those that this host trusts.
pub(crate) fn of_the_host() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Hosts keep certificates that no client takes any more: what can be used is.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let failure = unread(&format!("this host has none {}", why.join("; ")));
        return Err(failure.hint(
            "install them (Debian: ca-certificates), or name those of your own as `trusted`",
        ));
    }
    Ok(roots)
}
