//! Certificates of our own making, and clients that trust them.

use proxy::control::{Answer, Ask, CertificateStatus};
use proxy::edge::{CertificateFiles, EdgeFile, FORMAT, edge_directory, edge_path, edge_text};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs::{self, Permissions};
use std::io::{self, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::http::Connection;
use super::{PATIENCE, Proxy, SHOP};

/// A listener in clear, and one for TLS.
pub const BOTH: &str = "127.0.0.1:0,https://127.0.0.1:0";

/// Writes a new certificate for these names to `NAME.pem` and `NAME.key`.
pub fn certificate(directory: &Path, name: &str, hosts: &[&str]) -> CertificateFiles {
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(|it| (*it).to_owned()).collect();
    let signed = CertificateParams::new(hosts).unwrap().self_signed(&key).unwrap();
    let files = CertificateFiles {
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    };
    fs::write(&files.certificate, signed.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
    files
}

/// Of [`SHOP`], with these certificates.
pub fn edge(certificates: &[(&str, &CertificateFiles)]) -> EdgeFile {
    let certificates = certificates.iter();
    EdgeFile {
        format: FORMAT,
        certificates: certificates.map(|(host, it)| ((*host).to_owned(), (*it).clone())).collect(),
        ..EdgeFile::default()
    }
}

impl Proxy {
    /// With a listener of each kind.
    pub fn start_both() -> Self {
        Self::start_both_within(None)
    }

    /// And with a limit of open descriptors.
    pub fn start_both_limited(descriptors: u64) -> Self {
        Self::start_both_within(Some(descriptors))
    }

    fn start_both_within(descriptors: Option<u64>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        fs::create_dir_all(proxy::route_file::routes_directory(&root)).unwrap();
        Self::start_in(directory, root, BOTH, descriptors)
    }

    pub fn secure_address(&self) -> String {
        self.status().addresses[1].strip_prefix("https://").unwrap().to_owned()
    }

    /// Writes the edge file of [`SHOP`], and has it read.
    pub fn put_edge(&self, file: &EdgeFile) -> Vec<CertificateStatus> {
        fs::create_dir_all(edge_directory(&self.root)).unwrap();
        fs::write(edge_path(&self.root, SHOP), edge_text(file).unwrap()).unwrap();
        match self.ask(&Ask::Edges) {
            Answer::Edges { certificates, broken } => {
                assert!(broken.is_empty(), "{broken:?}");
                certificates
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Trusts the one certificate in this file, and shakes hands as `host`.
pub fn connect(
    address: &str,
    host: &str,
    trusted: &Path,
) -> io::Result<Connection<StreamOwned<ClientConnection, TcpStream>>> {
    let stream = shake_hands(address, host, trusted, b"http/1.1")?;
    Ok(Connection { reader: BufReader::new(stream) })
}

/// As [`connect`], to speak this protocol.
pub fn shake_hands(
    address: &str,
    host: &str,
    trusted: &Path,
    protocol: &[u8],
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let config = trusting(trusted, protocol);
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// A client that trusts the one certificate in this file.
pub fn trusting(trusted: &Path, protocol: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}
