//! Certificates of a real authority, whatever it, the disk and the network do meanwhile.

use crate::world::World;
use drivers::acme::{Report, alerts, reports};
use model::{
    edge::{Acme, Challenge, Edge},
    failure::Failure,
};
use proxy::{
    challenge::{acme_directory, challenges_directory, issued_path},
    client,
    control::{Answer, Ask, CertificateStatus},
};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use testkit::{
    pebble::{Asked, Pebble},
    ports,
};

const HOST: &str = "shop.test";
const PATIENCE: Duration = Duration::from_secs(30);
const YEAR_S: u64 = 365 * 24 * 3600;

struct Scene {
    world: World,
    pebble: Pebble,
    asked: Asked,
}

impl Scene {
    /// A proxy that listens where the authority asks, and hosts that want a certificate.
    async fn new(life_s: u64, challenge: Challenge, hosts: &[&str]) -> Scene {
        let asked = Asked { http: ports::free(), tls: ports::free() };
        Scene::asked_at(asked, asked, life_s, challenge, hosts).await
    }

    async fn asked_at(
        asked: Asked,
        served: Asked,
        life_s: u64,
        challenge: Challenge,
        hosts: &[&str],
    ) -> Scene {
        let world = World::new();
        let pebble = Pebble::start(&world.outside("pebble"), asked, life_s);
        let listen =
            [format!("127.0.0.1:{}", served.http), format!("https://127.0.0.1:{}", served.tls)];
        world.local.router.ensure(&listen).await.unwrap();
        let scene = Scene { world, pebble, asked: served };
        scene.want(challenge, hosts).await;
        scene
    }

    async fn want(&self, challenge: Challenge, hosts: &[&str]) {
        let acme = Acme {
            hosts: hosts.iter().map(|it| (*it).to_owned()).collect(),
            directory: self.pebble.directory(),
            email: Some("admin@shop.test".to_owned()),
            root: Some(self.pebble.root().display().to_string()),
            challenge,
        };
        let edge = Edge { acme: Some(acme), redirect: true, ..Edge::default() };
        let router = &self.world.local.router;
        router.edge(&self.world.environment, Some(&edge)).await.unwrap();
    }

    async fn tend(&self) {
        self.world.local.certificates.tend().await.unwrap();
    }

    async fn renew(&self, host: &str) -> Result<i64, Failure> {
        let mut all = self.world.local.certificates.renew(Some(host)).await?;
        assert_eq!(all.len(), 1);
        all.remove(0).outcome
    }

    fn root(&self) -> &std::path::Path {
        self.world.layout.root()
    }

    fn report(&self, host: &str) -> Report {
        reports(self.root()).unwrap().into_iter().find(|it| it.host == host).unwrap()
    }

