//! What a static service serves, as it was read.

use crate::{
    report::{Field, Placed, Report},
    scalar,
};
use model::{files::Files, shared::problem};

use super::service::ServiceDraft;

/// Answers for a directory where nobody says.
const INDEX: &str = "index.html";
/// No file at all.
const NONE: &str = "none";

/// A directory of the release; `.` is all of it.
pub(crate) fn directory(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let text = found.value.trim_start_matches("./").trim_end_matches('/').to_owned();
    if matches!(text.as_str(), "." | "") && !found.value.starts_with('/') {
        return Some(found.with(String::new()));
    }
    fitting(field, found.with(text), report)
}

/// A file in the directory, or `none`.
pub(crate) fn index(field: &Field<'_>, report: &mut Report) -> Option<Placed<Option<String>>> {
    let found = file(field, report)?;
    Some(found.with(Some(found.value.clone()).filter(|it| it != NONE)))
}

/// A file in the directory.
pub(crate) fn file(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    fitting(field, found, report)
}

fn fitting(
    field: &Field<'_>,
    found: Placed<String>,
    report: &mut Report,
) -> Option<Placed<String>> {
    let hidden = found.value.split('/').any(|it| it.starts_with('.'));
    let why = match problem(&found.value) {
        Some(why) => why,
        None if hidden => "has a name that begins with a dot, and such are never served",
        None => return Some(found),
    };
    let message = format!("`{}` {why}", found.value.escape_debug());
    field.error(report, message).hint("write a path in the release: `dist`, `public/site`");
    None
}

impl ServiceDraft {
    /// What it serves; none: it is no static service.
    pub(crate) fn files(&self) -> Option<Files> {
        self.is_static().then(|| Files {
            directory: self.directory.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
            index: self
                .index
                .as_ref()
                .map_or_else(|| Some(INDEX.to_owned()), |it| it.value.clone()),
            fallback: self.fallback.as_ref().map(|it| it.value.clone()),
        })
    }
}
