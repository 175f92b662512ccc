//! How a release brings its database to the state that its code needs.

mod by_hand;
mod judge;
mod sight;

pub use by_hand::{ByHand, taken_away};
pub use judge::{Ran, Verdict, judge};
pub use sight::destructive;

use crate::{
    id::{DeploymentId, InstanceId, ReleaseId},
    name::Name,
    release::Release,
    service::{Millis, ServiceSpec},
};
use serde::{Deserialize, Serialize};

/// For a migration where nothing else is said.
pub const TIMEOUT: Millis = Millis::seconds(10 * 60);
/// How long a statement may wait for a lock, where nothing else is said: all others wait behind it.
pub const LOCK_TIMEOUT: Millis = Millis::seconds(5);
/// A file of a migration that holds this is destructive, whatever else it says.
pub const MARK: &str = "cutover: destructive";
/// Stands for how many are taken back, in the words of an `undo`.
pub const COUNT: &str = "{}";

/// What brings the database forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// For SQLAlchemy.
    Alembic,
    /// For Prisma's schemas.
    Prisma,
    /// Django's own.
    Django,
    /// Of the Rust library.
    Sqlx,
    /// Any program.
    Command,
}

/// How one service's database is migrated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateSpec {
    /// Whose words are understood.
    pub tool: Tool,
    /// Brings it forward.
    pub up: Vec<String>,
    /// Says whether anything is left to be done; none: nobody can say.
    pub status: Option<Vec<String>>,
    /// Takes back so many as are put for [`COUNT`], or one where that is not in it; none: there is
    /// no way back.
    pub undo: Option<Vec<String>>,
    /// Where the files of migrations lie, below the release's directory; none: in directories of
    /// the name `migrations`.
    pub directory: Option<String>,
    /// Then it is ended, and has failed.
    pub timeout: Millis,
    /// How long one of PostgreSQL's statements may wait for a lock; none: for ever.
    pub lock_timeout: Option<Millis>,
}

/// One migration of a deployment, chosen in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateRun {
    /// Of its process: it is run once, whoever asks again.
    pub id: InstanceId,
    /// As which service.
    pub service: Name,
    /// In which release.
    pub release: ReleaseId,
    /// The release's version.
    pub version: String,
    /// What serves before: its files of migrations are old.
    pub from: Option<String>,
    /// How.
    pub spec: MigrateSpec,
}

/// What a release's migrations came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrated {
    /// What the tool says is applied, by its own names; nothing where it does not list them.
    pub applied: Vec<String>,
    /// New files of migrations, as this release brought them.
    pub brought: Vec<String>,
    /// Those whose changes earlier code may not survive, each with the words that say so.
    pub destructive: Vec<String>,
    /// So many were taken back by hand since, with this release's code.
    #[serde(default, skip_serializing_if = "is_none")]
    pub undone: u32,
    /// The last process by hand whose end is counted in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<InstanceId>,
    /// The database was brought back since, from a backup that is older than all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What a status command came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none: it did not come to its own end.
    pub code: Option<i32>,
    /// What it wrote.
    pub out: String,
    /// What it complained of.
    pub error: String,
}

/// What a tool says of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is left to be done.
    Done,
    /// Something is.
    Pending,
    /// It does not say.
    Unclear,
}

/// The migrations of a release, one for each of its services that has one.
pub fn runs(release: &Release, from: Option<&str>, deployment: &DeploymentId) -> Vec<MigrateRun> {
    let stem = release.spec.id.stem();
    let suffix = deployment.0.to_ascii_lowercase();
    let of = |service: &ServiceSpec| {
        let spec = service.migrate.clone()?;
        // One that is left to an earlier release has the database that it needs.
        if release.left.contains_key(&service.name) {
            return None;
        }
        Some(MigrateRun {
            id: InstanceId(format!("{stem}.{}.run.{suffix}m", service.name)),
            service: service.name.clone(),
            release: release.id.clone(),
            version: release.version.clone(),
            from: from.map(str::to_owned),
            spec,
        })
    };
    release.spec.services.iter().filter_map(of).collect()
}

impl Migrated {
    /// The sum of what one release's migrations came to, where it was deployed before: what was
    /// destructive then has not become harmless.
    #[must_use]
    pub fn after(mut self, before: Option<&Migrated>) -> Migrated {
        let Some(before) = before else { return self };
        self.settled.clone_from(&before.settled);
        for (mine, old) in
            [(&mut self.brought, &before.brought), (&mut self.destructive, &before.destructive)]
        {
            let new: Vec<String> = old.iter().filter(|it| !mine.contains(it)).cloned().collect();
            mine.extend(new);
        }
        self
    }
}

impl MigrateSpec {
    /// The command that takes back so many; none: there is no way back, or by one only.
    pub fn undo_of(&self, count: u32) -> Option<Vec<String>> {
        let filled = |it: &String| it.replace(COUNT, &count.to_string());
        let words = self.undo.as_ref()?;
        let counts = count == 1 || words.iter().any(|it| it.contains(COUNT));
        counts.then(|| words.iter().map(filled).collect())
    }
}
