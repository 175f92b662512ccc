//! What is kept for later: plans that were reviewed, and releases that are staged already.

use crate::{
    deployment::Request,
    id::{DeploymentId, Generation, InstanceId},
    plan::ReleaseLabel,
    release::difference::Difference,
};
use serde::{Deserialize, Serialize};

/// The form this build writes and reads.
pub const SAVED_VERSION: u32 = 1;
/// Kept of one environment; one more takes the place of the oldest.
pub const SAVED_MAX: usize = 10;
/// How long a plan is kept: what it was made for changes.
pub const PLAN_KEPT_MS: u64 = 24 * 3_600_000;
/// How long a staged release is kept that nobody starts.
pub const PREPARED_KEPT_MS: u64 = 72 * 3_600_000;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeps {
    /// A plan, with the content it was made for: it is done as it was reviewed, or refused.
    Plan,
    /// A staged release: it is planned anew when it is started.
    Prepared,
}

/// One of them, as it lies on the disk: it holds variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// [`SAVED_VERSION`] of the build that wrote it.
    pub version: u32,
    /// What it is asked for by.
    pub id: DeploymentId,
    /// What is kept.
    pub keeps: Keeps,
    /// What was asked, with the configuration and the variables as they were.
    pub request: Request,
    /// What it brings.
    pub release: ReleaseLabel,
    /// Of its content.
    pub digest: String,
    /// What was, when it was made.
    pub world: World,
    /// Unix time in ms.
    pub created_at_ms: u64,
    /// Unix time in ms.
    pub expires_at_ms: u64,
}

/// What is told of one: no variable's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// What it is asked for by.
    pub id: DeploymentId,
    /// What is kept.
    pub keeps: Keeps,
    /// The version it brings.
    pub version: String,
    /// Who made it.
    pub by: String,
    /// Unix time in ms.
    pub created_at_ms: u64,
    /// Unix time in ms.
    pub expires_at_ms: u64,
}

/// What a plan depends on, as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The release, and with it the content, configuration and variables, that serves.
    pub serving: Option<ReleaseLabel>,
    /// The routes in force.
    pub generation: Option<Generation>,
    /// They are on probation.
    pub on_probation: bool,
    /// What serves or works, in order.
    pub instances: Vec<InstanceId>,
    /// What was stopped, in order.
    pub stopped: Vec<InstanceId>,
}

impl Saved {
    /// What is told of it.
    pub fn brief(&self) -> Brief {
        Brief {
            id: self.id.clone(),
            keeps: self.keeps,
            version: self.release.version.clone(),
            by: self.request.by.clone(),
            created_at_ms: self.created_at_ms,
            expires_at_ms: self.expires_at_ms,
        }
    }
}

impl Keeps {
    /// How long, in ms.
    pub fn for_ms(self) -> u64 {
        match self {
            Keeps::Plan => PLAN_KEPT_MS,
            Keeps::Prepared => PREPARED_KEPT_MS,
        }
    }
}

impl World {
    /// What changed since, each in a line.
    pub fn changed(&self, now: &World) -> Vec<String> {
        let mut changed = vec![];
        let label = |it: &Option<ReleaseLabel>| match it {
            Some(it) => format!("{} ({})", it.version, it.id),
            None => "nothing".to_owned(),
        };
        if self.serving != now.serving {
            let (then, now) = (label(&self.serving), label(&now.serving));
            changed.push(format!("what serves: {then} then, {now} now"));
        }
        let number = |it: Option<Generation>| it.map_or("none".to_owned(), |it| it.to_string());
        if self.generation != now.generation {
            let (then, now) = (number(self.generation), number(now.generation));
            changed.push(format!("routes: generation {then} then, {now} now"));
        }
        if self.on_probation != now.on_probation {
            let word = if now.on_probation { "on probation now" } else { "not on probation now" };
            changed.push(format!("routes: they are {word}"));
        }
        for (what, then, now) in [
            ("instances", &self.instances, &now.instances),
            ("stopped instances", &self.stopped, &now.stopped),
        ] {
            let gone = then.iter().filter(|it| !now.contains(it)).map(|it| format!("-{it}"));
            let came = now.iter().filter(|it| !then.contains(it)).map(|it| format!("+{it}"));
            let all: Vec<String> = gone.chain(came).collect();
            if !all.is_empty() {
                changed.push(format!("{what}: {}", all.join(" ")));
            }
        }
        changed
    }
}

/// What changed of a configuration since, each in a line; values of variables are not told.
pub fn reconfigured(difference: &Difference) -> Vec<String> {
    let mut changed = vec![];
    for (sign, services) in [('+', &difference.services_added), ('-', &difference.services_removed)]
    {
        changed.extend(services.iter().map(|it| format!("configuration: {sign}service {it}")));
    }
    for setting in &difference.settings {
        changed.push(match (&setting.from, &setting.to) {
            (Some(from), Some(to)) => {
                format!("configuration: {}: {from} then, {to} now", setting.key)
            }
            _ => format!("configuration: {}", setting.key),
        });
    }
    let names = difference.variables_in_short();
    if !names.is_empty() {
        changed.push(format!("variables: {names}"));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ReleaseId;

    fn world() -> World {
        let label = ReleaseLabel { id: ReleaseId("R1".into()), version: "1.0.0".into() };
        World {
            serving: Some(label),
            generation: Some(Generation(4)),
            on_probation: false,
            instances: vec![InstanceId("a.b.web.1.x".into())],
            stopped: vec![],
        }
    }

    #[test]
    fn each_thing_that_changed_is_named() {
        let then = world();
        assert!(then.changed(&then).is_empty());
        let mut now = world();
        now.serving = None;
        now.generation = Some(Generation(7));
        now.on_probation = true;
        now.instances = vec![];
        now.stopped = then.instances.clone();
        assert_eq!(
            then.changed(&now),
            [
                "what serves: 1.0.0 (R1) then, nothing now",
                "routes: generation 4 then, 7 now",
                "routes: they are on probation now",
                "instances: -a.b.web.1.x",
                "stopped instances: +a.b.web.1.x",
            ]
        );
    }
}
