//! Variables as they were read: values, files, and the names that must be there.

use crate::{
    placeholder,
    report::{Field, Place, Placed, Report},
    scalar,
    variables::{Reserved, is_variable_name, reserved},
    yaml::Value,
};
use model::name::Name;
use std::collections::BTreeMap;

/// Name to value, with the place of the name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// For instances.
    pub(crate) run: BTreeMap<String, Variable>,
    /// For what makes the artifact: another value makes another one.
    pub(crate) build: BTreeMap<String, Variable>,
}

/// One value, and where its name stands.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) value: String,
    pub(crate) place: Place,
    pub(crate) path: String,
}

impl Variables {
    /// This one's values where it has them, else those of the base.
    pub(crate) fn over(&self, base: &Variables) -> Variables {
        let laid = |own: &BTreeMap<String, Variable>, below: &BTreeMap<String, Variable>| {
            let mut all = below.clone();
            all.extend(own.iter().map(|(name, it)| (name.clone(), it.clone())));
            all
        };
        Variables { run: laid(&self.run, &base.run), build: laid(&self.build, &base.build) }
    }
}

/// Where variables are read from, besides the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EnvFileDraft {
    /// This file, which must be there.
    Named(String),
    /// `.env`, `.env.local` and that of the environment, of which one must be there.
    Dotenv,
    /// That of the environment, if it is there.
    OfEnvironment,
}

impl EnvFileDraft {
    /// The files in the order of reading; the later wins.
    pub(crate) fn paths(&self, environment: &Name) -> Vec<String> {
        let own = format!(".env.{environment}");
        match self {
            EnvFileDraft::Named(path) => vec![path.clone()],
            EnvFileDraft::Dotenv => vec![".env".to_owned(), ".env.local".to_owned(), own],
            EnvFileDraft::OfEnvironment => vec![own],
        }
    }
}

/// The names that must be set.
#[derive(Clone, Debug)]
pub(crate) enum Required {
    /// These.
    Names(Vec<Placed<String>>),
    /// Those of `.env.example` beside the configuration.
    Example(Placed<()>),
}

/// `env: { NAME: value }`.
pub(crate) fn variables(field: &Field<'_>, report: &mut Report) -> Variables {
    let mut found = Variables::default();
    for (name, inner) in field.entries(report, "a mapping of names to values") {
        // A variable has no entries, and these names are none that a program would look for.
        if matches!(inner.node.value, Value::Mapping(_)) {
            match &*name {
                "build" => found.build.extend(named(&inner, report)),
                "run" => found.run.extend(named(&inner, report)),
                _ => {
                    let reported = inner.wrong(report, "text");
                    reported.hint("only `build` and `run` have variables of their own below them");
                }
            }
            continue;
        }
        found.run.extend(one(&name, &inner, report));
    }
    found
}

fn named(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, Variable> {
    let entries = field.entries(report, "a mapping of names to values");
    entries.iter().filter_map(|(name, inner)| one(name, inner, report)).collect()
}

fn one(name: &str, inner: &Field<'_>, report: &mut Report) -> Option<(String, Variable)> {
    if !valid_name(name, inner.place, &inner.path, report) {
        return None;
    }
    if reserved(name) == Some(Reserved::Identity) {
        let message = format!("`{name}` is set for each instance and cannot be given");
        report.error(inner.place, inner.path.clone(), message).hint("use another name");
        return None;
    }
    if inner.node.value == Value::Null {
        let message = format!("`{name}` has no value");
        let reported = report.error(inner.place, inner.path.clone(), message);
        reported.hint("write `\"\"` for an empty value, or remove the line");
        return None;
    }
    let text = scalar::text(inner, report)?;
    placeholder::check(&text, report);
    let variable = Variable { value: text.value, place: inner.place, path: text.path };
    Some((name.to_owned(), variable))
}

/// Reports a name that no variable can have.
pub(crate) fn valid_name(name: &str, place: Place, path: &str, report: &mut Report) -> bool {
    let valid = is_variable_name(name);
    if !valid {
        let message = format!("`{}` is not the name of a variable", name.escape_debug());
        report.error(place, path, message).hint("use letters, digits and `_`, not led by a digit");
    }
    valid
}

/// The path of an env file, or `dotenv`.
pub(crate) fn env_file(field: &Field<'_>, report: &mut Report) -> Option<Placed<EnvFileDraft>> {
    let found = scalar::word(field, report)?;
    let draft = match found.value.as_str() {
        "dotenv" => EnvFileDraft::Dotenv,
        path => EnvFileDraft::Named(path.to_owned()),
    };
    Some(found.with(draft))
}

/// A list of names, or `example`.
pub(crate) fn required(field: &Field<'_>, report: &mut Report) -> Option<Required> {
    if let Value::Scalar { text, .. } = &field.node.value
        && &**text == "example"
    {
        return Some(Required::Example(field.placed(())));
    }
    let names = scalar::list(field, report, |it, report| {
        let name = scalar::word(it, report)?;
        valid_name(&name.value, name.place, &name.path, report).then_some(name)
    })?;
    Some(Required::Names(names.value))
}
