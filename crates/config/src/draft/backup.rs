//! What is backed up, as it was read.

use crate::{
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    backup::{
        BackupSpec, DatabaseKind, DatabasePlace, DatabaseSpec, KEEP, KEEP_DAYS, SecondPlace,
        SshPlace, TIME_LIMIT, is_recipient,
    },
    name::Name,
    service::Millis,
};

/// Every key of `backup`.
const KEYS: [&str; 10] = [
    "databases",
    "files",
    "encrypt_to",
    "identity",
    "keep",
    "keep_days",
    "bytes_max",
    "second_place",
    "before_deploy",
    "time_limit",
];

const KEEP_MAX: u64 = 1000;
const KEEP_DAYS_MAX: u64 = 3650;
/// One database or directory may take so long.
const TIME_MAX: Millis = Millis::seconds(24 * 3600);

/// What is backed up, and where the variables are named that lead to databases.
#[derive(Clone, Debug)]
pub(crate) struct BackupDraft {
    pub(crate) spec: BackupSpec,
    /// Names of variables.
    pub(crate) variables: Vec<Placed<String>>,
}

impl BackupDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<BackupDraft> {
        let table = Table::read(field, &KEYS, &[], report)?;
        let mut variables = vec![];
        let databases = table.get("databases").map(|it| databases(it, &mut variables, report));
        let databases = databases.unwrap_or_default();
        let list = |key: &str, read: Reader, report: &mut Report| {
            let found = table.get(key).and_then(|it| scalar::list(it, report, read));
            found.into_iter().flat_map(|it| it.value).map(|it| it.value).collect::<Vec<String>>()
        };
        let files = list("files", path, report);
        let number = |key: &str, most: u64, report: &mut Report| {
            table.get(key).and_then(|it| scalar::number::<u32>(it, 1..=most, report))
        };
        let bounds = Millis::seconds(1)..=TIME_MAX;
        let before = table.get("before_deploy").and_then(|it| scalar::switch(it, report));
        let spec = BackupSpec {
            encrypt_to: list("encrypt_to", recipient, report),
            identity: table.get("identity").and_then(|it| absolute(it, report)),
            keep: number("keep", KEEP_MAX, report).map_or(KEEP, |it| it.value),
            keep_days: number("keep_days", KEEP_DAYS_MAX, report).map_or(KEEP_DAYS, |it| it.value),
            bytes_max: table
                .get("bytes_max")
                .and_then(|it| scalar::size(it, 1, report))
                .map(|it| it.value),
            second_place: table.get("second_place").and_then(|it| second_place(it, report)),
            before_deploy: before.map_or(!databases.is_empty(), |it| it.value),
            time_limit: table
                .get("time_limit")
                .and_then(|it| scalar::time(it, bounds, report))
                .map_or(TIME_LIMIT, |it| it.value),
            databases,
            files,
        };
        Some(BackupDraft { spec, variables })
    }
}

