//! What the values of variables say; no message repeats one, for they may be secret.

use super::{Around, beside};
use crate::{draft::service::ServiceDraft, problem::Severity, report::Report, variables::Merged};

/// Variables and the values that mean development.
const DEVELOPMENT: [(&str, &[&str]); 8] = [
    ("NODE_ENV", &["development", "dev"]),
    ("RAILS_ENV", &["development"]),
    ("RACK_ENV", &["development"]),
    ("APP_ENV", &["local", "development", "dev"]),
    ("FLASK_ENV", &["development"]),
    ("FLASK_DEBUG", &["1", "true"]),
    ("APP_DEBUG", &["1", "true"]),
    ("DJANGO_DEBUG", &["1", "true"]),
];

/// Reports what the merged variables of one service show.
pub(crate) fn variables(
    service: &ServiceDraft,
    merged: &Merged,
    around: &Around<'_>,
    report: &mut Report,
) {
    let both = beside(service) || around.copies > 1;
    for (name, value) in &merged.values {
        if both && around.copies > 0 && is_sqlite(value) {
            let message = format!("`{name}` names an SQLite file, which old and new write at once");
            let hint = "`strategy: recreate` and `instances: 1`, unless it waits for its lock";
            merged.lint(name, "single-writer", Severity::Warning, message, hint, report);
        }
        if around.is_production() && is_development(name, value) {
            let message = format!("`{name}` puts the program into its development mode");
            let hint = "set it to what production needs";
            merged.lint(name, "development", Severity::Warning, message, hint, report);
        }
    }
}

fn is_development(name: &str, value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    DEVELOPMENT.iter().any(|(it, values)| *it == name && values.contains(&lower.as_str()))
}

/// An address of SQLite, or the path of a file that is called as its files are.
fn is_sqlite(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    if lower.contains(":memory:") || lower.contains(char::is_whitespace) {
        return false;
    }
    let path = lower.split(['?', '#']).next().unwrap_or_default();
    let scheme = ["sqlite:", "sqlite3:", "file:"].iter().any(|it| lower.starts_with(it));
    let named = [".sqlite", ".sqlite3", ".db"].iter().any(|it| path.ends_with(it));
    if lower.starts_with("file:") {
        return named;
    }
    scheme || (named && path.contains('/') && !path.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_sqlite_are_known() {
        for text in
            ["sqlite:///srv/app.db", "sqlite3:app", "file:./dev.db?x=1", "/srv/x.sqlite3", "a/b.DB"]
        {
            assert!(is_sqlite(text), "{text}");
        }
        for text in [
            "postgres://db.example/app.db",
            "sqlite::memory:",
            "shop.db",
            "",
            "file:/etc/x.pem",
            "https://shop.example/a.db",
        ] {
            assert!(!is_sqlite(text), "{text}");
        }
    }

    #[test]
    fn development_modes_are_known() {
        assert!(is_development("NODE_ENV", "Development"));
        assert!(is_development("FLASK_DEBUG", "1"));
        assert!(!is_development("NODE_ENV", "production"));
        assert!(!is_development("DEBUG", "1"));
    }
}
