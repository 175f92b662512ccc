//! Migrations of a database as they were read.

use crate::{
    draft::build,
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    migrate::{LOCK_TIMEOUT, MigrateSpec, TIMEOUT, Tool},
    service::Millis,
};

/// Every key.
pub(crate) const KEYS: [&str; 7] =
    ["tool", "command", "status", "undo", "directory", "timeout", "lock_timeout"];

const TIMEOUT_MAX: Millis = Millis::seconds(24 * 3600);
const TOOLS: [(&str, Tool); 5] = [
    ("alembic", Tool::Alembic),
    ("prisma", Tool::Prisma),
    ("django", Tool::Django),
    ("sqlx", Tool::Sqlx),
    ("command", Tool::Command),
];

/// `alembic`, or a mapping.
pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<MigrateSpec>> {
    if matches!(field.node.value, Value::Scalar { .. }) {
        let tool = scalar::choice(field, &TOOLS, report)?;
        if tool.value == Tool::Command {
            return no_command(field, report);
        }
        return Some(tool.with(by_default(tool.value)));
    }
    let elsewhere = [("url", "to the environment's variables: the tool reads it there")];
    let table = Table::read(field, &KEYS, &elsewhere, report)?;
    let named = table.get("tool").map(|it| scalar::choice(it, &TOOLS, report));
    let tool = named.flatten().map_or(Tool::Command, |it| it.value);
    let mut spec = by_default(tool);
    let command = |key: &str, report: &mut Report| {
        table.get(key).and_then(|it| build::command(it, report)).map(|it| it.value)
    };
    let up = command("command", report);
    spec.status = command("status", report).or(spec.status);
    spec.undo = command("undo", report).or(spec.undo);
    if let Some(directory) = table.get("directory") {
        spec.directory = build::below(directory, report).map(|it| it.value);
    }
    let bounds = Millis(1)..=TIMEOUT_MAX;
    if let Some(timeout) = table.get("timeout").and_then(|it| scalar::time(it, bounds, report)) {
        spec.timeout = timeout.value;
    }
    let bounds = Millis(0)..=TIMEOUT_MAX;
    if let Some(limit) = table.get("lock_timeout").and_then(|it| scalar::time(it, bounds, report)) {
        spec.lock_timeout = Some(limit.value).filter(|it| it.0 > 0);
    }
    match up {
        Some(up) => spec.up = up,
        // What is there and wrong was told of.
        None if table.gives("command") => return None,
        None if tool == Tool::Command => return no_command(field, report),
        None => {}
    }
    Some(field.placed(spec))
}

fn no_command(field: &Field<'_>, report: &mut Report) -> Option<Placed<MigrateSpec>> {
    field
        .error(report, "`migrate` says neither `tool` nor `command`")
        .hint("write `migrate: alembic`, or `migrate: { command: [./migrate.sh] }`");
    None
}

fn by_default(tool: Tool) -> MigrateSpec {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (up, status, undo, directory) = match tool {
        Tool::Alembic => (
            "alembic upgrade head",
            Some("alembic current"),
            Some("alembic downgrade -{}"),
            Some("alembic/versions"),
        ),
        Tool::Prisma => (
            "node_modules/.bin/prisma migrate deploy",
            Some("node_modules/.bin/prisma migrate status"),
            None,
            Some("prisma/migrations"),
        ),
        Tool::Django => (
            "python3 manage.py migrate --noinput",
            Some("python3 manage.py showmigrations --plan"),
            None,
            None,
        ),
        Tool::Sqlx => (
            "sqlx migrate run",
            Some("sqlx migrate info"),
            Some("sqlx migrate revert"),
            Some("migrations"),
        ),
        Tool::Command => ("", None, None, None),
    };
    MigrateSpec {
        tool,
        up: if up.is_empty() { vec![] } else { words(up) },
        status: status.map(words),
        undo: undo.map(words),
        directory: directory.map(str::to_owned),
        timeout: TIMEOUT,
        lock_timeout: Some(LOCK_TIMEOUT),
    }
}
