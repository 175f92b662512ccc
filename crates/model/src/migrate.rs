//! How a release brings its database to the state that its code needs.

use crate::{
    id::{DeploymentId, InstanceId, ReleaseId},
    name::Name,
    release::Release,
    service::Millis,
};
use serde::{Deserialize, Serialize};

/// For a migration where nothing else is said.
pub const TIMEOUT: Millis = Millis::seconds(10 * 60);
/// How long a statement may wait for a lock, where nothing else is said: all others wait behind it.
pub const LOCK_TIMEOUT: Millis = Millis::seconds(5);
/// A file of a migration that holds this is destructive, whatever else it says.
pub const MARK: &str = "cutover: destructive";

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
    /// Takes back so many as are put for `{count}`; none: there is no way back.
    pub undo: Option<Vec<String>>,
    /// Where the files of migrations lie, below the release's directory.
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
    /// What the tool says of the database after it, cut.
    pub state: String,
    /// New files whose changes earlier code may not survive, each with the words that say so.
    pub destructive: Vec<String>,
    /// Nothing was run, since somebody said so.
    pub skipped: bool,
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
    let of = |service: &crate::service::ServiceSpec| {
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

impl Tool {
    /// What a status command's end and words mean.
    pub fn state(self, code: Option<i32>, said: &str) -> State {
        let says = |words: &[&str]| words.iter().any(|it| said.contains(it));
        match (self, code) {
            // Each line is a revision; those at the end say so.  None: nothing was applied yet.
            (Tool::Alembic, Some(0)) => {
                let lines = said.lines().map(str::trim).filter(|it| is_revision(it));
                let mut heads = lines.map(|it| it.contains("(head)")).peekable();
                let any = heads.peek().is_some();
                if any && heads.all(|it| it) { State::Done } else { State::Pending }
            }
            (Tool::Prisma, _) if says(&["have failed", "failed migration"]) => State::Unclear,
            (Tool::Prisma, Some(0)) => State::Done,
            (Tool::Prisma, Some(1)) if says(&["not yet been applied"]) => State::Pending,
            (Tool::Sqlx, Some(0)) if says(&["different checksum", "mismatch"]) => State::Unclear,
            (Tool::Sqlx, Some(0)) if says(&["/pending "]) => State::Pending,
            (Tool::Sqlx | Tool::Django | Tool::Command, Some(0)) => State::Done,
            (Tool::Django | Tool::Command, Some(1)) => State::Pending,
            _ => State::Unclear,
        }
    }
}

/// `ae1027a6acf (head)`, and no line of a log.
fn is_revision(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let rest = line[first.len()..].trim();
    !first.is_empty() && first.chars().all(fits) && (rest.is_empty() || rest.starts_with('('))
}

/// Why earlier code may not survive what a file of migrations does; none: nothing is seen.
pub fn destructive(text: &str) -> Option<String> {
    const WORDS: [&str; 14] = [
        "drop table",
        "drop column",
        "drop schema",
        "drop view",
        "truncate",
        "rename to",
        "rename column",
        "op.drop_column",
        "op.drop_table",
        "op.rename_table",
        "removefield",
        "deletemodel",
        "renamefield",
        "renamemodel",
    ];
    // What takes it back destroys what it made, and is not run.
    let forward = text.split("def downgrade").next().unwrap_or_default();
    if forward.contains(MARK) {
        return Some("it is marked so".to_owned());
    }
    let lower = forward.to_ascii_lowercase();
    let code = lower.lines().filter(|it| {
        let line = it.trim_start();
        !line.starts_with("--") && !line.starts_with('#')
    });
    let joined = code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    WORDS.iter().find(|it| joined.contains(**it)).map(|it| format!("`{it}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_understood() {
        for (tool, code, said, state) in [
            (
                Tool::Alembic,
                Some(0),
                "INFO  [alembic.runtime] Context\nae1027a6acf (head)\n",
                State::Done,
            ),
            (Tool::Alembic, Some(0), "ae1027a6acf\n", State::Pending),
            (Tool::Alembic, Some(0), "", State::Pending),
            (Tool::Alembic, Some(1), "connection refused", State::Unclear),
            (Tool::Prisma, Some(0), "Database schema is up to date!", State::Done),
            (
                Tool::Prisma,
                Some(1),
                "Following migration have not yet been applied:",
                State::Pending,
            ),
            (Tool::Prisma, Some(1), "Following migration have failed:", State::Unclear),
            (Tool::Prisma, Some(1), "P1001: Can't reach database server", State::Unclear),
            (Tool::Django, Some(0), "", State::Done),
            (Tool::Django, Some(1), "", State::Pending),
            (Tool::Django, Some(2), "", State::Unclear),
            (Tool::Sqlx, Some(0), "1/installed first\n2/pending second", State::Pending),
            (Tool::Sqlx, Some(0), "1/installed first", State::Done),
            (Tool::Command, Some(1), "", State::Pending),
            (Tool::Command, None, "", State::Unclear),
        ] {
            assert_eq!(tool.state(code, said), state, "{tool:?} {code:?} {said}");
        }
    }

    #[test]
    fn what_earlier_code_may_not_survive_is_seen() {
        for (text, is) in [
            ("ALTER TABLE orders\n  DROP   COLUMN note;", true),
            ("-- drop column note later\nALTER TABLE orders ADD note text;", false),
            (
                "def upgrade():\n    op.add_column('a')\ndef downgrade():\n    op.drop_column('a')",
                false,
            ),
            ("def upgrade():\n    op.drop_column('a', 'b')", true),
            ("migrations.RemoveField(model_name='order', name='note')", true),
            ("-- cutover: destructive\nUPDATE orders SET total = total / 100;", true),
            ("CREATE TABLE a (b int);", false),
        ] {
            assert_eq!(destructive(text).is_some(), is, "{text}");
        }
    }
}
