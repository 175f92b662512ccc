//! Deployments behind TLS that the proxy ends itself.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, client::Resumption,
    pki_types::ServerName,
};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use testkit::{
    app::App,
    ports,
    stand::{HOST, Layout, Stand, TARGET},
    time::eventually,
};

const MOMENT: Duration = Duration::from_secs(30);
const CLIENTS: usize = 4;
/// Requests on one connection.
const KEPT: usize = 10;

/// Signs certificates for [`HOST`].
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    client: Arc<ClientConfig>,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Who takes up an earlier session is shown no certificate.
        client.resumption = Resumption::disabled();
        Authority { issuer: Issuer::new(params, key), client: Arc::new(client) }
    }

    /// Puts another certificate in the place of the one that is there.
    fn renew(&self, files: &(PathBuf, PathBuf)) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        put(&files.1, &key.serialize_pem());
        put(&files.0, &signed.pem());
    }

    fn connect(&self, address: SocketAddr) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from(HOST).unwrap();
        let mut connection = ClientConnection::new(self.client.clone(), name).unwrap();
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(MOMENT))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }
}

fn put(path: &Path, text: &str) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&temporary, path).unwrap();
}

/// Adds TLS to the stand's configuration; where it listens, and the files.
fn secured(stand: &Stand) -> (SocketAddr, (PathBuf, PathBuf)) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let folder = stand.folder.path();
    let files = (folder.join("chain.pem"), folder.join("key.pem"));
    let (chain, key) = (files.0.display(), files.1.display());
    let https = format!(
        "proxy: {{ https: {{ listen: [\"{address}\"], hsts: 1h, certificates: {{ {HOST}: \
         {{ certificate: {chain}, key: {key} }} }} }}, "
    );
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replacen("proxy: { ", &https, 1)).unwrap();
    (address, files)
}

/// Ends the clients, also where the test has failed.
struct Ends<'f>(&'f AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What became of the requests of all clients.
#[derive(Default)]
struct Fates {
    stop: AtomicBool,
    whole: AtomicU64,
    failed: Mutex<Vec<String>>,
    certificates: Mutex<BTreeSet<Vec<u8>>>,
}

fn ask(authority: &Authority, address: SocketAddr, fates: &Fates) {
    while !fates.stop.load(Ordering::Relaxed) {
        if let Err(error) = converse(authority, address, fates) {
            fates.failed.lock().unwrap().push(error.to_string());
        }
    }
}

fn converse(authority: &Authority, address: SocketAddr, fates: &Fates) -> io::Result<()> {
    let mut stream = authority.connect(address)?;
    let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
    fates.certificates.lock().unwrap().insert(shown);
    for turn in 1..=KEPT {
        let last = if turn == KEPT { "Connection: close\r\n" } else { "" };
        write!(stream, "GET /api/version HTTP/1.1\r\nHost: {HOST}\r\n{last}\r\n")?;
        let head = response(&mut stream)?;
        if !head.starts_with("HTTP/1.1 200 ") || !head.contains("\r\nstrict-transport-security: ") {
            return Err(io::Error::other(head));
        }
        fates.whole.fetch_add(1, Ordering::Relaxed);
        // An instance that ends says so.
        if head.contains("\r\nconnection: close\r\n") {
            break;
        }
    }
    Ok(())
}

/// The head of a response that was read to its end.
fn response(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|it| it.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| io::Error::other(head.clone()))?];
    stream.read_exact(&mut body)?;
    Ok(lower.replacen("http/1.1", "HTTP/1.1", 1))
}

fn deploy(stand: &Stand, version: &str, code: i32) -> String {
    let from = stand.release(version, "").display().to_string();
    let words = ["deploy", TARGET, version, "--from", &from, "--yes"];
    stand.cutover_within(&words, Duration::from_secs(90)).expect(code).text()
}

