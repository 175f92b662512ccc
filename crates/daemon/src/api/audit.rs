//! Writes down who asks for a change before it is looked at, and why it was refused.

use crate::{api::words::ErrorReport, controller::Controller, secrets::Secrets, socket::Peer};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use drivers::audit::{AuditLog, Entry, Happened};
use model::{deployment, id::DeploymentId, name::EnvironmentId};
use serde_json::Value;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Who waits for a lock asks once a second, and is written down once, unless so many others asked
/// since.
const WAITING_MAX: usize = 64;
/// They change nothing: what is only looked at, and content that nobody has named yet.
const CHANGES_NOTHING: [&str; 3] = ["/v1/plan", "/v1/admission", "/v1/turns/leave"];

/// The file, and who of those that ask again and again was written down.
#[derive(Clone, Debug)]
pub struct Audit {
    log: Arc<AuditLog>,
    waiting: Arc<Mutex<VecDeque<DeploymentId>>>,
}

impl Audit {
    /// Writes into this file.
    pub fn new(log: Arc<AuditLog>) -> Audit {
        Audit { log, waiting: Arc::default() }
    }

    /// Whether this deployment's turn was written down; from now on it is.
    fn knows(&self, deployment: &DeploymentId) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.contains(deployment) {
            return true;
        }
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(deployment.clone());
        false
    }

    /// A change is not held up by a disk that is full: going back must work on a bad night.
    async fn write(&self, entry: Entry) {
        let log = self.log.clone();
        let written = tokio::task::spawn_blocking(move || log.write(entry)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "the audit cannot be written");
        }
    }
}

/// Around every request.
pub async fn keep(State(controller): State<Controller>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST || CHANGES_NOTHING.contains(&path.as_str()) {
        return next.run(request).await;
    }
    let uid = request.extensions().get::<ConnectInfo<Peer>>().and_then(|it| it.0.uid());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, super::BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let told = Told::of(&path, &query, &body, &controller.secrets);
    let entry = |happened| Entry {
        at_ms: controller.local.clock.now_ms(),
        uid,
        by: told.by.clone(),
        environment: told.environment.clone(),
        deployment: told.deployment.clone(),
        happened,
    };
    let waits = path == "/v1/turns";
    let known = waits && told.deployment.as_ref().is_some_and(|it| controller.audit.knows(it));
    if !known {
        let (what, reason) = (told.what.clone(), told.reason.clone());
        controller.audit.write(entry(Happened::Asked { what, reason })).await;
    }
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    if let Some(why) = refused(&response) {
        let why = controller.secrets.redactor().text(&why).into_owned();
        controller.audit.write(entry(Happened::Refused { what: told.what, why })).await;
    }
    response
}

fn refused(response: &Response) -> Option<String> {
    if response.status().is_success() {
        return None;
    }
    let report = response.extensions().get::<ErrorReport>();
    let why = report.map(|it| format!("exit {}: failed to {}", it.exit_code, it.failure.message));
    Some(why.unwrap_or_else(|| response.status().to_string()))
}

/// What a request tells of itself, without secrets.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    by: Option<String>,
    environment: Option<EnvironmentId>,
    deployment: Option<DeploymentId>,
    what: String,
    reason: Option<String>,
}

impl Told {
    fn of(path: &str, query: &str, body: &Bytes, secrets: &Secrets) -> Told {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let request = body.get("request").unwrap_or(&body);
        if let Ok(request) = serde_json::from_value::<deployment::Request>(request.clone()) {
            // Its own secrets must be known before a word of it is written.
            let _ = secrets.met(request);
        }
        let redactor = secrets.redactor();
        let masked = |it: &str| redactor.text(it).into_owned();
        let text = |name: &str| request[name].as_str().or_else(|| body[name].as_str());
        let in_path = path.strip_prefix("/v1/deployments/").and_then(|it| it.split('/').next());
        let deployment = text("deployment").or(in_path).map(|it| DeploymentId(it.to_owned()));
        Told {
            by: text("by").map(masked),
            environment: serde_json::from_value(request["environment"].clone())
                .ok()
                .or_else(|| of_query(query)),
            deployment: deployment.filter(DeploymentId::is_well_formed),
            what: masked(&what(path, &body, request)),
            reason: reason(request).as_deref().map(masked),
        }
    }
}

fn of_query(query: &str) -> Option<EnvironmentId> {
    let of = |name: &str| {
        let mut pairs = query.split('&').filter_map(|it| it.split_once('='));
        pairs.find(|it| it.0 == name).map(|it| it.1)
    };
    format!("{}/{}", of("project")?, of("environment")?).parse().ok()
}

