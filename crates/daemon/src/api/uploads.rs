//! Takes a release's content from the command line: it reads its own files, the daemon never does.

use crate::{api::refusal::Refusal, controller::Controller};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, State},
    http::HeaderMap,
};
use futures_util::StreamExt;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
    release::Artifact,
};
use std::io::{self, Read};
use tokio::sync::mpsc;

/// Pieces that may wait for the disk.
const PIECES_MAX: usize = 16;

/// Free bytes that an upload leaves for the journal and the logs.
const LEFT_FREE_BYTES_MIN: u64 = 16 << 20;

/// Says how many bytes of content will come, so that a full disk is refused before it is.
pub const CONTENT_BYTES: &str = "x-cutover-content-bytes";

/// `PUT /v1/uploads/PROJECT/ENVIRONMENT/DEPLOYMENT`
pub async fn receive(
    State(controller): State<Controller>,
    Path((project, environment, deployment)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Artifact>, Refusal> {
    let environment: EnvironmentId = format!("{project}/{environment}")
        .parse()
        .map_err(|it: model::name::NotAName| Failure::new(Blame::Request, it.to_string()))?;
    let deployment = DeploymentId(deployment);
    if !deployment.is_well_formed() {
        let message = format!("take `{deployment}` for a deployment's id: it is no ULID");
        return Err(Failure::new(Blame::Request, message).into());
    }
    expect_room(&controller, &environment, &headers).await?;

    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    let releases = controller.local.releases.clone();
    let unpack = tokio::task::spawn_blocking(move || {
        let reader = Pieces { receiver, piece: Bytes::new() };
        releases.receive(&environment, &deployment, reader)
    });
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|it| io::Error::new(io::ErrorKind::UnexpectedEof, it));
        // Nobody takes it any more: what the unpacking says is why.
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let unpacked =
        unpack.await.map_err(|it| Failure::new(Blame::Us, format!("unpack the upload: {it}")))?;
    unpacked.map(Json).map_err(Refusal::preflight)
}

async fn expect_room(
    controller: &Controller,
    environment: &EnvironmentId,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let declared = headers.get(CONTENT_BYTES).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let facts = controller.local.machine.facts(environment).await.map_err(Refusal::preflight)?;
    let needed = declared.unwrap_or(0).saturating_add(LEFT_FREE_BYTES_MIN);
    if facts.disk_free_bytes >= needed {
        return Ok(());
    }
    let (free, root) = (facts.disk_free_bytes, controller.root.display());
    let message =
        format!("store the release: {needed} bytes are needed under {root}, {free} are free");
    Err(Refusal::preflight(
        Failure::new(Blame::Platform, message).hint("free some space there, then deploy again"),
    ))
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
