//! Errors, as the API says them.

use crate::{api::words::ErrorReport, secrets::Secrets};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{
    control::{self, Mark, Waiter},
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
    name::EnvironmentId,
};

/// Why a request is not served.
pub struct Refusal {
    status: StatusCode,
    report: ErrorReport,
}

impl Refusal {
    /// Something else has the environment's lock.
    pub fn busy(holder: Box<DeploymentRecord>) -> Refusal {
        let (environment, id) = (&holder.environment, &holder.id);
        let message = format!("take the lock of {environment}: deployment {id} has it");
        let failure = Failure::new(Blame::Request, message)
            .hint(format!("`cutover attach {}` shows it", holder.id))
            .hint(format!("`cutover abort {}` turns it back", holder.id))
            .hint("`--wait` waits its turn; `--supersede` also turns it back before its switch");
        let report = ErrorReport { exit_code: 6, failure, holder: Some(holder) };
        Refusal { status: StatusCode::CONFLICT, report }
    }

    /// Somebody keeps the lock by hand.
    pub fn kept(environment: &EnvironmentId, mark: &Mark) -> Refusal {
        Refusal::locked(control::kept_out(environment, mark))
    }

    /// Nobody has the lock, and others have waited for it.
    pub fn queued(environment: &EnvironmentId, first: &Waiter) -> Refusal {
        let (id, by) = (&first.deployment, &first.by);
        let message = format!("take the lock of {environment}: {id} by {by} waits for it");
        Refusal::locked(
            Failure::new(Blame::Request, message)
                .hint("`--wait` waits its turn; `--supersede` takes the place of who waits")
                .hint(format!("`cutover lock {environment}` shows the queue")),
        )
    }

    /// Another has the lock, or comes first.
    pub fn locked(failure: Failure) -> Refusal {
        let report = ErrorReport { exit_code: 6, failure, holder: None };
        Refusal { status: StatusCode::CONFLICT, report }
    }

    /// Another one took the place of who waited: nothing was begun.
    pub fn superseded(environment: &EnvironmentId, by: &Waiter) -> Refusal {
        let (id, who) = (&by.deployment, &by.by);
        let message = format!("wait for the lock of {environment}: superseded by {id} of {who}");
        let failure = Failure::new(Blame::Request, message).hint("nothing was touched");
        let report = ErrorReport { exit_code: 3, failure, holder: None };
        Refusal { status: StatusCode::CONFLICT, report }
    }

    /// Why, for who asked nobody.
    pub fn into_failure(self) -> Failure {
        self.report.failure
    }

    /// Says it otherwise.
    pub fn say(&mut self, failure: Failure) {
        self.report.failure = failure;
    }

    /// Found before any change.
    pub fn preflight(failure: Failure) -> Refusal {
        let report = ErrorReport { exit_code: 2, failure, holder: None };
        Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, report }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let (status, exit_code) = match failure.blame {
            Blame::Request | Blame::Release => (StatusCode::BAD_REQUEST, 1),
            Blame::Platform => (StatusCode::SERVICE_UNAVAILABLE, 2),
            Blame::Us => (StatusCode::INTERNAL_SERVER_ERROR, 5),
        };
        Refusal { status, report: ErrorReport { exit_code, failure, holder: None } }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self.report);
        response
    }
}

/// Writes a refusal's report, which only the controller can free of secrets.
pub async fn tell(State(secrets): State<Secrets>, mut response: Response) -> Response {
    let Some(mut report) = response.extensions_mut().remove::<ErrorReport>() else {
        return response;
    };
    report.failure = secrets.redactor().failure(report.failure);
    (response.status(), Json(report)).into_response()
}
