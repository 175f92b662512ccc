//! One-off processes: asked for, watched, signalled, stopped.

use crate::{
    api::{deployments::active, refusal::Refusal},
    by_hand,
    controller::Controller,
    one_off::{Cursor, Teller},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    one_off::{Asked, Life, OneOff},
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// One, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What was asked for.
    pub one_off: OneOff,
    /// How it is.
    pub life: Life,
}

/// A signal's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// It.
    pub signal: i32,
}

/// From where on output is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    out: Option<String>,
    error: Option<String>,
}

/// `POST /v1/one-offs`
pub async fn create(
    State(controller): State<Controller>,
    Json(asked): Json<Asked>,
) -> Result<(StatusCode, Json<OneOff>), Refusal> {
    if !DeploymentId(asked.id.clone()).is_well_formed() {
        let message = format!("take `{}` for an id: it is no ULID", asked.id.escape_debug());
        return Err(Failure::new(Blame::Request, message).into());
    }
    refuse_secrets(&controller, &asked)?;
    controller.wait_until_recovered().await;
    let one_off = begun(&controller, &asked).await?;
    tracing::info!(one_off = %one_off.id, by = asked.by, detached = asked.detached, "begun");
    Ok((StatusCode::ACCEPTED, Json(one_off)))
}

/// A migration and a deployment, which migrates by itself, would be in each other's way.
async fn begun(controller: &Controller, asked: &Asked) -> Result<OneOff, Refusal> {
    if asked.migration.is_none() {
        return Ok(controller.one_offs.begin(asked).await?);
    }
    let _turn = controller.gates.turn(&asked.environment).await;
    if let Some(holder) = active(controller, &asked.environment).await? {
        return Err(Refusal::busy(Box::new(holder)));
    }
    let other = controller.migrating(&asked.environment).await?;
    if let Some(other) = other.filter(|it| !it.id.0.ends_with(&asked.id)) {
        return Err(Refusal::locked(by_hand::in_the_way(&other)));
    }
    Ok(controller.one_offs.begin(asked).await?)
}

/// What stands in a command line is there for every user of the machine to read.
fn refuse_secrets(controller: &Controller, asked: &Asked) -> Result<(), Failure> {
    let redactor = controller.secrets.redactor();
    let Some(at) = asked.command.iter().position(|it| redactor.text(it) != it.as_str()) else {
        return Ok(());
    };
    let message = format!("run it: word {} of the command holds a secret's value", at + 1);
    Err(Failure::new(Blame::Request, message)
        .hint("every user of the machine can read the words of a command")
        .hint("the secret is in the process's environment: let the program read it from there"))
}

/// `GET /v1/one-offs`
pub async fn list(State(controller): State<Controller>) -> Result<Json<Vec<Shown>>, Refusal> {
    let redactor = controller.secrets.redactor();
    let mut all = vec![];
    for mut seen in controller.local.one_offs.list().await? {
        for word in &mut seen.one_off.command {
            *word = redactor.text(word).into_owned();
        }
        all.push(Shown { one_off: seen.one_off, life: seen.life });
    }
    Ok(Json(all))
}

/// `GET /v1/one-offs/ID/output`
pub async fn output(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Refusal> {
    let seen = controller.one_offs.find(&id).await?;
    let (out, error) = (cursor(from.out.as_deref())?, cursor(from.error.as_deref())?);
    let teller = Teller::new(controller, &seen, out, error);
    let stream = futures_util::stream::unfold(teller, |mut teller| async {
        let news = teller.next().await?;
        // What is only words and numbers can be written.
        let mut line = serde_json::to_vec(&news).ok()?;
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), teller))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(stream)).into_response())
}

/// `INODE:POSITION`
fn cursor(text: Option<&str>) -> Result<Cursor, Failure> {
    let Some(text) = text else { return Ok(Cursor::default()) };
    let read = |text: &str| {
        let (inode, position) = text.split_once(':')?;
        Some(Cursor { inode: inode.parse().ok()?, position: position.parse().ok()? })
    };
    read(text).ok_or_else(|| {
        let message = format!("go on at `{}`: it is no place in a file", text.escape_debug());
        Failure::new(Blame::Request, message)
    })
}

/// `POST /v1/one-offs/ID/signal`
pub async fn signal(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Json(signal): Json<Signal>,
) -> Result<StatusCode, Refusal> {
    let id = controller.one_offs.find(&id).await?.one_off.id;
    let epoch = controller.one_offs.epoch;
    controller.local.one_offs.signal(&id, signal.signal, epoch).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /v1/one-offs/ID/stop`
pub async fn stop(
    State(controller): State<Controller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id = controller.one_offs.find(&id).await?.one_off.id;
    tracing::info!(one_off = %id, "asked to stop");
    controller.local.one_offs.stop(&id, controller.one_offs.epoch).await?;
    Ok(StatusCode::ACCEPTED)
}
