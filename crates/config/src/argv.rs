//! A command: a list of arguments, or a text that is split as a shell would split it and never
//! given to one.

use crate::{
    placeholder,
    report::{Field, Placed, Report},
    scalar,
    yaml::Value,
};

/// Program and arguments.
pub(crate) fn command(field: &Field<'_>, report: &mut Report) -> Option<Placed<Vec<String>>> {
    let found = match &field.node.value {
        Value::Sequence(_) => {
            let items = field.items();
            let read: Vec<Option<Placed<String>>> =
                items.iter().map(|it| scalar::template(it, report)).collect();
            let read: Option<Vec<Placed<String>>> = read.into_iter().collect();
            read?.into_iter().map(|it| it.value).collect()
        }
        Value::Scalar { text, .. } => {
            let placed = scalar::text(field, report)?;
            placeholder::check(&placed, report);
            if let Some((shown, hint)) = needs_shell(text) {
                let message =
                    format!("`{shown}` would need a shell, and commands are never given to one");
                field.error(report, message).hint(hint);
                return None;
            }
            let Some(words) = shlex::split(text) else {
                let message = "a quotation mark or a `\\` at the end is left open";
                field.error(report, message).hint("or give a list: [program, argument]");
                return None;
            };
            words
        }
        _ => {
            field.wrong(report, "a list such as [node, server.js], or text that is split");
            return None;
        }
    };
    if found.first().is_none_or(|it| it.trim().is_empty()) {
        let message = format!("`{}` names no program", field.name());
        field.error(report, message).hint("give program and arguments: [node, server.js]");
        return None;
    }
    Some(field.placed(found))
}

/// The first thing outside quotation marks that only a shell would understand, and what to do.
pub(crate) fn needs_shell(text: &str) -> Option<(String, String)> {
    const OPERATORS: [&str; 9] = ["&&", "||", ">>", "$(", "|", ";", ">", "<", "&"];
    let argv = "give a list of program and arguments, or put the line in a script of your own";
    let mut quote = None;
    let text = text.trim();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let rest = &text[at..];
        match (quote, character) {
            (None, '\\') | (Some('"'), '\\') => {
                characters.next();
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '`') => return Some(("`…`".to_owned(), argv.to_owned())),
            (None | Some('"'), '$') => {
                if let Some(found) = variable(rest) {
                    return Some(found);
                }
            }
            (None, '\n') => {
                let hint = "fold the lines into one with `>`, or give a list";
                return Some(("a second line".to_owned(), hint.to_owned()));
            }
            (None, _) => {
                if let Some(found) = OPERATORS.iter().find(|it| rest.starts_with(**it)) {
                    return Some(((*found).to_owned(), argv.to_owned()));
                }
            }
            _ => {}
        }
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    let (name, _) = first.split_once('=')?;
    let assigns = crate::variables::is_variable_name(name);
    assigns.then(|| (first.to_owned(), format!("set `{name}` under `env` instead")))
}

/// `$NAME`, `${NAME}` or `$(…)` at the beginning of the text.
fn variable(rest: &str) -> Option<(String, String)> {
    let inner = rest.strip_prefix('$')?;
    let bare = inner.strip_prefix('{').unwrap_or(inner);
    let length = bare.bytes().take_while(|it| it.is_ascii_alphanumeric() || *it == b'_').count();
    let name = &bare[..length];
    if inner.starts_with('(') {
        let hint = "give a list of program and arguments, or put the line in a script of your own";
        return Some(("$(".to_owned(), hint.to_owned()));
    }
    if name.is_empty() {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let hint = if crate::placeholder::PLACEHOLDERS.contains(&lower.as_str()) {
        format!("write `{{{lower}}}`, which is filled for each instance")
    } else {
        "let the program read the variable itself".to_owned()
    };
    Some((format!("${name}"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_are_told_from_text() {
        let bad = [
            ("a && b", "&&"),
            ("a || b", "||"),
            ("a | b", "|"),
            ("a; b", ";"),
            ("a > log", ">"),
            ("a < in", "<"),
            ("a &", "&"),
            ("a $(b)", "$("),
            ("a \"$(b)\"", "$("),
            ("a `b`", "`…`"),
            ("serve --port $PORT", "$PORT"),
            ("serve --port ${PORT}", "$PORT"),
            ("PORT=1 serve", "PORT=1"),
            ("build\nserve\n", "a second line"),
        ];
        for (text, expected) in bad {
            let found = needs_shell(text).map(|it| it.0);
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        let good = [
            "a 'b && c'",
            "a \"b | c\"",
            "a \\& b",
            "a b\n",
            "a \\\n b",
            "a 'b\nc'",
            "a --x=1;".trim_end_matches(';'),
            "a $",
        ];
        for text in good {
            assert_eq!(needs_shell(text), None, "{text}");
        }
    }

    #[test]
    fn a_port_variable_leads_to_the_placeholder() {
        let (_, hint) = needs_shell("serve $PORT").expect("it needs a shell");
        assert!(hint.contains("{port}"), "{hint}");
    }
}
