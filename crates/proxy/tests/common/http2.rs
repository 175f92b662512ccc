//! A client that speaks HTTP/2 over TLS as it should, and a writer of frames that need not be so.

use super::tls::{certificate, edge, shake_hands, trusting};
use super::{PATIENCE, Proxy};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// The host that has a certificate.
pub const HOST: &str = "shop.test";

/// Where the proxy speaks TLS for [`HOST`], and what to trust.
pub struct Secure {
    pub address: String,
    pub trusted: PathBuf,
}

impl Secure {
    pub fn of(proxy: &Proxy) -> Self {
        let files = certificate(&proxy.root, "shop", &[HOST]);
        proxy.put_edge(&edge(&[(HOST, &files)]));
        Secure { address: proxy.secure_address(), trusted: files.certificate }
    }
}

/// Runs a client's part, which must not take longer than anything may.
pub fn run<T>(part: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(3 * PATIENCE, part).await };
    runtime.block_on(bounded).expect("it ends in time")
}

/// Waits until `condition` holds, while the connections go on.
pub async fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What was answered, whole.
#[derive(Debug, Default)]
pub struct Answer {
    pub interim: Vec<u16>,
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|it| it.to_str().ok())
    }
}

pub struct Client {
    pub sender: SendRequest<Bytes>,
    /// Ends with the connection.
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub async fn open(secure: &Secure) -> Client {
        let config = trusting(&secure.trusted, b"h2");
        let socket = tokio::net::TcpStream::connect(&secure.address).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        Client { sender, connection: tokio::spawn(connection) }
    }

    /// Sends a head; the body is to follow if not `ended`.
    pub async fn begin(
        &mut self,
        request: Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        poll_fn(|context| self.sender.poll_ready(context)).await?;
        self.sender.send_request(request, ended)
    }

    pub async fn ask(&mut self, request: Request<()>) -> Result<Answer, h2::Error> {
        let (response, _) = self.begin(request, true).await?;
        answer(response).await
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        self.ask(to("GET", path)).await
    }

    /// Sends the body in pieces as the proxy takes them, then trailers if there are any.
    pub async fn send(
        &mut self,
        request: Request<()>,
        pieces: &[&[u8]],
        trailers: Option<HeaderMap>,
    ) -> Result<Answer, h2::Error> {
        let (response, mut stream) = self.begin(request, false).await?;
        let upload = async {
            for piece in pieces {
                send_piece(&mut stream, piece).await?;
            }
            match trailers {
                Some(trailers) => stream.send_trailers(trailers),
                None => stream.send_data(Bytes::new(), true),
            }
        };
        let (sent, answer) = tokio::join!(upload, answer(response));
        let answer = answer?;
        sent.map(|()| answer)
    }
}

/// Waits for the window.
pub async fn send_piece(stream: &mut SendStream<Bytes>, piece: &[u8]) -> Result<(), h2::Error> {
    let mut rest = Bytes::copy_from_slice(piece);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        if stream.capacity() == 0 {
            let Some(more) = poll_fn(|context| stream.poll_capacity(context)).await else {
                return Ok(());
            };
            more?;
        }
        let fits = stream.capacity().min(rest.len());
        stream.send_data(rest.split_to(fits), false)?;
    }
    Ok(())
}

pub fn to(method: &str, path: &str) -> Request<()> {
    let uri = format!("https://{HOST}{path}");
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

/// Status and fields, and what came before them.
pub async fn head(
    mut response: ResponseFuture,
) -> Result<(Vec<u16>, Response<RecvStream>), h2::Error> {
    let mut interim = Vec::new();
    let response = poll_fn(|context| {
        while let Poll::Ready(Some(early)) = response.poll_informational(context) {
            match early {
                Ok(early) => interim.push(early.status().as_u16()),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut response).poll(context)
    })
    .await?;
    Ok((interim, response))
}

pub async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (interim, response) = head(response).await?;
    let (parts, mut body) = response.into_parts();
    let status = parts.status.as_u16();
    let mut answer = Answer { interim, status, fields: parts.headers, ..Answer::default() };
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        answer.body.extend_from_slice(&data);
    }
    answer.trailers = body.trailers().await?;
    Ok(answer)
}

/// Frame kinds, by their names in RFC 9113.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame, right or wrong.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is neither compressed nor remembered.  Both parts are shorter than 127 bytes.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let (name_bytes, value_bytes) = (name.len() as u8, value.len() as u8);
    [&[0, name_bytes], name.as_bytes(), &[value_bytes], value.as_bytes()].concat()
}

/// The fields of a request.
pub fn fields(method: &str, path: &str) -> Vec<u8> {
    let pairs = [(":method", method), (":scheme", "https"), (":path", path), (":authority", HOST)];
    pairs.iter().flat_map(|it| literal(it.0, it.1)).collect()
}

/// A connection on which anything may be sent.
pub struct Raw(pub StreamOwned<ClientConnection, TcpStream>);

impl Raw {
    /// Connects, and says hello.
    pub fn open(secure: &Secure) -> Raw {
        Self::settled(&secure.address, &secure.trusted, &[])
    }

    /// With these settings.
    pub fn settled(address: &str, trusted: &Path, settings: &[u8]) -> Raw {
        let mut raw = Raw(shake_hands(address, HOST, trusted, b"h2").unwrap());
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        raw.send(&frame(kind::SETTINGS, 0, 0, settings)).unwrap();
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// The next frame: kind, flags, stream, payload.
    pub fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.fill(&mut payload)?;
        Ok((kind, flags, u32::from_be_bytes(stream), payload))
    }

    /// Without a try to send what could not be sent before.
    fn fill(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        let StreamOwned { conn, sock } = &mut self.0;
        while !bytes.is_empty() {
            match conn.reader().read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    conn.read_tls(sock)?;
                    conn.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads to the end: the code of the connection's dismissal, if one came.
    pub fn dismissed(&mut self) -> Option<u32> {
        let mut code = None;
        while let Ok((kind, _, _, payload)) = self.read() {
            if kind == kind::GOAWAY {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
        code
    }
}
