//! What clients elsewhere see: names, certificates and answers, good and bad.

use crate::world::World;
use model::{
    check::{Check, Checks, External, Question},
    failure::{Blame, Failure},
    service::Millis,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const DAY: i64 = 86_400;
const TIMEOUT: Millis = Millis::seconds(2);

/// Who signs certificates, and is trusted where it is named.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut parts = CertificateParams::new(vec![]).unwrap();
        parts.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parts.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(parts, key), pem }
    }

    /// Of this name, good until so many days from now.
    fn certificate(&self, name: &str, days: i64) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut parts = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parts.not_before = date_time_ymd(2020, 1, 1);
        let end = jiff::Timestamp::now().as_second() + days * DAY;
        let end = jiff::Timestamp::from_second(end).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
        parts.not_after = date_time_ymd(end.year().into(), month, day);
        let certificate: CertificateDer<'static> =
            parts.signed_by(&key, &self.issuer).unwrap().into();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap()
    }
}

/// Answers every request so, with TLS or without; where it listens.
async fn site(tls: Option<ServerConfig>, answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls.map(|it| TlsAcceptor::from(Arc::new(it)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            match &acceptor {
                Some(acceptor) => {
                    // Who does not trust it goes away in the middle.
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
                None => {
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        }
    });
    port
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const MOVED: &str =
    "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n";

fn https(host: &str, port: u16, trusted: Option<&str>) -> External {
    External {
        tls: true,
        host: host.to_owned(),
        port,
        path: "/".to_owned(),
        status: 200,
        expires_in: Millis::seconds(14 * 86_400),
        trusted: trusted.map(str::to_owned),
    }
}

/// How it ends, and what is said meanwhile.
async fn asked(external: External) -> (Result<(), Failure>, String) {
    let world = World::new();
    let (release, instance) = world.started("good").await;
    let instances = [instance];
    let check = Check {
        name: "external".to_owned(),
        after: true,
        timeout: TIMEOUT,
        question: Question::External(external),
    };
    let checks = Checks { list: vec![check], host: Some("shop.test".to_owned()), force: false };
    let said = Arc::new(Mutex::new(String::new()));
    let heard = said.clone();
    let note = move |text: String| heard.lock().unwrap().push_str(&text);
    let ended = world.local.prober.check(&instances, &release, &checks, &note).await;
    let said = said.lock().unwrap().clone();
    (ended, said)
}

async fn failure(external: External) -> Failure {
    asked(external).await.0.expect_err("clients would not be served")
}

#[tokio::test]
async fn a_site_that_clients_trust_passes() {
    let authority = Authority::new();
    let port = site(Some(authority.certificate("localhost", 90)), GOOD).await;
    let (ended, said) = asked(https("localhost", port, Some(&authority.pem))).await;
    ended.unwrap();
    assert!(!said.contains("warning"), "{said}");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_told_and_held_against_nobody() {
    let authority = Authority::new();
    let port = site(Some(authority.certificate("localhost", 5)), GOOD).await;
    let (ended, said) = asked(https("localhost", port, Some(&authority.pem))).await;
    ended.unwrap();
    assert!(said.contains("warning: localhost: the certificate of localhost"), "{said}");
    assert!(said.contains("ends within 14 days"), "{said}");
}

#[tokio::test]
async fn what_no_client_would_trust_is_shown_as_it_was_presented() {
    let authority = Authority::new();
    let port = site(Some(authority.certificate("localhost", -3)), GOOD).await;
    let expired = failure(https("localhost", port, Some(&authority.pem))).await;
    assert_eq!(expired.blame, Blame::Platform);
    assert!(expired.message.contains("xpired"), "{expired:?}");
    assert!(expired.evidence[0].contains("good until 20"), "{expired:?}");

    let port = site(Some(authority.certificate("other.test", 90)), GOOD).await;
    let other = failure(https("localhost", port, Some(&authority.pem))).await;
    assert!(other.evidence[0].contains("the certificate of other.test"), "{other:?}");

    let stranger = failure(https("localhost", port, Some(&Authority::new().pem))).await;
    assert!(stranger.message.contains("no trusted connection"), "{stranger:?}");
    assert!(stranger.hints[0].contains("renew the certificate"), "{stranger:?}");
}

#[tokio::test]
async fn other_answers_are_shown() {
    let authority = Authority::new();
    let port = site(Some(authority.certificate("localhost", 90)), MOVED).await;
    let moved = failure(https("localhost", port, Some(&authority.pem))).await;
    assert_eq!(moved.blame, Blame::Release);
    assert!(moved.message.contains("301 instead of 200"), "{moved:?}");
    assert!(moved.message.contains("https://elsewhere.test/"), "{moved:?}");
}

#[tokio::test]
async fn nobody_there_is_told_by_name() {
    let authority = Authority::new();
    let plain = site(None, GOOD).await;
    let silent = failure(https("localhost", plain, Some(&authority.pem))).await;
    assert!(silent.hints[0].contains("speaks TLS on this port"), "{silent:?}");

    let without = External { tls: false, ..https("localhost", plain, None) };
    asked(without).await.0.unwrap();

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = failure(https("localhost", free, Some(&authority.pem))).await;
    assert!(refused.message.contains("refused the connection"), "{refused:?}");

    let nowhere = failure(https("nowhere.invalid", 443, Some(&authority.pem))).await;
    assert_eq!(nowhere.blame, Blame::Platform);
    assert!(nowhere.message.contains("nowhere.invalid"), "{nowhere:?}");
}