    fn presented(&self, host: &str) -> CertificateStatus {
        match client::ask(self.root(), &Ask::Status, PATIENCE) {
            Ok(Answer::Status(status)) => {
                status.certificates.into_iter().find(|it| it.host == host).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Files below a directory of the authority's part.
    fn files(&self, folder: &str) -> usize {
        fs::read_dir(acme_directory(self.root()).join(folder)).map_or(0, Iterator::count)
    }
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

/// The certificate that a client is shown, after an answer came over it.
fn shown(port: u16, host: &str) -> io::Result<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    assert!(head.starts_with(b"HTTP/1.1 "), "{head:?}");
    Ok(stream.conn.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn hosts_get_certificates_by_either_challenge() {
    let scene = Scene::new(YEAR_S, Challenge::Http, &[HOST, "www.shop.test"]).await;
    let trouble = scene.presented(HOST).trouble.unwrap();
    assert!(trouble.contains("no certificate has been issued yet"), "{trouble}");
    assert!(shown(scene.asked.tls, HOST).is_err(), "no other takes its place");
    scene.tend().await;
    for host in [HOST, "www.shop.test"] {
        let presented = scene.presented(host);
        assert_eq!(presented.trouble, None);
        assert_eq!(presented.facts.unwrap().names, [host]);
        assert!(shown(scene.asked.tls, host).is_ok());
        let report = scene.report(host);
        assert_eq!((report.failures, report.error.as_deref()), (0, None));
        assert!(report.next_at_s < report.ends_at_s.unwrap());
    }
    // By the other one, and with the account that is there.
    let account = fs::read(acme_directory(scene.root()).join("account.json")).unwrap();
    scene.want(Challenge::TlsAlpn, &[HOST, "api.shop.test"]).await;
    let before = fs::read(issued_path(scene.root(), HOST)).unwrap();
    scene.tend().await;
    assert!(shown(scene.asked.tls, "api.shop.test").is_ok(), "{}", scene.pebble.log());
    assert_eq!(fs::read(issued_path(scene.root(), HOST)).unwrap(), before, "it is not due");
    assert_eq!(fs::read(acme_directory(scene.root()).join("account.json")).unwrap(), account);
    // What holds a key is closed, and nothing lies about.
    for path in [issued_path(scene.root(), HOST), acme_directory(scene.root()).join("account.json")]
    {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!((scene.files("challenges"), scene.files("orders")), (0, 0));
    assert_eq!(alerts(scene.root()), Vec::<String>::new());
}

/// What clients that never stop asking have seen.
#[derive(Default)]
struct Fates {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: Mutex<Vec<String>>,
    certificates: Mutex<BTreeSet<Vec<u8>>>,
}

impl Fates {
    fn ask(&self, port: u16) {
        while !self.stop.load(Ordering::Relaxed) {
            match shown(port, HOST) {
                Ok(certificate) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    self.certificates.lock().unwrap().insert(certificate);
                }
                Err(error) => self.failed.lock().unwrap().push(error.to_string()),
            }
        }
    }
}

/// Ends the clients, also where the test has failed.
struct Ends(Arc<Fates>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_renewal_costs_no_request() {
    const LIFE_S: u64 = 9;
    let scene = Scene::new(LIFE_S, Challenge::TlsAlpn, &[HOST]).await;
    scene.tend().await;
    let first = scene.presented(HOST).facts.unwrap();
    let fates = Arc::new(Fates::default());
    let ends = Ends(fates.clone());
    let clients = [0, 1].map(|_| {
        let (fates, port) = (fates.clone(), scene.asked.tls);
        thread::spawn(move || fates.ask(port))
    });
    let deadline = Instant::now() + PATIENCE;
    let second = loop {
        scene.tend().await;
        let found = scene.presented(HOST).facts.unwrap();
        if found != first && fates.certificates.lock().unwrap().len() > 1 {
            break found;
        }
        assert!(Instant::now() < deadline, "{:?}", scene.report(HOST));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    drop(ends);
    clients.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(*fates.failed.lock().unwrap(), Vec::<String>::new());
    assert!(fates.answered.load(Ordering::Relaxed) > 10);
    let passed_s = second.begins_at_s - first.begins_at_s;
    assert!(passed_s >= 4, "it was due after {passed_s} s");
}

#[tokio::test]
async fn an_authority_that_is_gone_or_forgot_us_harms_nobody() {
    let mut scene = Scene::new(YEAR_S, Challenge::Http, &[HOST]).await;
    scene.tend().await;
    let before = shown(scene.asked.tls, HOST).unwrap();
    scene.pebble.end();
    let failure = scene.renew(HOST).await.unwrap_err();
    assert!(failure.message.contains("is not reached"), "{failure:?}");
    assert_eq!(shown(scene.asked.tls, HOST).unwrap(), before);
    let report = scene.report(HOST);
    assert_eq!(report.failures, 1);
    assert_eq!(alerts(scene.root()), Vec::<String>::new(), "it was not due");
    // It is not asked again and again, also not by another life.
    let another = drivers::acme::Certificates::new(scene.world.layout.clone());
    another.tend().await.unwrap();
    scene.tend().await;
    assert_eq!(scene.report(HOST).failures, 1);
    // It comes back, and knows no account of ours.
    scene.pebble.run();
    scene.renew(HOST).await.unwrap();
    assert_ne!(shown(scene.asked.tls, HOST).unwrap(), before);
    assert_eq!(alerts(scene.root()), Vec::<String>::new());
    // Four within a week are enough, whoever asks.
    for _ in 0..2 {
        scene.renew(HOST).await.unwrap();
    }
    let failure = scene.renew(HOST).await.unwrap_err();
    assert!(failure.message.contains("were issued within a week"), "{failure:?}");
    let failure = scene.renew("other.test").await.unwrap_err();
    assert!(failure.message.contains("no authority is to issue it"), "{failure:?}");
}

#[tokio::test]
async fn what_cannot_be_proved_is_told_and_serves_on_as_it_did() {
    let asked = Asked { http: ports::free(), tls: ports::free() };
    let served = Asked { http: ports::free(), tls: ports::free() };
    let scene = Scene::asked_at(asked, served, YEAR_S, Challenge::Http, &[HOST]).await;
    scene.tend().await;
    let report = scene.report(HOST);
    let error = report.error.unwrap();
    assert!(error.contains("the authority looked, and was not convinced"), "{error}");
    assert_eq!((report.failures, report.ends_at_s), (1, None));
    let told = alerts(scene.root());
    assert!(told.len() == 1 && told[0].contains("it is tried again at"), "{told:?}");
    assert!(scene.presented(HOST).facts.is_none());
    let failure = scene.renew(HOST).await.unwrap_err();
    assert!(failure.hints[0].contains("port 80"), "{failure:?}");
    assert_eq!((scene.files("challenges"), scene.files("orders")), (0, 0));
    // A root that is none, and one that does not sign it.
    let root = scene.world.outside("roots").join("root.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["other.test".to_owned()]).unwrap();
    let other = other.self_signed(&key).unwrap().pem();
    for (text, said) in [("hello", "holds no certificate"), (&other, "no trusted connection")] {
        fs::write(&root, text).unwrap();
        let acme = Acme {
            hosts: [HOST.to_owned()].into(),
            directory: scene.pebble.directory(),
            email: None,
            root: Some(root.display().to_string()),
            challenge: Challenge::Http,
        };
        let edge = Edge { acme: Some(acme), ..Edge::default() };
        let router = &scene.world.local.router;
        router.edge(&scene.world.environment, Some(&edge)).await.unwrap();
        let failure = scene.renew(HOST).await.unwrap_err();
        assert!(failure.message.contains(said), "{failure:?}");
    }
}

#[tokio::test]
async fn what_is_damaged_on_disk_is_issued_anew_or_named() {
    let scene = Scene::new(YEAR_S, Challenge::Http, &[HOST]).await;
    scene.tend().await;
    let path = issued_path(scene.root(), HOST);
    let whole = fs::read_to_string(&path).unwrap();
    let key = whole.find("-----BEGIN PRIVATE KEY").unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for damaged in ["broken".to_owned(), format!("{}{other}", &whole[..key])] {
        let before = shown(scene.asked.tls, HOST).unwrap();
        fs::write(&path, damaged).unwrap();
        assert_eq!(shown(scene.asked.tls, HOST).unwrap(), before, "what is presented stays");
        scene.tend().await;
        assert_ne!(shown(scene.asked.tls, HOST).unwrap(), before, "{:?}", scene.report(HOST));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let failure = scene.renew(HOST).await.unwrap_err();
    assert!(failure.message.contains("cannot be read"), "{failure:?}");
    assert!(shown(scene.asked.tls, HOST).is_ok());
    // Notes that are damaged are as good as none.
    fs::remove_dir(&path).unwrap();
    for name in ["account.json", "pace.json", "hosts/shop.test.json"] {
        fs::write(acme_directory(scene.root()).join(name), "{").unwrap();
    }
    fs::create_dir_all(challenges_directory(scene.root())).unwrap();
    fs::write(challenges_directory(scene.root()).join("x.json"), "{").unwrap();
    scene.tend().await;
    assert!(scene.presented(HOST).facts.is_some(), "{:?}", scene.report(HOST));
}

#[tokio::test]
async fn a_try_that_is_cut_off_anywhere_is_taken_up_or_begun_anew() {
    let scene = Scene::new(YEAR_S, Challenge::Http, &[HOST]).await;
    let (mut cut, mut limit) = (0, Duration::from_millis(5));
    loop {
        let Ok(outcome) = tokio::time::timeout(limit, scene.renew(HOST)).await else {
            cut += 1;
            limit = limit * 3 / 2;
            assert!(limit < PATIENCE, "{:?}", scene.report(HOST));
            continue;
        };
        outcome.unwrap();
        break;
    }
    assert!(cut > 3, "{cut}");
    assert!(shown(scene.asked.tls, HOST).is_ok());
    assert_eq!((scene.files("challenges"), scene.files("orders")), (0, 0));
    assert_eq!(scene.report(HOST).failures, 0);
}
