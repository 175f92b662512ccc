//! TLS: which certificate a client is shown, and the handshake.

use super::Plane;
use super::stream::Stream;
use crate::certificate::provider;
use crate::challenge::{ALPN, Challenges};
use crate::error::ProxyError;
use crate::limits::HANDSHAKE_TIMEOUT;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is spoken over TLS, by the names of ALPN.
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// By host: immutable, looked up by every handshake, replaced whole.
#[derive(Default)]
pub(crate) struct Certificates {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the first label.
    below: HashMap<String, Arc<CertifiedKey>>,
    /// For authorities that ask whose a host is.
    pub(crate) challenges: Challenges,
}

impl Certificates {
    /// Adds one for `host`, which may begin with `*.`.
    pub(crate) fn insert(&mut self, host: &str, certified: Arc<CertifiedKey>) {
        match host.strip_prefix("*.") {
            Some(parent) => self.below.insert(parent.to_owned(), certified),
            None => self.exact.insert(host.to_owned(), certified),
        };
    }

    /// The host's own, else one for all names beside it.
    pub(crate) fn find(&self, host: &str) -> Option<&Arc<CertifiedKey>> {
        let beside = || self.below.get(host.split_once('.')?.1);
        self.exact.get(host).or_else(beside)
    }
}

/// Chooses by the name that the client asks for.  Who asks for none, or for one that there is no
/// certificate of, is refused: a wrong certificate would only teach people to ignore warnings.
struct Chooser(Arc<ArcSwap<Certificates>>);

impl fmt::Debug for Chooser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chooser")
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name()?.to_ascii_lowercase();
        let (host, certificates) = (host.trim_end_matches('.'), self.0.load());
        if hello.alpn().is_some_and(|mut it| it.next() == Some(ALPN) && it.next().is_none()) {
            return certificates.challenges.certificate(host).cloned();
        }
        certificates.find(host).cloned()
    }
}

/// How TLS is spoken.
pub(crate) fn acceptor(
    certificates: &Arc<ArcSwap<Certificates>>,
) -> Result<TlsAcceptor, ProxyError> {
    let wrong = |error: rustls::Error| ProxyError::Tls(error.to_string());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Chooser(certificates.clone())));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec(), ALPN.to_vec()];
    // A client that comes again needs nothing that we would have to remember.
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(wrong)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What was agreed on; HTTP/1.1 where the client named nothing.
pub(super) enum Spoken {
    Http1(Stream),
    Http2(Box<TlsStream<TcpStream>>),
}

/// Speaks TLS with a client that has just connected; none where that comes to nothing.
pub(super) async fn handshake(plane: &Plane, stream: TcpStream) -> Option<Spoken> {
    let shaken = timeout(HANDSHAKE_TIMEOUT, plane.acceptor.accept(stream)).await;
    match shaken {
        Ok(Ok(stream)) => match stream.get_ref().1.alpn_protocol() {
            Some(HTTP2) => Some(Spoken::Http2(Box::new(stream))),
            // The authority has seen what it asked for, and says no more.
            Some(ALPN) => None,
            _ => Some(Spoken::Http1(Stream::wrapped(stream))),
        },
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_) => None,
    }
}
