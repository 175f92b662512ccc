//! How an authority is asked: each request on a connection of its own, bounded in time and bytes.

use crate::roots;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use model::edge::Acme;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    fs,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// For one request, from the look-up of the name to the last byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Of one answer.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Of a name's addresses, so many are tried.
const ADDRESSES_MAX: usize = 8;
const HTTPS_PORT: u16 = 443;

/// Asks, and remembers how long it was told to wait.
#[derive(Clone)]
pub(super) struct Wire {
    config: Arc<ClientConfig>,
    retry_after_s: Arc<Mutex<Option<i64>>>,
}

impl Wire {
    /// Who trusts whom the configuration says, or else whom this host trusts.
    pub(super) fn new(acme: &Acme) -> Result<Wire, String> {
        let roots = match &acme.root {
            None => roots::of_the_host(),
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("`root` {path} cannot be read: {error}"))?;
                roots::given(&text, "root")
            }
        };
        let roots = roots.map_err(|it| it.message)?;
        if roots.is_empty() {
            let path = acme.root.as_deref().unwrap_or_default();
            return Err(format!("`root` {path} holds no certificate in PEM"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Wire { config: Arc::new(config), retry_after_s: Arc::default() })
    }

    /// What the last answer that refused said of another try, in seconds from then.
    pub(super) fn retry_after_s(&self) -> Option<i64> {
        *self.retry_after_s.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
        let uri = request.uri().clone();
        let (host, port) = place(&uri)?;
        let stream = connected(&host, port).await?;
        let name = ServerName::try_from(host.clone())
            .map_err(|_| io::Error::other(format!("`{host}` is no name of a host")))?;
        let stream = TlsConnector::from(self.config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| io::Error::other(format!("no trusted connection: {error}")))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(unanswered)?;
        let _connection = Connection(tokio::spawn(async move {
            // How it ends is told by the request.
            let _ = connection.await;
        }));
        let response = sender.send_request(own(request, &uri)?).await.map_err(unanswered)?;
        let (head, body) = response.into_parts();
        if head.status.as_u16() == 429 || head.status.is_server_error() {
            let told = head.headers.get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
            let seconds = told.and_then(|it| it.trim().parse::<i64>().ok());
            *self.retry_after_s.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
        }
        let whole = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let whole = whole.map_err(|error| io::Error::other(format!("it broke off: {error}")))?;
        Ok(Response::from_parts(head, Full::new(whole.to_bytes())))
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let silent = |why: String| Error::Other(format!("{host} is not reached: {why}").into());
            match timeout(REQUEST_TIMEOUT, this.ask(request)).await {
                Ok(Ok(response)) => Ok(BytesResponse::from(response)),
                Ok(Err(error)) => Err(silent(error.to_string())),
                Err(_) => Err(silent(format!("no answer in {} s", REQUEST_TIMEOUT.as_secs()))),
            }
        })
    }
}

/// The task that moves a connection's bytes: it ends with the one who asks.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn place(uri: &Uri) -> io::Result<(String, u16)> {
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host =
        host.ok_or_else(|| io::Error::other(format!("{uri} is not a `https://` address")))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok((bare.to_owned(), uri.port_u16().unwrap_or(HTTPS_PORT)))
}

/// In the form that a server expects, which is not a proxy.
fn own(
    mut request: Request<BodyWrapper<Bytes>>,
    uri: &Uri,
) -> io::Result<Request<BodyWrapper<Bytes>>> {
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    let host = uri.authority().map(|it| it.as_str()).unwrap_or_default();
    let host = header::HeaderValue::from_str(host).map_err(io::Error::other)?;
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

async fn connected(host: &str, port: u16) -> io::Result<TcpStream> {
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|error| io::Error::other(format!("no address is known: {error}")))?;
    let mut last = io::Error::other("no address is known");
    for address in found.take(ADDRESSES_MAX).collect::<Vec<SocketAddr>>() {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unanswered(error: hyper::Error) -> io::Error {
    io::Error::other(format!("it answers no proper HTTP: {error}"))
}
