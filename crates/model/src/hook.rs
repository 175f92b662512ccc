//! Programs of the owner's that a deployment runs before and after its steps, and at its end.

use crate::{
    id::{InstanceId, ReleaseId},
    name::Name,
    plan::{Plan, Step},
    release::Release,
    service::Millis,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For a hook where nothing else is said.
pub const TIMEOUT: Millis = Millis::seconds(60);
/// Steps before which hooks may run: the release's directory is there.
pub const BEFORE: [&str; 18] = [
    "routes", "hold", "start", "health", "smoke", "check", "switch", "verify", "recheck", "bake",
    "confirm", "keep", "link", "drain", "stop", "retire", "cleanup", "manifest",
];
/// Steps after which hooks may run, and outcomes.
pub const AFTER: [&str; 22] = [
    "stage",
    "routes",
    "hold",
    "start",
    "health",
    "smoke",
    "check",
    "switch",
    "verify",
    "recheck",
    "bake",
    "confirm",
    "keep",
    "link",
    "drain",
    "stop",
    "retire",
    "cleanup",
    "manifest",
    "deployed",
    "rolled_back",
    "failed",
];

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Once before the first step of a kind.
    Before,
    /// Once after the last step of a kind, or at the end.
    After,
}

/// A hook, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Before or after.
    pub when: When,
    /// A word of [`BEFORE`] or [`AFTER`].
    pub of: String,
    /// Program and arguments; a script is the argument of a shell.
    pub command: Vec<String>,
    /// Then it is ended, and has failed.
    pub timeout: Millis,
    /// As which service's user, with its variables; none: the first.
    pub service: Option<Name>,
}

/// A hook of one deployment: all that is needed to run it, chosen in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookRun {
    /// Of its process: it is run once, whoever asks again.
    pub id: InstanceId,
    /// `before switch`.
    pub name: String,
    /// As which service.
    pub service: Name,
    /// In which release.
    pub release: ReleaseId,
    /// The release's version.
    pub version: String,
    /// Program and arguments, as they are: nothing is filled in.
    pub command: Vec<String>,
    /// Then it is ended, and has failed.
    pub timeout: Millis,
    /// Of the deployment, none of them secret.
    pub variables: BTreeMap<String, String>,
}

impl Hook {
    /// `before switch`.
    pub fn name(&self) -> String {
        let when = if self.when == When::Before { "before" } else { "after" };
        format!("{when} {}", self.of)
    }
}

/// The same plan, with the hooks of its release among its steps.
///
/// Steps before the commit stay before it, and the one that confirms stays its last: what comes
/// after that runs when the deployment only goes forward.
pub(crate) fn woven(mut plan: Plan, to: Option<&Release>) -> Plan {
    let Some(to) = to.filter(|it| !it.spec.control.hooks.is_empty()) else { return plan };
    let words: Vec<&'static str> = plan.steps.iter().map(key).collect();
    let runs = |when: When, at: usize, number: &mut usize| -> Vec<Step> {
        let is_edge = match when {
            When::Before => !words[..at].contains(&words[at]),
            When::After => !words[at + 1..].contains(&words[at]),
        };
        let hooks = to.spec.control.hooks.iter();
        let mine = hooks.filter(|it| is_edge && it.when == when && it.of == words[at]);
        let step = |hook: &Hook| {
            *number += 1;
            Step::Hook { hook: run(hook, &plan, to, &number.to_string()) }
        };
        mine.map(step).collect()
    };
    let (mut steps, mut settle, mut number) = (vec![], vec![], 0);
    for (at, step) in plan.steps.iter().enumerate() {
        let place = if at < plan.commit { &mut steps } else { &mut settle };
        place.extend(runs(When::Before, at, &mut number));
        place.push(step.clone());
        let place = if at + 1 < plan.commit { &mut steps } else { &mut settle };
        place.extend(runs(When::After, at, &mut number));
    }
    plan.commit = steps.len();
    steps.extend(settle);
    plan.steps = steps;
    plan
}

/// The hooks of an outcome: `deployed`, `rolled_back`, `failed`.
pub fn at_the_end(plan: &Plan, to: &Release, outcome: &str) -> Vec<HookRun> {
    let hooks = to.spec.control.hooks.iter();
    let mine = hooks.filter(|it| it.when == When::After && it.of == outcome);
    let numbered = mine.enumerate().map(|(at, hook)| {
        let suffix = format!("{}{at}", outcome.replace('_', ""));
        let mut run = run(hook, plan, to, &suffix);
        run.variables.insert("CUTOVER_RESULT".into(), outcome.into());
        run
    });
    numbered.collect()
}

fn run(hook: &Hook, plan: &Plan, to: &Release, suffix: &str) -> HookRun {
    let first = to.spec.services.first().map(|it| it.name.clone());
    let known = |it: &&Name| to.spec.services.iter().any(|service| service.name == **it);
    // A release has a service: a configuration without one is refused.
    let service = hook.service.as_ref().filter(known).cloned().or(first);
    let service = service.unwrap_or_else(|| plan.environment.environment.clone());
    let before = plan.from.as_ref().map(|it| it.version.clone()).unwrap_or_default();
    let variables = [
        ("CUTOVER_DEPLOYMENT", plan.deployment.0.clone()),
        ("CUTOVER_PROJECT", plan.environment.project.to_string()),
        ("CUTOVER_ENVIRONMENT", plan.environment.environment.to_string()),
        ("CUTOVER_VERSION", to.version.clone()),
        ("CUTOVER_PREVIOUS_VERSION", before),
        ("CUTOVER_STEP", hook.of.clone()),
        ("CUTOVER_HOOK", hook.name()),
    ];
    let deployment = plan.deployment.0.to_ascii_lowercase();
    HookRun {
        id: InstanceId(format!("{}.{service}.run.{deployment}{suffix}", plan.environment.stem())),
        name: hook.name(),
        service,
        release: to.id.clone(),
        version: to.version.clone(),
        command: hook.command.clone(),
        timeout: hook.timeout,
        variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// The word of a step, as a key of the configuration.
fn key(step: &Step) -> &'static str {
    match step.word() {
        "clean up" => "cleanup",
        word => word,
    }
}
