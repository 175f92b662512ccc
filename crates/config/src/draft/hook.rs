//! Hooks as they were read: programs of the owner's beside the steps.

use crate::{
    argv,
    report::{Field, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    hook::{AFTER, BEFORE, Hook, TIMEOUT, When},
    service::Millis,
};

/// A hook may take so long.
const TIMEOUT_MAX: Millis = Millis::seconds(3600);
/// What runs a script: it ends at the first command that fails, and at unset variables.
const SHELL: [&str; 3] = ["/bin/sh", "-eu", "-c"];

/// `{ before: { STEP: … }, after: { STEP: … } }`.
pub(crate) fn hooks(field: &Field<'_>, report: &mut Report) -> Vec<Hook> {
    let Some(table) = Table::read(field, &["before", "after"], &[], report) else { return vec![] };
    let mut all = vec![];
    let sides = [("before", When::Before, &BEFORE[..]), ("after", When::After, &AFTER[..])];
    for (key, when, known) in sides {
        let Some(side) = table.get(key) else { continue };
        let elsewhere = [("stage", "to `after`: before it there is no directory to run in")];
        let Some(steps) = Table::read(side, known, &elsewhere, report) else { continue };
        for of in known {
            let Some(given) = steps.get(of) else { continue };
            if matches!(given.node.value, Value::Mapping(_)) {
                all.extend(hook(given, when, of, report));
            } else if let Some(list) = scalar::list(given, report, |it, report| {
                hook(it, when, of, report).map(|hook| it.placed(hook))
            }) {
                all.extend(list.value.into_iter().map(|it| it.value));
            }
        }
    }
    all
}

fn hook(field: &Field<'_>, when: When, of: &str, report: &mut Report) -> Option<Hook> {
    let table = Table::read(field, &["command", "shell", "timeout", "service"], &[], report)?;
    let command = match (table.get("command"), table.get("shell")) {
        (Some(command), None) => argv::command(command, report)?.value,
        (None, Some(script)) => {
            let script = scalar::word(script, report)?.value;
            SHELL.iter().map(ToString::to_string).chain([script]).collect()
        }
        _ => {
            field
                .error(report, "a hook has a `command` or a `shell` script")
                .hint("write `{ command: [program, argument] }`");
            return None;
        }
    };
    let bounds = Millis(1)..=TIMEOUT_MAX;
    let timeout = table.get("timeout").and_then(|it| scalar::time(it, bounds, report));
    let service = table.get("service").and_then(|it| {
        let name = scalar::word(it, report)?.value;
        let parsed = name.parse().ok();
        if parsed.is_none() {
            it.error(report, format!("`{name}` is no service's name"));
        }
        parsed
    });
    let timeout = timeout.map_or(TIMEOUT, |it| it.value);
    Some(Hook { when, of: of.to_owned(), command, timeout, service })
}
