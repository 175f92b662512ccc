//! One HTTP exchange on the controller's Unix socket.

use crate::halt::Halt;
use bytes::{Bytes, BytesMut};
use daemon::api::words::ErrorReport;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use model::failure::{Blame, Failure};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::socket_peercred,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{io::Interest, net::UnixStream};

/// A longer answer is none of the controller's.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A longer line is none of the controller's.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Why there is no answer, or none that helps.
#[derive(Debug)]
pub enum CallError {
    /// Nobody listens.
    Nobody(io::Error),
    /// The user may not ask.
    Forbidden(PathBuf),
    /// Somebody listens, and did not answer in time or to the end.
    Lost(String),
    /// It answers, in words of another build than ours.
    Stranger(String),
    /// It answers, and refuses.
    Refused(Box<ErrorReport>),
}

impl CallError {
    /// Whether asking again, perhaps somebody else, may help.
    pub fn is_lost(&self) -> bool {
        matches!(self, CallError::Nobody(_) | CallError::Lost(_))
    }
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Halt {
        match error {
            CallError::Refused(report) => Halt::Failed(report, None),
            CallError::Nobody(error) => Halt::unreachable(
                Failure::new(Blame::Platform, format!("reach the controller: {error}"))
                    .hint("`cutover daemon start` starts it"),
            ),
            CallError::Forbidden(path) => Halt::unreachable(
                Failure::new(
                    Blame::Request,
                    format!("reach the controller: {} belongs to another user", path.display()),
                )
                .hint("run as that user, or as root"),
            ),
            CallError::Stranger(what) => Halt::unreachable(
                Failure::new(
                    Blame::Request,
                    "understand the controller: it was started from another build of this program",
                )
                .evidence(what)
                .hint("`cutover daemon stop` ends it, the next verb starts the one of this build")
                .hint("what serves goes on serving meanwhile, and a deployment is gone on with"),
            ),
            CallError::Lost(why) => Halt::unreachable(
                Failure::new(Blame::Platform, format!("get the controller's answer: {why}"))
                    .hint("`cutover daemon status` shows whether it runs")
                    .hint("`cutover daemon start --take-over` replaces one that hangs"),
            ),
        }
    }
}

/// What is sent.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing.
pub fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

/// A value.
pub fn json(value: &impl Serialize) -> Result<Body, CallError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|it| CallError::Lost(format!("the request cannot be written: {it}")))?;
    Ok(Full::from(bytes).map_err(|never| match never {}).boxed_unsync())
}

