//! References to secrets as they were read: where a value is to be found, never the value.

use crate::{
    argv,
    draft::variable::valid_name,
    report::{Field, Place, Report, Table, quoted_list},
    scalar,
    secret::Reference,
    variables::{Reserved, reserved},
    yaml::Value,
};
use std::collections::BTreeMap;

/// Where a value may be found.
const KINDS: [&str; 4] = ["command", "environment", "file", "age"];

/// Name to reference, with the place of the name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, SecretDraft>);

/// One reference, and where its name stands.
#[derive(Clone, Debug)]
pub(crate) struct SecretDraft {
    pub(crate) reference: Reference,
    pub(crate) place: Place,
    pub(crate) path: String,
}

impl Secrets {
    /// `secrets: { NAME: { command: [pass, show, NAME] } }`.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Secrets {
        let mut found = BTreeMap::new();
        if !matches!(field.node.value, Value::Mapping(_)) {
            report.hide(field.node.place);
            let message = "`secrets` must be a mapping of names to where their values are found";
            report.error(field.place, field.path.clone(), message).hint(EXAMPLE);
            return Secrets(found);
        }
        for (name, inner) in field.entries(report, "a mapping of names") {
            if !valid_name(&name, inner.place, &inner.path, report) {
                continue;
            }
            if reserved(&name) == Some(Reserved::Identity) {
                let message = format!("`{name}` is set for each instance and cannot be given");
                report.error(inner.place, inner.path.clone(), message).hint("use another name");
                continue;
            }
            if let Some(reference) = reference(&name, &inner, report) {
                let draft = SecretDraft { reference, place: inner.place, path: inner.path.clone() };
                found.insert(name.to_string(), draft);
            }
        }
        Secrets(found)
    }

    /// This one's references where it has them, else those of the base.
    pub(crate) fn over(&self, base: &Secrets) -> Secrets {
        let mut all = base.0.clone();
        all.extend(self.0.iter().map(|(name, it)| (name.clone(), it.clone())));
        Secrets(all)
    }
}

const EXAMPLE: &str = "write `NAME: { command: [pass, show, NAME] }`, or `environment`, `file`, \
                       `age`; a value itself belongs into an env file";

fn reference(name: &str, field: &Field<'_>, report: &mut Report) -> Option<Reference> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        // It may be the value itself, which nobody shall read in a build's log.
        report.hide(field.place);
        report.hide(field.node.place);
        let message = format!("`{name}` must say where its value is found");
        report.error(field.place, field.path.clone(), message).hint(EXAMPLE);
        return None;
    }
    let known = ["command", "environment", "file", "age", "key"];
    let table = Table::read(field, &known, &[], report)?;
    let given: Vec<&Field<'_>> = KINDS.iter().filter_map(|it| table.get(it)).collect();
    let [kind] = given[..] else {
        if given.is_empty() && table.any_unknown {
            return None;
        }
        let message = format!("`{name}` is found in one place, not in {}", given.len());
        let reported = report.error(field.place, field.path.clone(), message);
        reported.hint(format!("give one of {}", quoted_list(&KINDS, KINDS.len())));
        return None;
    };
    if let Some(key) = table.get("key")
        && kind.name() != "age"
    {
        let message = format!("`key` says nothing beside `{}`", kind.name());
        key.error(report, message).hint("it names a variable within an `age` file");
    }
    match kind.name() {
        "command" => argv::command(kind, report).map(|it| Reference::Command(it.value)),
        "environment" => {
            let variable = scalar::word(kind, report)?;
            valid_name(&variable.value, variable.place, &variable.path, report)
                .then_some(Reference::Environment(variable.value))
        }
        "file" => scalar::word(kind, report).map(|it| Reference::File(it.value)),
        _ => {
            let file = scalar::word(kind, report)?.value;
            let key = match table.get("key") {
                Some(key) => scalar::word(key, report)?.value,
                None => name.to_owned(),
            };
            Some(Reference::Age { file, key })
        }
    }
}
