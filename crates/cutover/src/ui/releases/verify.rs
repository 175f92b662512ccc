//! Whether content is what was put there.

use crate::ui::{
    figure::{bytes, counted},
    paint::Paint,
};
use drivers::releases::integrity::Integrity;
use model::name::EnvironmentId;
use serde::Serialize;

/// Paths of each kind that are listed; `--json` lists more.
const PATHS_SHOWN: usize = 20;

/// A release that was read whole.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Of which.
    pub environment: EnvironmentId,
    /// Its version.
    pub version: String,
    /// That its content should have.
    pub digest: String,
    /// Nothing differs.
    pub whole: bool,
    /// What does.
    #[serde(flatten)]
    pub integrity: Integrity,
}

/// `✓ shop/production 1.2.0: 12 files, 3.4 MB`, or a line a difference.
pub fn text(verified: &Verified, paint: &Paint) -> String {
    let Verified { environment, version, integrity, .. } = verified;
    let name = format!("{environment} {version}");
    if verified.whole {
        let files = usize::try_from(integrity.files).unwrap_or(usize::MAX);
        let read = format!("{}, {}", counted(files, "file"), bytes(integrity.bytes));
        return format!("{} {name}: {read}", paint.good("✓"));
    }
    let mut lines = vec![];
    if integrity.list_damaged {
        lines.push("the list of its content is gone or damaged: deploy it as a new version".into());
    }
    for (word, paths) in [
        ("altered", &integrity.altered),
        ("missing", &integrity.missing),
        ("extra", &integrity.extra),
    ] {
        lines.extend(paths.iter().take(PATHS_SHOWN).map(|it| format!("{word:<8} {it}")));
        if paths.len() > PATHS_SHOWN {
            lines.push(format!("{word:<8} … and {} more", paths.len() - PATHS_SHOWN));
        }
    }
    let differences = usize::try_from(integrity.differences).unwrap_or(usize::MAX);
    let head = format!("✗ {name}: {}", counted(differences, "difference"));
    let lines: String = lines.iter().map(|it| format!("\n    {it}")).collect();
    format!("{}{lines}", paint.bad(&head))
}
