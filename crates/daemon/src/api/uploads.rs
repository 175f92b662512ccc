//! Takes a release's content from the command line: it reads its own files, the daemon never does.

use crate::{
    api::{directories::expect_room, refusal::Refusal},
    controller::Controller,
};
use axum::{
    Json,
    body::{Body, BodyDataStream, Bytes},
    extract::{Path, Query, State},
    http::HeaderMap,
};
use drivers::releases::{Received, archive::Format};
use futures_util::StreamExt;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
};
use serde::Deserialize;
use std::{
    io::{self, Read},
    time::Duration,
};
use tokio::sync::mpsc;

/// Pieces that may wait for the disk.
const PIECES_MAX: usize = 16;

/// For the next piece to come.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(120);

/// What is refused is taken to its end, and forgotten, for at most so long.
const REST_WAIT_MAX: Duration = Duration::from_secs(60);

/// Free bytes that an upload leaves for the journal and the logs.
pub(super) const LEFT_FREE_BYTES_MIN: u64 = 16 << 20;

/// Says how many bytes of content will come, so that a full disk is refused before it is.
pub const CONTENT_BYTES: &str = "x-cutover-content-bytes";

/// What is sent.
#[derive(Debug, Deserialize)]
pub struct Sent {
    /// An archive of this format, made by anybody; else a tar stream of our own command line.
    archive: Option<String>,
}

/// `PUT /v1/uploads/PROJECT/ENVIRONMENT/DEPLOYMENT?archive=`
pub async fn receive(
    State(controller): State<Controller>,
    Path((project, environment, deployment)): Path<(String, String, String)>,
    Query(sent): Query<Sent>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Received>, Refusal> {
    let (environment, deployment) = named(&project, &environment, deployment)?;
    let archive = sent.archive.map(|it| it.parse::<Format>()).transpose()?;
    let mut stream = body.into_data_stream();
    let received = match admitted(&controller, &environment, &headers).await {
        Ok(()) => unpacked(&controller, environment, deployment, archive, &mut stream).await,
        Err(refusal) => Err(refusal),
    };
    if received.is_err() {
        // Who is cut off in the midst of sending does not read why.
        let rest = async { while let Some(Ok(_)) = stream.next().await {} };
        let _ = tokio::time::timeout(REST_WAIT_MAX, rest).await;
    }
    received.map(Json)
}

/// `PUT /v1/lists/PROJECT/ENVIRONMENT/DEPLOYMENT`
pub async fn receive_list(
    State(controller): State<Controller>,
    Path((project, environment, deployment)): Path<(String, String, String)>,
    list: Bytes,
) -> Result<Json<Received>, Refusal> {
    let (environment, deployment) = named(&project, &environment, deployment)?;
    let releases = controller.local.releases.clone();
    let taking = tokio::task::spawn_blocking(move || {
        releases.receive_list(&environment, &deployment, &list)
    });
    let artifact =
        taking.await.map_err(|it| Failure::new(Blame::Us, format!("take the list: {it}")))??;
    Ok(Json(Received { artifact, notes: vec![] }))
}

/// What an upload's path names.
pub(super) fn named(
    project: &str,
    environment: &str,
    deployment: String,
) -> Result<(EnvironmentId, DeploymentId), Failure> {
    let environment = format!("{project}/{environment}")
        .parse()
        .map_err(|it: model::name::NotAName| Failure::new(Blame::Request, it.to_string()))?;
    let deployment = DeploymentId(deployment);
    if deployment.is_well_formed() {
        return Ok((environment, deployment));
    }
    let message = format!("take `{deployment}` for a deployment's id: it is no ULID");
    Err(Failure::new(Blame::Request, message))
}

async fn unpacked(
    controller: &Controller,
    environment: EnvironmentId,
    deployment: DeploymentId,
    archive: Option<Format>,
    stream: &mut BodyDataStream,
) -> Result<Received, Refusal> {
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    let releases = controller.local.releases.clone();
    let unpack = tokio::task::spawn_blocking(move || {
        let reader = Pieces { receiver, piece: Bytes::new() };
        let Some(format) = archive else {
            let artifact = releases.receive(&environment, &deployment, reader)?;
            return Ok(Received { artifact, notes: vec![] });
        };
        releases.receive_archive(&environment, &deployment, format, reader)
    });
    loop {
        let piece = match tokio::time::timeout(PIECE_WAIT_MAX, stream.next()).await {
            Ok(None) => break,
            Ok(Some(piece)) => piece.map_err(|it| io::Error::new(io::ErrorKind::UnexpectedEof, it)),
            Err(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing more came")),
        };
        let is_last = piece.is_err();
        // Nobody takes it any more: what the unpacking says is why.
        if pieces.send(piece).await.is_err() || is_last {
            break;
        }
    }
    drop(pieces);
    let unpacked =
        unpack.await.map_err(|it| Failure::new(Blame::Us, format!("unpack the upload: {it}")))?;
    unpacked.map_err(Refusal::preflight)
}

async fn admitted(
    controller: &Controller,
    environment: &EnvironmentId,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let declared = headers.get(CONTENT_BYTES).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let facts = controller.local.machine.facts(environment).await.map_err(Refusal::preflight)?;
    let root = controller.root.display().to_string();
    expect_room(declared.unwrap_or(0), facts.disk_free_bytes, &root).map_err(Refusal::preflight)
}

/// The pieces of a body as a reader, for the thread that unpacks.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len());
        into[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
