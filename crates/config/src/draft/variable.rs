//! Variables as they were read: values, files, and the names that must be there.

use crate::{
    placeholder,
    report::{Field, Place, Placed, Report},
    scalar,
    variables::{Reserved, is_variable_name, reserved},
    yaml::Value,
};
use std::collections::BTreeMap;

/// Name to value, with the place of the name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(pub(crate) BTreeMap<String, Variable>);

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
        let mut all = base.0.clone();
        all.extend(self.0.iter().map(|(name, it)| (name.clone(), it.clone())));
        Variables(all)
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
    let mut found = BTreeMap::new();
    for (name, inner) in field.entries(report, "a mapping of names to values") {
        if !valid_name(&name, inner.place, &inner.path, report) {
            continue;
        }
        if reserved(&name) == Some(Reserved::Identity) {
            let message = format!("`{name}` is set for each instance and cannot be given");
            report.error(inner.place, inner.path.clone(), message).hint("use another name");
            continue;
        }
        if inner.node.value == Value::Null {
            let message = format!("`{name}` has no value");
            let reported = report.error(inner.place, inner.path.clone(), message);
            reported.hint("write `\"\"` for an empty value, or remove the line");
            continue;
        }
        if let Some(text) = scalar::text(&inner, report) {
            placeholder::check(&text, report);
            let variable = Variable { value: text.value, place: inner.place, path: text.path };
            found.insert(name.to_string(), variable);
        }
    }
    Variables(found)
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

/// The path of an env file.
pub(crate) fn file_path(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    scalar::word(field, report)
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