type Reader = fn(&Field<'_>, &mut Report) -> Option<Placed<String>>;

/// `{ main: { kind: postgresql, url_from: DATABASE_URL } }`.
fn databases(
    field: &Field<'_>,
    variables: &mut Vec<Placed<String>>,
    report: &mut Report,
) -> Vec<DatabaseSpec> {
    let mut all = vec![];
    for (name, inner) in field.entries(report, "a mapping of names") {
        let Ok(name) = name.parse::<Name>() else {
            inner
                .error(report, format!("`{name}` is no name of a database"))
                .hint("use lower-case letters, digits and `-`: backups call it so");
            continue;
        };
        all.extend(database(name, &inner, variables, report));
    }
    all
}

fn database(
    name: Name,
    field: &Field<'_>,
    variables: &mut Vec<Placed<String>>,
    report: &mut Report,
) -> Option<DatabaseSpec> {
    let kinds = [
        ("postgresql", DatabaseKind::Postgresql),
        ("mariadb", DatabaseKind::Mariadb),
        ("mysql", DatabaseKind::Mariadb),
        ("sqlite", DatabaseKind::Sqlite),
    ];
    let table = Table::read(field, &["kind", "url_from", "path"], &[], report)?;
    let Some(kind) = table.get("kind") else {
        field
            .error(report, format!("the database `{name}` has no `kind`"))
            .hint("write `postgresql`, `mariadb`, `mysql` or `sqlite`");
        return None;
    };
    let kind = scalar::choice(kind, &kinds, report)?.value;
    let place = match (kind, table.get("url_from"), table.get("path")) {
        (DatabaseKind::Sqlite, None, Some(file)) => DatabasePlace::Path(path(file, report)?.value),
        (DatabaseKind::Sqlite, ..) => {
            field
                .error(report, format!("`{name}` is a file: it has a `path`, and nothing else"))
                .hint("write `path: shared/app.db`, or an absolute one");
            return None;
        }
        (_, Some(variable), None) => {
            let variable = scalar::word(variable, report)?;
            variables.push(variable.clone());
            DatabasePlace::Variable(variable.value)
        }
        _ => {
            field
                .error(report, format!("`{name}` has a `url_from`, and nothing else"))
                .hint("name the variable that holds its URL: `url_from: DATABASE_URL`");
            return None;
        }
    };
    Some(DatabaseSpec { name, kind, place })
}

/// Absolute, or in the environment's directory, and on no way out of it.
fn path(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let text = found.value.as_str();
    let relative = text.strip_prefix('/').unwrap_or(text);
    let mut parts = relative.split('/');
    if parts.any(|it| matches!(it, "" | "." | "..")) || text.contains(['\n', '\r']) {
        field
            .error(report, format!("`{text}` is no plain path"))
            .hint("write one without `..`, such as `shared/uploads` or `/srv/shop/uploads`");
        return None;
    }
    Some(found)
}

fn absolute(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let found = path(field, report)?;
    if !found.value.starts_with('/') {
        field
            .error(report, format!("`{}` is not absolute", found.value))
            .hint("the controller reads it, which knows no directory of yours");
        return None;
    }
    Some(found.value)
}

fn recipient(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    if found.value.starts_with("AGE-SECRET-KEY") {
        report.hide(field.node.place);
        field
            .error(
                report,
                "this is an identity, which opens backups, and must be in no configuration",
            )
            .hint("write its recipient: `age-keygen -y FILE` prints it");
        return None;
    }
    if !is_recipient(&found.value) {
        field
            .error(report, format!("`{}` is no recipient of age", found.value))
            .hint("write one such as `age1…`, as `age-keygen` prints it");
        return None;
    }
    Some(found)
}

/// A directory, or `{ ssh: user@host, directory: /backups }`.
fn second_place(field: &Field<'_>, report: &mut Report) -> Option<SecondPlace> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        return absolute(field, report).map(SecondPlace::Directory);
    }
    let keys = ["ssh", "port", "directory", "identity", "known_hosts"];
    let table = Table::read(field, &keys, &[], report)?;
    let port = table.get("port").and_then(|it| scalar::number::<u16>(it, 1..=65535, report));
    let (Some(host), Some(place)) = (table.get("ssh"), table.get("directory")) else {
        field
            .error(report, "another machine has `ssh` and `directory`")
            .hint("write `{ ssh: backup@vault.example, directory: /srv/backups }`");
        return None;
    };
    let directory = absolute(place, report)?;
    let text = scalar::word(host, report)?.value;
    if !plain(&text, "@:") {
        host.error(report, format!("`{text}` is no host"))
            .hint("write `vault.example` or `backup@vault.example`; `port` stands apart");
        return None;
    }
    // The directory becomes a word of the other machine's shell, and `ssh` has meanings of its own
    // for what may stand in names of files.
    let directory = plainly(place, directory, report)?;
    let mut file = |key: &str| match table.get(key) {
        Some(it) => absolute(it, report).and_then(|path| plainly(it, path, report)).map(Some),
        None => Some(None),
    };
    let (identity, known_hosts) = (file("identity")?, file("known_hosts")?);
    let port = port.map(|it| it.value);
    Some(SecondPlace::Ssh(SshPlace { host: text, port, directory, identity, known_hosts }))
}

fn plainly(field: &Field<'_>, path: String, report: &mut Report) -> Option<String> {
    if plain(&path, "/") {
        return Some(path);
    }
    field
        .error(report, format!("`{path}` has other than letters, digits and `/._-`"))
        .hint("choose a path without them");
    None
}

/// Letters, digits, `._-` and what is said, and not led by `-`.
fn plain(text: &str, and: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it) || and.contains(it);
    !text.starts_with('-') && text.chars().all(fits)
}
