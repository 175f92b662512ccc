//! Words of the user's own that stand for a verb and its arguments.

use crate::{
    argv::needs_shell,
    draft::project::named,
    report::{Field, Placed, Report},
    scalar,
    yaml::Value,
};
use model::name::Name;

/// `release: deploy production`.
#[derive(Clone, Debug)]
pub(crate) struct AliasDraft {
    pub(crate) name: Placed<Name>,
    /// At least one.
    pub(crate) words: Placed<Vec<String>>,
}

pub(crate) fn aliases(field: &Field<'_>, report: &mut Report) -> Vec<AliasDraft> {
    let mut found = Vec::new();
    for (name, inner) in named(field, "verbs and their arguments", report) {
        let name = Placed { value: name, place: inner.place, path: inner.path.clone() };
        found.extend(words(&inner, report).map(|words| AliasDraft { name, words }));
    }
    found
}

/// A list, or a text that is split as a shell would split it and never given to one.
fn words(field: &Field<'_>, report: &mut Report) -> Option<Placed<Vec<String>>> {
    let words = match &field.node.value {
        Value::Sequence(_) => {
            let items = scalar::list(field, report, scalar::text)?;
            items.value.into_iter().map(|it| it.value).collect()
        }
        _ => {
            let text = scalar::word(field, report)?;
            if let Some((shown, _)) = needs_shell(&text.value) {
                let message = format!("`{shown}` would need a shell, and there is none here");
                field.error(report, message).hint("give a verb and its arguments");
                return None;
            }
            let Some(words) = shlex::split(&text.value) else {
                let message = "a quotation mark or a `\\` at the end is left open";
                field.error(report, message).hint("or give a list: [deploy, production]");
                return None;
            };
            words
        }
    };
    if words.first().is_none_or(String::is_empty) {
        let message = format!("`{}` stands for nothing", field.name());
        field.error(report, message).hint("give a verb and its arguments: `deploy production`");
        return None;
    }
    Some(field.placed(words))
}
