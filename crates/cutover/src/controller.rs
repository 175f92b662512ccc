//! The controller, asked over `ROOT/daemon.sock`.

mod call;
mod detach;
mod end;
mod one_off;
mod start;

pub use call::{CallError, Lines};
pub use end::{signal, until_gone};
pub use start::{start, start_of};

use crate::halt::Halt;
use bytes::Bytes;
use call::{Body, call, empty, json};
use daemon::{
    api::{
        uploads::CONTENT_BYTES,
        words::{
            Accepted, Admission, Asked, Info, Keeping, Kept, Leaving, Marked, Marking, PlanReport,
            SavedShown, StatusReport, Taking, Turn, TurnReport, Using,
        },
    },
    prune,
};
use drivers::releases::{Received, archive::Format};
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::Method;
use model::{
    deployment::{DeploymentRecord, Request},
    id::DeploymentId,
    name::EnvironmentId,
};
use serde::de::DeserializeOwned;
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

/// For a question that changes nothing.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// For who answers to say who it is.
const HELLO_WAIT: Duration = Duration::from_secs(2);
/// A deployment is taken once an earlier life's leftovers are dealt with.
const TAKE_WAIT: Duration = Duration::from_secs(600);

/// Where the controller is reached.
#[derive(Clone, Debug)]
pub struct Controller {
    root: PathBuf,
}

impl Controller {
    /// Of this state directory; nothing is asked yet.
    pub fn new(root: &Path) -> Controller {
        Controller { root: root.to_owned() }
    }

    /// Who answers.
    ///
    /// # Errors
    ///
    /// Where nobody does.
    pub async fn info(&self) -> Result<Info, CallError> {
        self.ask(Method::GET, "/v1/info", empty(), HELLO_WAIT).await
    }

    /// What is: as the controller sees it or, where nobody answers, as this program sees it.
    ///
    /// # Errors
    ///
    /// Where the state cannot be read.
    pub async fn status(&self) -> Result<StatusReport, Halt> {
        match self.ask(Method::GET, "/v1/status", empty(), ANSWER_WAIT).await {
            Err(CallError::Nobody(_)) => {
                daemon::report::offline(&self.root).await.map_err(Halt::unreachable)
            }
            answered => Ok(answered?),
        }
    }

