//! Backups: what is backed up, what they are called, what is in them, and which are kept.

pub mod metadata;
pub mod retention;

use crate::{
    id::ReleaseId,
    name::{EnvironmentId, Name},
    plan::ReleaseLabel,
    service::{EnvironmentSpec, Millis},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Kept when nobody says.
pub const KEEP: u32 = 5;
/// Days that they are kept when nobody says.
pub const KEEP_DAYS: u32 = 7;
/// For one database or directory when nobody says.
pub const TIME_LIMIT: Millis = Millis::seconds(3600);

/// What of an environment is backed up, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSpec {
    /// By name.
    pub databases: Vec<DatabaseSpec>,
    /// Directories and files, absolute or in the environment's directory.
    pub files: Vec<String>,
    /// Recipients of `age`; none: it is not encrypted.
    pub encrypt_to: Vec<String>,
    /// The file of identities that opens them on this machine; none: none is here.
    pub identity: Option<String>,
    /// So many of the newest are kept.
    pub keep: u32,
    /// None is kept longer, besides those that are needed.
    pub keep_days: u32,
    /// All together, besides those that are needed.
    pub bytes_max: Option<u64>,
    /// Each is copied to it.
    pub second_place: Option<SecondPlace>,
    /// One is made before each deployment.
    pub before_deploy: bool,
    /// For one database or directory.
    pub time_limit: Millis,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// What it is called in backups.
    pub name: Name,
    /// What it is.
    pub kind: DatabaseKind,
    /// Where it is.
    pub place: DatabasePlace,
}

/// Kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// By `pg_dump`.
    Postgresql,
    /// By `mariadb-dump` or `mysqldump`.
    Mariadb,
    /// A file.
    Sqlite,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DatabasePlace {
    /// The URL is the value of this variable, of any service.
    Variable(String),
    /// The file, absolute or in the environment's directory.
    Path(String),
}

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecondPlace {
    /// A directory of this machine, absolute.
    Directory(String),
    /// A directory of another machine, by the system's `ssh`.
    Ssh(SshPlace),
}

/// A directory of another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshPlace {
    /// `user@host`, or a host.
    pub host: String,
    /// Of the SSH server.
    pub port: Option<u16>,
    /// Absolute.
    pub directory: String,
    /// The file of the key that opens it, absolute; none: as `ssh` finds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The file of host keys, absolute; none: as `ssh` finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
}

/// `backup_YYYYMMDD_HHMMSS`, in UTC: its name, and that of its directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupName(String);

/// What a deployment's step makes: all chosen in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRun {
    /// It.
    pub name: BackupName,
    /// By whose configuration and variables.
    pub by: ReleaseId,
    /// What serves.
    pub serving: Option<ReleaseLabel>,
    /// What it is made before; none: before nothing is brought.
    pub before: Option<ReleaseLabel>,
}

/// Parts that are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Databases.
    Databases,
    /// Directories and files.
    Files,
    /// The release's record and env files.
    Config,
}

impl BackupSpec {
    /// Whether there is anything to back up besides the configuration.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.files.is_empty()
    }
}

impl EnvironmentSpec {
    /// Whether a deployment is preceded by a backup.
    pub fn backs_up(&self) -> bool {
        self.backup.as_ref().is_some_and(|it| it.before_deploy)
    }

    /// A variable's value, of the first service that has it.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.services.iter().find_map(|it| it.env.get(name)).map(String::as_str)
    }
}

impl BackupName {
    /// Of one that is begun now; `now_ms` is Unix time.
    pub fn at(now_ms: u64) -> BackupName {
        let stamp =
            i64::try_from(now_ms).ok().and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
        let stamp = stamp.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        BackupName(stamp.strftime("backup_%Y%m%d_%H%M%S").to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was begun, in Unix time in ms.
    pub fn time_ms(&self) -> Option<u64> {
        let parsed = jiff::civil::DateTime::strptime("backup_%Y%m%d_%H%M%S", &self.0).ok()?;
        let stamp = parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        u64::try_from(stamp.as_millisecond()).ok()
    }
}

/// Why a text is not a [`BackupName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no backup's name: they look like backup_20260131_235900", .0.escape_debug())]
pub struct NotABackupName(pub String);

impl FromStr for BackupName {
    type Err = NotABackupName;

    fn from_str(text: &str) -> Result<BackupName, NotABackupName> {
        let name = BackupName(text.to_owned());
        let digits =
            |it: &str, count| it.len() == count && it.bytes().all(|it| it.is_ascii_digit());
        let parts = text.strip_prefix("backup_").and_then(|it| it.split_once('_'));
        let fits = parts.is_some_and(|(day, time)| digits(day, 8) && digits(time, 6));
        if fits && name.time_ms().is_some() { Ok(name) } else { Err(NotABackupName(text.into())) }
    }
}

impl TryFrom<String> for BackupName {
    type Error = NotABackupName;

    fn try_from(text: String) -> Result<BackupName, NotABackupName> {
        text.parse()
    }
}

impl From<BackupName> for String {
    fn from(name: BackupName) -> String {
        name.0
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatabaseKind::Postgresql => "postgresql",
            DatabaseKind::Mariadb => "mariadb",
            DatabaseKind::Sqlite => "sqlite",
        })
    }
}

/// Whether a recipient looks like one of `age`: `age1…`.
pub fn is_recipient(text: &str) -> bool {
    let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    text.len() == 62 && text.starts_with("age1") && text.bytes().all(fits)
}

/// Of which environment a backup is, for messages: `shop/production`.
pub fn of(environment: &EnvironmentId, name: &BackupName) -> String {
    format!("{name} of {environment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_time() {
        let name = BackupName::at(1_769_903_940_000);
        assert_eq!(name.as_str(), "backup_20260131_235900");
        assert_eq!(name.time_ms(), Some(1_769_903_940_000));
        assert_eq!("backup_20260131_235900".parse(), Ok(name));
    }

    #[test]
    fn nothing_else_is_a_name() {
        for text in [
            "",
            "latest",
            "../backup_20260131_235900",
            "backup_20260131_235900/..",
            "backup_20260131_2359",
            "backup_20261331_235900",
            "backup_2026013１_235900",
            "-backup_20260131_235900",
            "backup_20260131_235900\n",
        ] {
            assert!(text.parse::<BackupName>().is_err(), "{text:?}");
        }
    }
}