#[test]
fn deployments_and_new_certificates_lose_no_request() {
    let stand = Stand::new(Layout { app: App::Rust, bake_s: 0.3, ..Layout::default() });
    let (address, files) = secured(&stand);
    let authority = Authority::new();
    // Not without a certificate that can be presented.
    let said = deploy(&stand, "1.0.0", 2);
    assert!(said.contains("chain.pem cannot be read"), "{said}");
    authority.renew(&files);
    deploy(&stand, "1.0.0", 0);
    let fates = Fates::default();
    thread::scope(|scope| {
        let _ends = Ends(&fates.stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| ask(&authority, address, &fates));
        }
        let more = |count: u64| {
            let before = fates.whole.load(Ordering::Relaxed);
            eventually("requests are answered", MOMENT, || {
                (fates.whole.load(Ordering::Relaxed) >= before + count).then_some(())
            });
        };
        more(50);
        for version in ["1.1.0", "1.2.0"] {
            authority.renew(&files);
            stand.cutover(&["cert", "reload"]).expect(0);
            deploy(&stand, version, 0);
        }
        // A broken one changes nothing, and is told.
        put(&files.0, "nothing of the kind");
        let said = stand.cutover(&["cert", "reload"]).expect(2).out;
        assert!(said.contains("chain.pem holds no certificate chain in PEM"), "{said}");
        more(50);
        let said = stand.cutover(&["status"]).expect(0).out;
        assert!(said.contains("the old one serves on"), "{said}");
        stand.cutover(&["rollback", TARGET]).expect(0);
        more(50);
    });
    let failed = fates.failed.lock().unwrap();
    let (whole, shown) = (fates.whole.load(Ordering::Relaxed), fates.certificates.lock().unwrap());
    println!("{whole} requests over TLS, {} failed, {} certificates", failed.len(), shown.len());
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(shown.len(), 3);

    let mut clear = TcpStream::connect(stand.address).unwrap();
    write!(clear, "GET /a?b HTTP/1.1\r\nHost: {HOST}\r\n\r\n").unwrap();
    let head = response(&mut clear).unwrap();
    let expected = format!("location: https://{HOST}:{}/a?b\r\n", address.port());
    assert!(head.starts_with("HTTP/1.1 308 ") && head.contains(&expected), "{head}");
}

/// Requests of one run of `h2load`, of all its connections.
const LOADED: &str = "300";

/// What `h2load` says of one run: some seconds, over HTTP/2 connections that are kept.
fn h2load(address: SocketAddr) -> String {
    let ran = Command::new("h2load")
        .args(["-n", LOADED, "-c", "4", "-m", "8", "--rps=50", "--connect-to"])
        .arg(address.to_string())
        .arg(format!("https://{HOST}:{}/api/version", address.port()))
        .output()
        .unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn clients_of_http_2_notice_no_deployment() {
    let stand = Stand::new(Layout { app: App::Rust, bake_s: 0.3, ..Layout::default() });
    let (address, files) = secured(&stand);
    Authority::new().renew(&files);
    deploy(&stand, "1.0.0", 0);
    let stop = AtomicBool::new(false);
    let (began, runs) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                began.store(true, Ordering::Relaxed);
                runs.lock().unwrap().push(h2load(address));
            }
        });
        eventually("the load begins", MOMENT, || began.load(Ordering::Relaxed).then_some(()));
        deploy(&stand, "1.1.0", 0);
    });
    let runs = runs.into_inner().unwrap();
    println!("{} runs of {LOADED} requests over HTTP/2", runs.len());
    for said in &runs {
        assert!(said.contains("Application protocol: h2\n"), "{said}");
        let all = format!("{LOADED} succeeded, 0 failed, 0 errored, 0 timeout");
        assert!(said.contains(&all), "{said}");
        let status = format!("{LOADED} 2xx, 0 3xx, 0 4xx, 0 5xx");
        assert!(said.contains(&status), "{said}");
    }
}

#[test]
fn a_port_that_somebody_has_is_told_before_anything_is_done() {
    let stand = Stand::new(Layout { app: App::Rust, ..Layout::default() });
    let (address, files) = secured(&stand);
    Authority::new().renew(&files);
    let _other = TcpListener::bind(address).unwrap();
    let said = deploy(&stand, "1.0.0", 2);
    assert!(said.contains(&format!("port {}", address.port())), "{said}");
}
