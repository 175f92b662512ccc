//! Errors, as the API says them.

use crate::{api::words::ErrorReport, secrets::Secrets};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
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
            .hint(format!("`cutover abort {}` turns it back", holder.id));
        let report = ErrorReport { exit_code: 6, failure, holder: Some(holder) };
        Refusal { status: StatusCode::CONFLICT, report }
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
