//! What a certificate authority meets that asks whose a host is.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::Backend;
use common::http::Connection;
use common::tls::{certificate, connect, edge};
use common::{PATIENCE, Proxy, shop, target};
use proxy::challenge::{Proof, challenge_path, challenge_text, challenges_directory, issued_path};
use proxy::control::Ask;
use proxy::edge::CertificateFiles;
use proxy::maintenance::{maintenance_directory, maintenance_path, maintenance_text};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::fs;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

const PATH: &str = "/.well-known/acme-challenge/to-ken_1";

fn put(proxy: &Proxy, host: &str, proof: &Proof) {
    fs::create_dir_all(challenges_directory(&proxy.root)).unwrap();
    let text = challenge_text(host, proof).unwrap();
    fs::write(challenge_path(&proxy.root, host), text).unwrap();
    proxy.ask(&Ask::Edges);
}

fn http() -> Proof {
    Proof::Http { token: "to-ken_1".to_owned(), answer: "to-ken_1.print".to_owned() }
}

/// Takes whatever certificate it is shown.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// The certificate that is shown to who asks for these protocols, and the one that was agreed on.
fn shown(
    address: &str,
    host: &str,
    protocols: &[&[u8]],
) -> io::Result<(Vec<u8>, Option<Vec<u8>>, TcpStream)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    let shown = connection.peer_certificates().unwrap()[0].to_vec();
    Ok((shown, connection.alpn_protocol().map(<[u8]>::to_vec), socket))
}

#[test]
fn a_token_is_answered_whatever_else_holds() {
    let backend = Backend::named("a");
    let proxy = Proxy::start_both();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let files = certificate(&proxy.root, "shop", &["shop.test"]);
    let mut file = edge(&[("shop.test", &files)]);
    file.redirect = true;
    proxy.put_edge(&file);
    put(&proxy, "shop.test", &http());
    fs::create_dir_all(maintenance_directory(&proxy.root)).unwrap();
    let text = maintenance_text(&[], None).unwrap();
    fs::write(maintenance_path(&proxy.root, common::SHOP), text).unwrap();
    proxy.ask(&Ask::Edges);

    let mut client = Connection::open(&proxy.address);
    for host in ["shop.test", "SHOP.test:5002", "unknown.test"] {
        client.send(format!("GET {PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        let response = client.response(false).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "to-ken_1.print"), "{host}");
    }
    client.send(format!("HEAD {PATH} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).unwrap();
    let response = client.response(true).unwrap();
    assert_eq!(response.field("content-length"), Some("14"));
    let mut secure = connect(&proxy.secure_address(), "shop.test", &files.certificate).unwrap();
    assert_eq!(secure.get(PATH).unwrap().text(), "to-ken_1.print");
    // All else is somebody else's.
    client.send(format!("POST {PATH} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).unwrap();
    assert_eq!(client.response(false).unwrap().status, 503);
    fs::remove_file(maintenance_path(&proxy.root, common::SHOP)).unwrap();
    fs::remove_file(challenge_path(&proxy.root, "shop.test")).unwrap();
    proxy.ask(&Ask::Edges);
    client.send(format!("GET {PATH} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).unwrap();
    assert_eq!(client.response(false).unwrap().text(), "a", "the application's own");
}

#[test]
fn a_handshake_that_asks_for_a_proof_gets_it_and_nobody_else_does() {
    let backend = Backend::named("a");
    let proxy = Proxy::start_both();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let files = certificate(&proxy.root, "shop", &["shop.test"]);
    proxy.put_edge(&edge(&[("shop.test", &files)]));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let own = params.self_signed(&key).unwrap();
    let pem = format!("{}{}", own.pem(), key.serialize_pem());
    put(&proxy, "shop.test", &Proof::Tls { pem });

    let address = proxy.secure_address();
    let (proof, agreed, mut socket) = shown(&address, "shop.test", &[b"acme-tls/1"]).unwrap();
    assert_eq!(proof, own.der().to_vec());
    assert_eq!(agreed.as_deref(), Some(&b"acme-tls/1"[..]));
    io::copy(&mut socket, &mut io::sink()).unwrap();
    for protocols in [&[&b"http/1.1"[..]][..], &[&b"acme-tls/1"[..], b"http/1.1"], &[]] {
        let (other, ..) = shown(&address, "shop.test", protocols).unwrap();
        assert_ne!(other, proof, "{protocols:?}");
    }
    assert!(shown(&address, "blog.test", &[b"acme-tls/1"]).is_err());
    fs::remove_file(challenge_path(&proxy.root, "shop.test")).unwrap();
    proxy.ask(&Ask::Edges);
    assert!(shown(&address, "shop.test", &[b"acme-tls/1"]).is_err());
}

#[test]
fn a_host_whose_certificate_is_not_issued_yet_is_served_in_clear() {
    let backend = Backend::named("a");
    let proxy = Proxy::start_both();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let issued = issued_path(&proxy.root, "shop.test");
    let files = CertificateFiles { certificate: issued.clone(), key: issued.clone() };
    let mut file = edge(&[("shop.test", &files)]);
    file.redirect = true;
    let told = proxy.put_edge(&file);
    let trouble = told[0].trouble.as_ref().unwrap();
    assert!(trouble.contains("no certificate has been issued yet"), "{trouble}");
    assert_eq!(Connection::open(&proxy.address).get("/").unwrap().text(), "a");

    let made = certificate(&proxy.root, "made", &["shop.test"]);
    let both = [&made.certificate, &made.key].map(|it| fs::read_to_string(it).unwrap()).concat();
    fs::create_dir_all(issued.parent().unwrap()).unwrap();
    fs::copy(&made.key, &issued).unwrap();
    fs::write(&issued, both).unwrap();
    common::eventually("one file holds both", || {
        connect(&proxy.secure_address(), "shop.test", &made.certificate).ok()
    });
    let mut client = Connection::open(&proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").unwrap();
    assert_eq!(client.response(false).unwrap().status, 308);
}