/// The verb that is meant, and its object.
fn what(path: &str, body: &Value, request: &Value) -> String {
    let said = body["said"].as_str().unwrap_or_default();
    match path.trim_start_matches("/v1/").split('/').collect::<Vec<_>>()[..] {
        ["deployments" | "turns"] => change(request),
        ["saved"] => format!("keep for later: {}", change(request)),
        ["saved", id, "deployments"] => format!("deploy what was kept as {id}"),
        ["deployments", id, verb] => format!("{verb} {id}"),
        ["marks"] if body["holds"] == true => said.to_owned(),
        ["marks"] => format!("{said}, taken back"),
        ["one-offs"] => format!("run {}", body["command"][0].as_str().unwrap_or_default()),
        ref words => words.join(" "),
    }
}

fn change(request: &Value) -> String {
    let change = &request["change"];
    let word = change["change"].as_str().unwrap_or_default();
    let object = change["version"].as_str().or_else(|| change["to"].as_str());
    let scaled = change["instances"].as_object().map(|it| {
        let each = it.iter().map(|(service, count)| format!("{service}={count}"));
        each.collect::<Vec<_>>().join(" ")
    });
    let object = object.map(str::to_owned).or(scaled);
    object.map_or(word.to_owned(), |it| format!("{word} {it}"))
}

/// Why, and what is overridden.
fn reason(request: &Value) -> Option<String> {
    let mut all: Vec<String> = request["reason"].as_str().into_iter().map(str::to_owned).collect();
    for (name, value) in request["overrides"].as_object().into_iter().flatten() {
        match value {
            Value::Bool(true) => all.push(name.clone()),
            Value::String(why) => all.push(format!("{name}: {why}")),
            _ => (),
        }
    }
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::layout::Layout;
    use serde_json::json;

    fn told(path: &str, body: &Value) -> Told {
        let root = std::env::temp_dir().join("no such state directory");
        // Only what carries no environment tells it in its query.
        let query = match body["change"].is_null() && body["request"].is_null() {
            true => "project=shop&environment=production",
            false => "",
        };
        let body = Bytes::from(serde_json::to_vec(body).unwrap());
        Told::of(path, query, &body, &Secrets::kept(&Layout::new(&root)))
    }

    #[test]
    fn each_change_is_told_as_its_verb() {
        let environment: EnvironmentId = "shop/production".parse().unwrap();
        let change = |change: Value| json!({ "environment": environment, "change": change });
        let deploy = change(json!({ "change": "deploy", "version": "1.2.0" }));
        for (path, body, what) in [
            ("/v1/deployments", deploy.clone(), "deploy 1.2.0"),
            ("/v1/deployments", change(json!({ "change": "rollback", "to": null })), "rollback"),
            ("/v1/turns", json!({ "request": deploy }), "deploy 1.2.0"),
            ("/v1/saved", json!({ "request": deploy }), "keep for later: deploy 1.2.0"),
            ("/v1/saved/7K/deployments", json!({}), "deploy what was kept as 7K"),
            ("/v1/deployments/latest/abort", json!({ "by": "anna" }), "abort latest"),
            ("/v1/marks", json!({ "said": "freeze", "holds": true }), "freeze"),
            ("/v1/marks", json!({ "said": "freeze", "holds": false }), "freeze, taken back"),
            ("/v1/one-offs", json!({ "command": ["rake", "x"] }), "run rake"),
            ("/v1/releases/prune", json!({}), "releases prune"),
            ("/v1/stop", Value::Null, "stop"),
        ] {
            let told = told(path, &body);
            assert_eq!(told.what, what, "{path}");
            assert_eq!(told.environment.unwrap().to_string(), "shop/production", "{path}");
        }
        let scale = change(json!({ "change": "scale", "instances": { "web": 3 } }));
        assert_eq!(told("/v1/deployments", &scale).what, "scale web=3");
    }

    #[test]
    fn why_and_in_spite_of_what_is_told() {
        let overrides = json!({ "force": true, "skip_smoke": false, "freeze": "it burns" });
        let body = json!({ "reason": "CVE", "overrides": overrides, "by": "ci" });
        let told = told("/v1/deployments", &body);
        assert_eq!(told.reason.as_deref(), Some("CVE; force; freeze: it burns"));
        assert_eq!(told.by.as_deref(), Some("ci"));
    }
}