    /// Sends a release's content, as an archive or as our own tar stream.
    ///
    /// # Errors
    ///
    /// Where it is refused, or the connection ends.
    pub async fn upload(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        archive: Option<Format>,
        content_bytes: Option<u64>,
        stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Received, CallError> {
        let query = archive.map(|it| format!("?archive={it}")).unwrap_or_default();
        let path = format!("/v1/uploads/{environment}/{deployment}{query}");
        let header = content_bytes.map(|it| (CONTENT_BYTES, it.to_string()));
        let body = call::streamed(stream);
        let response = call(&self.root, Method::PUT, &path, header, body, TAKE_WAIT).await?;
        call::whole(response, TAKE_WAIT).await
    }

    /// Hands an open directory over, as a release's content; `told` hears how far that is, in bytes
    /// and of how many.  None: it cannot be taken this way, and must be sent.
    ///
    /// # Errors
    ///
    /// Where it is refused, or the connection ends.
    pub async fn hand_over(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        directory: &OwnedFd,
        told: impl Fn(u64, u64),
    ) -> Result<Option<Received>, CallError> {
        let path = format!("/v1/directories/{environment}/{deployment}");
        let response = match call::hand_over(&self.root, directory, &path, TAKE_WAIT).await {
            // One of an earlier build knows only what is sent.
            Ok(None) | Err(CallError::Stranger(_)) => return Ok(None),
            Ok(Some(response)) => response,
            Err(error) => return Err(error),
        };
        let mut lines = call::lines(response).await?;
        while let Some(line) = lines.next().await? {
            let taking = serde_json::from_slice(&line)
                .map_err(|it| CallError::Stranger(format!("its answer is not understood: {it}")))?;
            match taking {
                Taking::Copied { bytes, total } => told(bytes, total),
                Taking::Received(received) => return Ok(Some(received)),
                Taking::SendIt { .. } => return Ok(None),
                Taking::Refused(report) => return Err(CallError::Refused(report)),
            }
        }
        Err(CallError::Lost("it ended before all was taken".to_owned()))
    }

    /// Sends only the list of what a directory holds, to plan by.
    ///
    /// # Errors
    ///
    /// Where it is refused.
    pub async fn list(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        list: String,
    ) -> Result<Received, CallError> {
        let path = format!("/v1/lists/{environment}/{deployment}");
        self.ask(Method::PUT, &path, call::text(list), TAKE_WAIT).await
    }

    /// What the request would do.
    ///
    /// # Errors
    ///
    /// Where it is refused.
    pub async fn plan(&self, request: &Request) -> Result<PlanReport, CallError> {
        self.ask(Method::POST, "/v1/plan", json(request)?, TAKE_WAIT).await
    }

    /// Asks whether a deployment would be let in, before anything is sent.
    ///
    /// # Errors
    ///
    /// Where it would not.
    pub async fn admission(&self, admission: &Admission) -> Result<(), CallError> {
        let (path, body) = ("/v1/admission", json(admission)?);
        call(&self.root, Method::POST, path, None, body, TAKE_WAIT).await.map(drop)
    }

    /// Keeps a plan, or stages a release, for later.
    ///
    /// # Errors
    ///
    /// Where it cannot be.
    pub async fn keep(&self, keeping: &Keeping) -> Result<Kept, CallError> {
        self.ask(Method::POST, "/v1/saved", json(keeping)?, TAKE_WAIT).await
    }

    /// What is kept by an id.
    ///
    /// # Errors
    ///
    /// Where nothing is.
    pub async fn saved(&self, id: &DeploymentId) -> Result<SavedShown, CallError> {
        self.ask(Method::GET, &format!("/v1/saved/{id}"), empty(), ANSWER_WAIT).await
    }

    /// Deploys what is kept by an id.
    ///
    /// # Errors
    ///
    /// Where it is refused, also since the world changed.
    pub async fn deploy_saved(
        &self,
        id: &DeploymentId,
        using: &Using,
    ) -> Result<Accepted, CallError> {
        let path = format!("/v1/saved/{id}/deployments");
        self.ask(Method::POST, &path, json(using)?, TAKE_WAIT).await
    }

    /// Asks for a deployment.  Asking again for the same is harmless.
    ///
    /// # Errors
    ///
    /// Where it is refused, also since another has the lock.
    pub async fn create(&self, request: &Request) -> Result<Accepted, CallError> {
        self.ask(Method::POST, "/v1/deployments", json(request)?, TAKE_WAIT).await
    }

    /// Asks for a turn; answered within a second, and asked again until it came.
    ///
    /// # Errors
    ///
    /// Where it is refused, also since another took the place.
    pub async fn turn(&self, turn: &Turn) -> Result<TurnReport, CallError> {
        self.ask(Method::POST, "/v1/turns", json(turn)?, TAKE_WAIT).await
    }

    /// Gives a place up.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn leave(&self, leaving: &Leaving) -> Result<(), CallError> {
        let body = json(leaving)?;
        let path = "/v1/turns/leave";
        call(&self.root, Method::POST, path, None, body, HELLO_WAIT).await.map(drop)
    }

    /// Says something of an environment by hand, or takes it back.
    ///
    /// # Errors
    ///
    /// Where it holds already, or does not.
    pub async fn mark(&self, marking: &Marking) -> Result<Marked, CallError> {
        self.ask(Method::POST, "/v1/marks", json(marking)?, TAKE_WAIT).await
    }

