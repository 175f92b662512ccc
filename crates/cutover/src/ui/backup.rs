//! Backups, in words.

use crate::ui::{
    figure::{bytes, counted},
    paint::Paint,
};
use drivers::backups::{drill::Drilled, verify::Verified};
use model::{
    backup::{BackupName, Part, metadata::Metadata, retention::Keeping},
    name::EnvironmentId,
};
use std::path::Path;

/// `✓ backup_… of shop/production: 3 parts, 1.2 MB, read back`.
pub fn made(made: &Metadata, paint: &Paint) -> String {
    let read = if made.opened_after_writing { "read back" } else { "its hashes compared" };
    let closed = if made.is_encrypted() { ", encrypted" } else { "" };
    format!(
        "{} {} of {}: {}, {}{closed}, {read}",
        paint.good("✓"),
        made.name,
        made.environment,
        counted(made.items.len(), "part"),
        bytes(made.bytes())
    )
}

/// A line each, newest first.
pub fn list(all: &[(Metadata, Keeping)]) -> String {
    if all.is_empty() {
        return "no backups".to_owned();
    }
    let line = |(it, keeping): &(Metadata, Keeping)| {
        let before = it.before.as_ref().map(|it| format!("before {}", it.version));
        let said = it.note.clone().map(|it| it.escape_debug().to_string()).or(before);
        let kept = match keeping {
            Keeping::Pinned => "pinned",
            Keeping::Newest => "newest",
            Keeping::Needed => "needed by a rollback",
            Keeping::Recent => "recent",
            Keeping::Surplus => "goes next",
        };
        let version = it.version.as_deref().unwrap_or("-");
        let closed = if it.is_encrypted() { "encrypted" } else { "open" };
        let line = format!(
            "{}  {version:<14} {:>9}  {closed:<9}  {kept:<20}  {}",
            it.name,
            bytes(it.bytes()),
            said.unwrap_or_default()
        );
        line.trim_end().to_owned()
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Those in the second place, newest first.
pub fn names(all: &[BackupName]) -> String {
    if all.is_empty() {
        return "no backups in the second place".to_owned();
    }
    all.iter().map(BackupName::as_str).collect::<Vec<_>>().join("\n")
}

/// What lies among backups and is none of ours, in a line; none where there is nothing.
pub fn others(all: &[String]) -> Option<String> {
    const SHOWN_MAX: usize = 10;
    let shown: Vec<String> =
        all.iter().take(SHOWN_MAX).map(|it| it.escape_debug().to_string()).collect();
    let more = all.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = shown.join(", ");
    (!all.is_empty())
        .then(|| format!("also there, not to be read as ours, and never removed: {shown}{more}"))
}

/// `✓ backup_… of shop/production is back: 3 parts, 1.2 MB`.
pub fn fetched(it: &Metadata, paint: &Paint) -> String {
    let parts = counted(it.items.len(), "part");
    let (name, environment, bytes) = (&it.name, &it.environment, bytes(it.bytes()));
    format!("{} {name} of {environment} is back: {parts}, {bytes}", paint.good("✓"))
}

/// What is in one.
pub fn show(it: &Metadata, directory: &Path) -> String {
    let mut lines = vec![format!("{} of {}", it.name, it.environment)];
    let mut add = |word: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {word:<10} {value}")));
    };
    add("made", Some(it.timestamp.clone()));
    add("version", it.version.clone());
    add("commit", it.git_commit.clone());
    add("before", it.before.as_ref().map(|it| it.version.clone()));
    add("by", it.deployment.as_ref().map(|it| format!("deployment {it}")));
    add("note", it.note.as_ref().map(|it| it.escape_debug().to_string()));
    add("kept", it.pinned.then(|| "pinned: until somebody deletes it".into()));
    add("opens to", it.is_encrypted().then(|| it.encrypted_to.join(", ")));
    add("lies in", Some(directory.display().to_string()));
    for item in &it.items {
        let (packed, plain) = (bytes(item.bytes), bytes(item.plain_bytes));
        let tool = item.tool.escape_debug();
        lines.push(format!("  {:<28} {packed:>9} of {plain:<9} {tool}", item.content.shown()));
    }
    lines.extend(it.absent.iter().map(|it| format!("  {it:<28} was not there")));
    lines.join("\n")
}

/// `✓ backup_…: 3 parts, 1.2 MB`, or a line a part that differs.
pub fn verified(it: &Verified, paint: &Paint) -> String {
    let read = if it.opened { "" } else { "; encrypted, and not opened: hashes were compared" };
    if it.whole {
        let parts = counted(it.parts.len(), "part");
        return format!("{} {}: {parts}, {}{read}", paint.good("✓"), it.name, bytes(it.bytes));
    }
    let mut lines = vec![paint.bad(&format!("✗ {}: it is not what it was", it.name))];
    let troubles = it.parts.iter().filter_map(|it| Some((&it.shown, it.trouble.as_ref()?)));
    lines.extend(troubles.map(|(shown, why)| format!("    {shown}: failed to {why}")));
    lines.join("\n")
}

/// What came back, part by part.
pub fn drilled(name: &BackupName, all: &[Drilled], paint: &Paint) -> String {
    let mut lines = vec![format!("{} {name} can be restored", paint.good("✓"))];
    for it in all {
        let rows: u64 = it.tables.iter().map(|it| it.rows).sum();
        let told = match it.files {
            Some(files) => counted(usize::try_from(files).unwrap_or(usize::MAX), "file"),
            None if it.tables.is_empty() => "read".to_owned(),
            None => format!("{}, {rows} rows", counted(it.tables.len(), "table")),
        };
        lines.push(format!("    {:<28} {told}", it.shown));
        let table = |it: &drivers::backups::Table| {
            let name = it.name.escape_debug().to_string();
            format!("        {name:<28} {} rows", it.rows)
        };
        lines.extend(it.tables.iter().map(table));
    }
    lines.join("\n")
}

/// What goes, for who is asked.
pub fn overwrites(it: &Metadata, parts: &[Part], environment: &EnvironmentId) -> String {
    let items = it.items.iter().filter(|it| parts.contains(&it.content.part()));
    let shown: Vec<String> = items.map(|it| it.content.shown()).collect();
    format!("{} of {environment} is replaced by what it was at {}.", shown.join(", "), it.timestamp)
}

/// `✓ backup_…: database main, files shared/uploads`.
pub fn restored(name: &BackupName, restored: &[String], paint: &Paint) -> String {
    format!("{} {name} is in place: {}", paint.good("✓"), restored.join(", "))
}

/// What was removed, or would be.
pub fn gone(gone: &[Metadata], dry_run: bool) -> String {
    if gone.is_empty() {
        return "nothing is beyond what is kept".to_owned();
    }
    let word = if dry_run { "would go" } else { "is removed" };
    let line = |it: &Metadata| format!("{} {word}: {}", it.name, bytes(it.bytes()));
    gone.iter().map(line).collect::<Vec<_>>().join("\n")
}
