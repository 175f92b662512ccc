//! What people say of an environment by hand: that it is kept, that it is frozen; and who waits.

use crate::{
    deployment::{Finding, Overrides},
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
    plan::Kind,
    service::EnvironmentSpec,
};
use serde::{Deserialize, Serialize};

/// Characters of a reason, at most.
pub const REASON_CHARACTERS_MAX: usize = 500;

/// What can be said of an environment by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nobody changes it at all.
    Lock,
    /// No other release comes to it; going back is allowed.
    Freeze,
}

/// Who said so, why, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The CI actor, the SSH user or the user.
    pub by: String,
    /// In that person's words.
    pub reason: String,
    /// Unix time in ms.
    pub since_ms: u64,
}

/// All that is said of an environment by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// Nobody changes it at all.
    pub lock: Option<Mark>,
    /// No other release comes to it.
    pub freeze: Option<Mark>,
}

/// Somebody who waits for the environment's lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiter {
    /// The deployment that shall be.
    pub deployment: DeploymentId,
    /// Why the environment shall be changed.
    pub kind: Kind,
    /// The version, where it was asked for.
    pub version: Option<String>,
    /// Who asks.
    pub by: String,
    /// Why, in the asker's words.
    pub reason: Option<String>,
    /// Unix time in ms of the first asking.
    pub since_ms: u64,
}

impl Mark {
    /// `ann since 2026-11-21 12:40 UTC: stock-taking`.
    pub fn told(&self) -> String {
        format!("{} since {}: {}", self.by, minute(self.since_ms), self.reason)
    }
}

/// Why nobody gets the lock.
pub fn kept_out(environment: &EnvironmentId, mark: &Mark) -> Failure {
    let message = format!("take the lock of {environment}: it is kept by {}", mark.told());
    Failure::new(Blame::Request, message)
        .hint(format!("`cutover unlock {environment}` lets everybody in again"))
        .hint("`--break-lock` passes it once, and is recorded; `--wait` waits until it is lifted")
}

/// What speaks against a change by what was said by hand: findings that stand in the way, and
/// those that are passed.
///
/// Going back, and all that keeps the release, are not held up by a freeze or a window: `brings` is
/// the configuration of what is deployed.
pub fn judge(
    environment: &EnvironmentId,
    marks: &Marks,
    brings: Option<&EnvironmentSpec>,
    overrides: &Overrides,
    now_ms: u64,
) -> (Vec<Finding>, Vec<Finding>) {
    let (mut against, mut passed) = (vec![], vec![]);
    if let Some(mark) = &marks.lock {
        // Without the override the lock was not given out.
        passed.push(finding(format!("keep the lock: it was kept by {}", mark.told())));
    }
    if let Some(mark) = marks.freeze.as_ref().filter(|_| brings.is_some()) {
        let frozen = format!("deploy to {environment}: it is frozen by {}", mark.told());
        match &overrides.freeze {
            Some(why) => passed.push(finding(format!("{frozen}; overridden: {why}"))),
            None => against.push(Finding {
                failure: Failure::new(Blame::Request, frozen)
                    .hint(format!("`cutover unfreeze {environment}` ends the freeze"))
                    .hint("`--override-freeze REASON` goes on in spite of it, and is recorded"),
                overridable: false,
            }),
        }
    }
    if let Some(Err(closed)) = brings.map(|it| it.control.windows.judge(now_ms)) {
        let message = format!("deploy to {environment} now: {}", closed.why);
        match &overrides.window {
            Some(why) => passed.push(finding(format!("{message}; overridden: {why}"))),
            None => {
                let next = closed.next.unwrap_or_else(|| "none within a week".to_owned());
                let failure = Failure::new(Blame::Request, message)
                    .hint(format!("the next window begins {next}"))
                    .hint("`--override-window REASON` goes on in spite of it, and is recorded");
                against.push(Finding { failure, overridable: false });
            }
        }
    }
    (against, passed)
}

fn finding(message: String) -> Finding {
    Finding { failure: Failure::new(Blame::Request, message), overridable: true }
}

/// `2026-11-21 12:40 UTC`.
pub fn minute(unix_ms: u64) -> String {
    let stamp =
        i64::try_from(unix_ms).ok().and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
    stamp.map(|it| it.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}