    /// Removes releases that nothing needs.
    ///
    /// # Errors
    ///
    /// Where a deployment goes on, or something cannot be removed.
    pub async fn prune(&self, asked: &prune::Asked) -> Result<prune::Report, CallError> {
        self.ask(Method::POST, "/v1/releases/prune", json(asked)?, TAKE_WAIT).await
    }

    /// An environment's deployments, newest first.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn history(
        &self,
        id: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, CallError> {
        let path = format!("/v1/deployments?{}&limit={limit}", query(id));
        self.ask(Method::GET, &path, empty(), ANSWER_WAIT).await
    }

    /// One deployment.
    ///
    /// # Errors
    ///
    /// Where there is none of this id.
    pub async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentRecord, CallError> {
        self.ask(Method::GET, &format!("/v1/deployments/{id}"), empty(), ANSWER_WAIT).await
    }

    /// An environment's latest deployment.
    ///
    /// # Errors
    ///
    /// Where it has none.
    pub async fn latest(&self, id: &EnvironmentId) -> Result<DeploymentRecord, CallError> {
        let path = format!("/v1/deployments/latest?{}", query(id));
        self.ask(Method::GET, &path, empty(), ANSWER_WAIT).await
    }

    /// The lines of a deployment's progress after a sequence number, until it ended.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn events(&self, id: &DeploymentId, after: u64) -> Result<call::Lines, CallError> {
        let path = format!("/v1/deployments/{id}/events?after={after}");
        let response = call(&self.root, Method::GET, &path, None, empty(), ANSWER_WAIT).await?;
        call::lines(response).await
    }

    /// What instances wrote, as text that may go on.
    ///
    /// # Errors
    ///
    /// Where nobody answers, or there is no such log.
    pub async fn logs(&self, id: &EnvironmentId, query: &str) -> Result<call::Lines, CallError> {
        let path = format!("/v1/logs/{id}?{query}");
        let response = call(&self.root, Method::GET, &path, None, empty(), ANSWER_WAIT).await?;
        call::lines(response).await
    }

    /// Asks a deployment to turn back.
    ///
    /// # Errors
    ///
    /// Where it cannot any more.
    pub async fn abort(&self, id: &DeploymentId, by: &str) -> Result<Accepted, CallError> {
        let asked = Asked { by: by.to_owned() };
        let path = format!("/v1/deployments/{id}/abort");
        self.ask(Method::POST, &path, json(&asked)?, TAKE_WAIT).await
    }

    /// Asks a deployment to watch its release no longer, at the stage where it is.
    ///
    /// # Errors
    ///
    /// Where it does not watch one now.
    pub async fn promote(&self, id: &DeploymentId, by: &str) -> Result<Accepted, CallError> {
        let asked = Asked { by: by.to_owned() };
        let path = format!("/v1/deployments/{id}/promote");
        self.ask(Method::POST, &path, json(&asked)?, TAKE_WAIT).await
    }

    /// Asks a deployment that needs attention to go on.
    ///
    /// # Errors
    ///
    /// Where it needs none.
    pub async fn resume(&self, id: &DeploymentId, by: &str) -> Result<Accepted, CallError> {
        let asked = Asked { by: by.to_owned() };
        let path = format!("/v1/deployments/{id}/resume");
        self.ask(Method::POST, &path, json(&asked)?, TAKE_WAIT).await
    }

    /// Asks the controller to end.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn stop(&self) -> Result<(), CallError> {
        let response =
            call(&self.root, Method::POST, "/v1/stop", None, empty(), ANSWER_WAIT).await?;
        // It may be gone before the last byte: the status was the answer.
        let _ = tokio::time::timeout(HELLO_WAIT, response.into_body().collect()).await;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Body,
        wait: Duration,
    ) -> Result<T, CallError> {
        call::whole(call(&self.root, method, path, None, body, wait).await?, wait).await
    }
}

/// Names need no escaping: they are letters, digits and `-`.
fn query(id: &EnvironmentId) -> String {
    format!("project={}&environment={}", id.project, id.environment)
}
