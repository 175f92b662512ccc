//! Whether the public route leads to the new release where nginx stands before the proxy.
//!
//! What is asked goes in by nginx's own door, by TLS where it ends that, and is told apart by the
//! proxy's counts as any other request that verifies.

use super::{
    LocalProber,
    http::{Question, Response, Silence, unconnected},
    public::{TIMEOUT, reachable},
};
use crate::{
    blocking::blocking,
    nginx::{Led, Nginx},
};
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    nginx::FrontSpec,
    plan::PublicRequest,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{sync::Arc, time::Instant};
use tokio::{net::TcpStream, time::timeout_at};
use tokio_rustls::{TlsConnector, client::TlsStream};

impl LocalProber {
    /// Each request whose host nginx was told of.
    pub(super) async fn verify_through(
        &self,
        environment: &EnvironmentId,
        front: &FrontSpec,
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        for request in requests {
            let (nginx, host) = (Nginx::standing(front), request.host.clone());
            let led = blocking(move || nginx.leads(&host)).await?;
            let Some(question) = self.question_in_front(front, led, request).await? else {
                continue;
            };
            if refuses(&question.address).await {
                // It did before as well, and going back would help nobody.
                let at = &question.address;
                tracing::warn!(
                    at,
                    "nginx takes no connection: the release was not seen through it"
                );
                continue;
            }
            let straight = self.straight(environment, &request.path).await?;
            let verified = match &straight {
                Some(straight) => self.verify_straight(straight, &question, release).await,
                None => self.verify_one(environment, &question, release).await,
            };
            verified.map_err(|failure| Failure {
                blame: Blame::Platform,
                ..failure.hint("nginx stands in front: see its error log, and `cutover nginx diff`")
            })?;
        }
        Ok(())
    }

    /// None: nginx was not told of the host.
    async fn question_in_front(
        &self,
        front: &FrontSpec,
        led: Led,
        request: &PublicRequest,
    ) -> Result<Option<Question>, Failure> {
        let tls = front.listen_tls.first().filter(|_| led == Led::ByName);
        let (scheme, listen) = match (led, tls) {
            (Led::Nowhere, _) => return Ok(None),
            (_, Some(listen)) => ("https", Some(listen)),
            (_, None) => ("http", front.listen.first()),
        };
        let Some(listen) = listen else { return Ok(None) };
        let (_, nonce) = self.public_address(&front.listen).await?;
        Ok(Some(Question {
            scheme,
            host: Some(request.host.clone()),
            verify: Some(nonce),
            ..Question::get(&reachable(listen), &request.path, TIMEOUT)
        }))
    }
}

async fn refuses(address: &str) -> bool {
    let tried = tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await;
    matches!(tried, Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// By TLS or in clear, as the question says.
pub(super) async fn asked(question: &Question) -> Result<Response, Silence> {
    match question.scheme {
        "https" => ask_by_tls(question).await,
        _ => question.ask().await,
    }
}

/// As [`Question::ask`], by TLS.  Whose certificate it is does not matter here: it is this
/// machine's own nginx that is asked, and what counts is who answers behind it.
async fn ask_by_tls(question: &Question) -> Result<Response, Silence> {
    let begun = Instant::now();
    let deadline = tokio::time::Instant::from_std(begun + question.timeout);
    let silent = |what: String| Silence { what, seen: None };
    let stream = match timeout_at(deadline, TcpStream::connect(&question.address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(silent(unconnected(&error))),
        Err(_) => return Err(silent("took no connection in time".to_owned())),
    };
    let host = question.host.as_deref().unwrap_or(&question.address);
    match timeout_at(deadline, secured(host, stream)).await {
        Ok(Ok(stream)) => question.ask_on(stream, begun).await,
        Ok(Err(why)) => Err(silent(format!("spoke no TLS: {why}"))),
        Err(_) => Err(silent("spoke no TLS in time".to_owned())),
    }
}

async fn secured(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone { provider }))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// Takes any certificate; that its owner speaks is still checked.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