/// A text.
pub fn text(text: String) -> Body {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

/// Pieces as they come; an error among them breaks the connection off.
pub fn streamed(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(stream.map(|it| it.map(Frame::data))).boxed_unsync()
}

/// Sends a request and waits for the head of a good answer.
pub async fn call(
    root: &Path,
    method: Method,
    path: &str,
    header: Option<(&str, String)>,
    body: Body,
    wait: Duration,
) -> Result<Response<Incoming>, CallError> {
    let stream = connect(root).await?;
    exchange(stream, method, path, header, body, wait).await
}

/// Hands an open directory over with a request that has no body; none where the controller is
/// another user's, who would be given what only we may read.
pub async fn hand_over(
    root: &Path,
    directory: &OwnedFd,
    path: &str,
    wait: Duration,
) -> Result<Option<Response<Incoming>>, CallError> {
    let stream = connect(root).await?;
    let lost = |it: io::Error| CallError::Lost(it.to_string());
    let theirs = socket_peercred(&stream).map_err(|it| lost(it.into()))?.uid;
    if theirs != rustix::process::geteuid() {
        return Ok(None);
    }
    let send = || -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [directory.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        // A descriptor needs something to come with: an empty line before a request is passed over.
        let line = [IoSlice::new(b"\r\n")];
        Ok(sendmsg(&stream, &line, &mut ancillary, SendFlags::NOSIGNAL)?)
    };
    stream.writable().await.map_err(lost)?;
    stream.try_io(Interest::WRITABLE, send).map_err(lost)?;
    exchange(stream, Method::PUT, path, None, empty(), wait).await.map(Some)
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    header: Option<(&str, String)>,
    body: Body,
    wait: Duration,
) -> Result<Response<Incoming>, CallError> {
    let lost = |it: hyper::Error| CallError::Lost(it.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // It ends with the exchange; its errors are told by the response.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "controller")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(body).map_err(|it| CallError::Lost(it.to_string()))?;
    let response = tokio::time::timeout(wait, sender.send_request(request))
        .await
        .map_err(|_| too_late(wait))?
        .map_err(lost)?;
    if response.status().is_success() { Ok(response) } else { Err(refused(response, wait).await) }
}

/// The whole answer as a value.
pub async fn whole<T: DeserializeOwned>(
    response: Response<Incoming>,
    wait: Duration,
) -> Result<T, CallError> {
    let bytes = collected(response, wait).await?;
    serde_json::from_slice(&bytes)
        .map_err(|it| CallError::Stranger(format!("its answer is not understood: {it}")))
}

async fn collected(response: Response<Incoming>, wait: Duration) -> Result<Bytes, CallError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
    let body = tokio::time::timeout(wait, body).await.map_err(|_| too_late(wait))?;
    Ok(body.map_err(|it| CallError::Lost(it.to_string()))?.to_bytes())
}

async fn refused(response: Response<Incoming>, wait: Duration) -> CallError {
    let status = response.status();
    let bytes = match collected(response, wait).await {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    match serde_json::from_slice::<ErrorReport>(&bytes) {
        Ok(report) => CallError::Refused(Box::new(report)),
        Err(_) => {
            let text = String::from_utf8_lossy(&bytes);
            let said = format!("it answered {status} {}", text.trim()).trim_end().to_owned();
            // Its own refusals are reports: this one comes from what reads requests, which does
            // not know ours.
            if status.is_client_error() { CallError::Stranger(said) } else { CallError::Lost(said) }
        }
    }
}

fn too_late(wait: Duration) -> CallError {
    CallError::Lost(format!("it did not come within {} s", wait.as_secs()))
}

/// The kernel takes 107 bytes of a path: the socket is named through its directory's descriptor.
async fn connect(root: &Path) -> Result<UnixStream, CallError> {
    let opened = File::open(root).map_err(|it| failed(root, it))?;
    let short = format!("/proc/self/fd/{}/daemon.sock", opened.as_raw_fd());
    UnixStream::connect(short).await.map_err(|it| failed(&root.join("daemon.sock"), it))
}

fn failed(path: &Path, error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => CallError::Forbidden(path.to_owned()),
        _ => CallError::Nobody(error),
    }
}

/// An answer that comes line by line.
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
}

/// Reads the answer line by line.
pub async fn lines(response: Response<Incoming>) -> Result<Lines, CallError> {
    Ok(Lines { body: response.into_body(), buffer: BytesMut::new() })
}

impl Lines {
    /// The next line without its end; none at the end of the answer.  May be dropped and called
    /// again: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(at) = self.buffer.iter().position(|it| *it == b'\n') {
                let mut line = self.buffer.split_to(at + 1);
                line.truncate(at);
                return Ok(Some(line.freeze()));
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(CallError::Lost("a line of it has no end".to_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(CallError::Lost(error.to_string())),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Ok(Some(self.buffer.split().freeze())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    const WAIT: Duration = Duration::from_secs(10);

    /// What comes of an answer, sent as it stands.
    async fn answered(answer: &'static str) -> Result<serde_json::Value, CallError> {
        let root = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(root.path().join("daemon.sock")).unwrap();
        let controller = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let asking = async {
            let response = call(root.path(), Method::GET, "/v1/info", None, empty(), WAIT).await?;
            whole(response, WAIT).await
        };
        tokio::join!(controller, asking).1
    }

    #[tokio::test]
    async fn a_controller_of_another_build_is_told_from_one_that_is_lost() {
        let unknown = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        let field = "HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 5\r\n\r\nfield";
        let other = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnews";
        for answer in [unknown, field, other] {
            let error = answered(answer).await.unwrap_err();
            assert!(matches!(error, CallError::Stranger(_)) && !error.is_lost(), "{error:?}");
        }
        let fell = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut";
        for answer in [fell, cut] {
            let error = answered(answer).await.unwrap_err();
            assert!(error.is_lost(), "{error:?}");
        }
    }
}
