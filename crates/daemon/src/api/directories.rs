//! Takes a release's content from a directory that the command line opened and handed over: the
//! daemon is told no path, and reads nothing but what is below that descriptor.

use crate::{
    api::{
        refusal::Refusal,
        uploads::{LEFT_FREE_BYTES_MIN, named},
        words::{ErrorReport, Taking},
    },
    controller::Controller,
    socket::Peer,
};
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use drivers::releases::opened::{Taken, Told};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
};
use std::{convert::Infallible, os::fd::OwnedFd, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Lines that may wait for a slow reader: what they tell is only how far it is.
const LINES_MAX: usize = 4;

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// `PUT /v1/directories/PROJECT/ENVIRONMENT/DEPLOYMENT`, with the open directory beside it.
pub async fn receive(
    State(controller): State<Controller>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((project, environment, deployment)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let (environment, deployment) = named(&project, &environment, deployment)?;
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    match peer.take_handed() {
        Some(directory) => {
            let taking = taken(controller, environment, deployment, directory, lines);
            tokio::spawn(taking);
        }
        None => {
            let why = "no descriptor of our own user came with it".to_owned();
            // The channel is new: there is room.
            let _ = lines.try_send(line(&Taking::SendIt { why }));
        }
    }
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        let line: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(line), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(stream)).into_response())
}

/// Takes it, and tells how far it is, and what came of it.
async fn taken(
    controller: Controller,
    environment: EnvironmentId,
    deployment: DeploymentId,
    directory: OwnedFd,
    lines: mpsc::Sender<Bytes>,
) {
    let facts = match controller.local.machine.facts(&environment).await {
        Ok(facts) => facts,
        Err(failure) => return tell(&lines, refused(&controller, failure)).await,
    };
    let told = Arc::new(Told::default());
    let (releases, copying) = (controller.local.releases.clone(), told.clone());
    let root = controller.root.display().to_string();
    let mut work = tokio::task::spawn_blocking(move || {
        let admit = |bytes: u64| expect_room(bytes, facts.disk_free_bytes, &root);
        releases.take_opened(&environment, &deployment, &directory, &admit, &copying)
    });
    let mut ticks = tokio::time::interval(TELL_EVERY);
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            () = lines.closed(), if !told.is_given_up() => told.give_up(),
            _ = ticks.tick() => {
                let (bytes, total) = told.bytes();
                // A reader that is slow is told the next time.
                let _ = lines.try_send(line(&Taking::Copied { bytes, total }));
            }
        }
    };
    let last = match done {
        Ok(Ok(Taken::Received(received))) => Taking::Received(received),
        Ok(Ok(Taken::SendIt(why))) => Taking::SendIt { why },
        Ok(Err(failure)) => refused(&controller, failure),
        Err(error) => {
            refused(&controller, Failure::new(Blame::Us, format!("take a directory: {error}")))
        }
    };
    tell(&lines, last).await;
}

async fn tell(lines: &mpsc::Sender<Bytes>, taking: Taking) {
    // Whoever asked is gone: nobody is left to be told.
    let _ = lines.send(line(&taking)).await;
}

fn refused(controller: &Controller, failure: Failure) -> Taking {
    // Nothing was touched: what is wrong with the directory is whoever sends it to mend.
    let exit_code = if failure.blame == Blame::Request { 1 } else { 2 };
    let failure = controller.secrets.redactor().failure(failure);
    Taking::Refused(Box::new(ErrorReport { exit_code, failure, holder: None }))
}

fn line(taking: &Taking) -> Bytes {
    let mut line = serde_json::to_vec(taking).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

/// Refuses what leaves no room for the journal and the logs.
pub(super) fn expect_room(bytes: u64, free: u64, root: &str) -> Result<(), Failure> {
    let needed = bytes.saturating_add(LEFT_FREE_BYTES_MIN);
    if free >= needed {
        return Ok(());
    }
    let message =
        format!("store the release: {needed} bytes are needed under {root}, {free} are free");
    Err(Failure::new(Blame::Platform, message).hint("free some space there, then deploy again"))
}
