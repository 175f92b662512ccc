//! A deployment's progress: replayed from the journal, then as it happens, until it ended.

use crate::{
    api::{
        deployments::{Which, find},
        refusal::Refusal,
    },
    controller::Controller,
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use model::{
    deployment::{News, Progress, Stage},
    failure::Failure,
    id::DeploymentId,
    instance::Instance,
    plan::ReleaseLabel,
};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio::sync::{broadcast::error::RecvError, mpsc};

/// Lines that may wait for a slow reader; then the deployment goes on and the reader catches up.
const LINES_MAX: usize = 64;

/// How long a watcher waits for live news before it looks into the journal again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// From where on.
#[derive(Debug, Deserialize)]
pub struct From {
    after: Option<u64>,
    #[serde(flatten)]
    which: Which,
}

/// `GET /v1/deployments/ID/events`
pub async fn watch(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Refusal> {
    let deployment = find(&controller, &id, &from.which).await?.id;
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let mut watcher = Watcher { controller, deployment, lines, last: from.after.unwrap_or(0) };
    tokio::spawn(async move {
        if let Err(failure) = watcher.run().await {
            tracing::warn!("a watcher was left: failed to {}", failure.message);
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        let line: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(line), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(stream)).into_response())
}

struct Watcher {
    controller: Controller,
    deployment: DeploymentId,
    lines: mpsc::Sender<Bytes>,
    last: u64,
}

/// Whether the watcher is done.
#[derive(PartialEq)]
enum Then {
    GoOn,
    Leave,
}

impl Watcher {
    async fn run(&mut self) -> Result<(), Failure> {
        // Watched first, so that nothing falls between the replay and what happens now.
        let mut live = self.controller.hub.watch(&self.deployment);
        if self.replay().await? == Then::Leave {
            return Ok(());
        }
        loop {
            let then = match tokio::time::timeout(LOOK_AGAIN, live.recv()).await {
                Ok(Ok(progress)) => self.pass_on(progress).await,
                Ok(Err(RecvError::Lagged(_))) => self.replay().await?,
                Ok(Err(RecvError::Closed)) => {
                    live = self.controller.hub.watch(&self.deployment);
                    self.replay().await?
                }
                Err(_) if self.ended().await? => {
                    self.replay().await?;
                    Then::Leave
                }
                Err(_) => Then::GoOn,
            };
            if then == Then::Leave || self.lines.is_closed() {
                return Ok(());
            }
        }
    }

    async fn ended(&self) -> Result<bool, Failure> {
        let record = self.controller.store_deployment(&self.deployment).await?;
        Ok(matches!(record.stage, Stage::Ended(_)))
    }

    async fn replay(&mut self) -> Result<Then, Failure> {
        let lines = self.controller.store.events_after(&self.deployment, self.last).await?;
        for (sequence, at_ms, mut news) in lines {
            self.say_what_serves(&mut news).await;
            if self.pass_on(Progress { sequence, at_ms, news }).await == Then::Leave {
                return Ok(Then::Leave);
            }
        }
        Ok(Then::GoOn)
    }

    /// The journal knows how a deployment ended; what serves is the router's to say, now.
    async fn say_what_serves(&self, news: &mut News) {
        let News::Ended { serving, .. } = news else { return };
        let Ok(record) = self.controller.store_deployment(&self.deployment).await else { return };
        let Ok(in_force) = self.controller.local.router.in_force(&record.environment).await else {
            return;
        };
        if in_force.answers_nothing() {
            *serving = None;
            return;
        }
        let instances = in_force.routes.iter().flat_map(|it| it.instances());
        let label =
            |it: &Instance| ReleaseLabel { id: it.release.clone(), version: it.version.clone() };
        if let Some(label) = instances.map(label).next() {
            *serving = Some(label);
        }
    }

    async fn pass_on(&mut self, progress: Progress) -> Then {
        let seen = progress.sequence != 0 && progress.sequence <= self.last;
        if seen {
            return Then::GoOn;
        }
        self.last = self.last.max(progress.sequence);
        let ended = matches!(progress.news, News::Ended { .. });
        let Ok(mut line) = serde_json::to_vec(&progress) else { return Then::Leave };
        line.push(b'\n');
        let gone = self.lines.send(Bytes::from(line)).await.is_err();
        // A deployment that was reopened has ended before: only the journal's last word counts.
        let over = ended && self.ended().await.unwrap_or(true);
        if gone || over { Then::Leave } else { Then::GoOn }
    }
}
