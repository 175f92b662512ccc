//! What instances wrote.

use crate::{
    api::refusal::Refusal,
    controller::Controller,
    logs::{Filter, Follower, Stream, Wanted, tail},
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use drivers::layout::Layout;
use engine::port::journal::Journal;
use model::{
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
    name::{EnvironmentId, Name, NotAName},
    roster::Roster,
};
use serde::Deserialize;
use std::{collections::BTreeSet, convert::Infallible, io};

/// Lines that are shown when nobody says how many.
const LINES_DEFAULT: usize = 50;
/// Lines in one answer, at most.
const LINES_MAX: usize = 10_000;

/// Deployments that are looked at for the instances of a release.
pub const HISTORY_MAX: usize = 200;

/// The instances that ran this version, as the journal knows them.
pub fn written_by(history: &[DeploymentRecord], version: &str) -> BTreeSet<String> {
    let known = Roster::new(history).known.into_iter();
    known.filter(|it| it.version == version).map(|it| it.id.0).collect()
}

/// Which lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    service: Option<String>,
    stream: Option<Stream>,
    lines: Option<usize>,
    since_ms: Option<u64>,
    grep: Option<String>,
    release: Option<String>,
    #[serde(default)]
    follow: bool,
}

/// `GET /v1/logs/PROJECT/ENVIRONMENT`
pub async fn read(
    State(controller): State<Controller>,
    Path((project, environment)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let not_a_name = |it: NotAName| Failure::new(Blame::Request, it.to_string());
    let environment: EnvironmentId =
        format!("{project}/{environment}").parse().map_err(not_a_name)?;
    let service: Option<Name> =
        which.service.as_deref().map(str::parse).transpose().map_err(not_a_name)?;
    let stream = which.stream.unwrap_or(Stream::Combined);
    let layout = Layout::new(&controller.root);
    let instances = match &which.release {
        Some(version) => {
            let history = controller.store.history(&environment, HISTORY_MAX).await?;
            Some(written_by(&history, version))
        }
        None => None,
    };
    let filter = Filter::new(which.since_ms, which.grep.as_deref(), instances)
        .map_err(|it| Failure::new(Blame::Request, format!("look for it: {it}")))?;
    let wanted = Wanted { environment, service, stream, filter };
    let count = which.lines.unwrap_or(LINES_DEFAULT).min(LINES_MAX);
    let unreadable = |it: io::Error| Failure::new(Blame::Platform, format!("read the log: {it}"));
    let redactor = controller.secrets.redactor();
    let follower = Follower::at_end(&layout, &wanted).map_err(unreadable)?;
    let lines = tail(&layout, &wanted, count).map_err(unreadable)?;
    let first: String = lines.iter().map(|it| format!("{}\n", redactor.text(it))).collect();
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    if !which.follow {
        return Ok((kind, first).into_response());
    }
    let stream =
        futures_util::stream::unfold((Some(first), follower), move |(first, mut follower)| {
            let secrets = controller.secrets.clone();
            async move {
                let text = match first {
                    Some(text) => text,
                    // Whole lines come from there, so that no value is split over two.
                    None => {
                        let text = follower.next().await?;
                        secrets.redactor().text(&text).into_owned()
                    }
                };
                Some((Ok::<_, Infallible>(Bytes::from(text)), (None, follower)))
            }
        });
    Ok((kind, Body::from_stream(stream)).into_response())
}
