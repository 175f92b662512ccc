//! What `init` needs to know of a directory.

use super::{ENV_FILE_BYTES_MAX, read_file};
use crate::init::{Facts, SETTINGS};
use std::{fs, path::Path};

/// Enough to see what a project is.
const DIRECTORY_ENTRIES_MAX: usize = 10_000;

/// Programs that are searched for the path of a health check, and how deep they may lie.
const SOURCES_MAX: usize = 400;
const SOURCE_DEPTH_MAX: usize = 6;
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// How programs are called.
const SUFFIXES: [&str; 14] =
    ["js", "mjs", "cjs", "ts", "mts", "tsx", "jsx", "py", "rs", "go", "rb", "php", "java", "kt"];

/// Directories of what others wrote, of what was built, and of tests.
const PASSED_OVER: [&str; 12] = [
    "node_modules",
    "target",
    "dist",
    "build",
    "vendor",
    "venv",
    "__pycache__",
    "test",
    "tests",
    "__tests__",
    "coverage",
    "docs",
];

/// Pages that were built elsewhere.
const PAGES: [&str; 4] =
    ["dist/index.html", "build/index.html", "public/index.html", "out/index.html"];

/// What is in a directory.  What cannot be read counts as not there.
pub fn read_facts(directory: &Path) -> Facts {
    let text = |name: &str, bytes_max: usize| {
        let (bytes, _) = read_file(&directory.join(name), bytes_max).ok()?;
        Some((name.to_owned(), String::from_utf8(bytes).ok()?))
    };
    let mut files = names(directory);
    files.extend(PAGES.iter().filter(|it| directory.join(it).is_file()).map(|it| (*it).to_owned()));
    let open = |name: &&String| {
        name.starts_with(".env")
            && read_file(&directory.join(name), ENV_FILE_BYTES_MAX)
                .is_ok_and(|(_, mode)| mode & 0o077 != 0)
    };
    let whole = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let name = whole.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let mut sources = Vec::new();
    walk(directory, "", 0, &mut sources);
    Facts {
        directory_name: name.to_owned(),
        open_env_files: files.iter().filter(open).cloned().collect(),
        files,
        settings: SETTINGS.iter().filter_map(|it| text(it, ENV_FILE_BYTES_MAX)).collect(),
        sources: sources.iter().filter_map(|it| text(it, SOURCE_BYTES_MAX)).collect(),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().filter_map(|it| it.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(DIRECTORY_ENTRIES_MAX).collect();
    names.sort();
    names
}

/// Names of programs, those of the directory itself before those within it.
fn walk(directory: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) {
    let mut within = Vec::new();
    for name in names(&directory.join(prefix)) {
        if found.len() >= SOURCES_MAX {
            return;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        // Links are not followed: they may lead anywhere, also back.
        let Ok(kind) = fs::symlink_metadata(directory.join(&path)) else { continue };
        let is_program = SUFFIXES.contains(&name.rsplit_once('.').map_or("", |it| it.1));
        if kind.is_file() && is_program {
            found.push(path);
        } else if kind.is_dir() && !name.starts_with('.') && !PASSED_OVER.contains(&name.as_str()) {
            within.push(path);
        }
    }
    for path in within.into_iter().filter(|_| depth < SOURCE_DEPTH_MAX) {
        walk(directory, &path, depth + 1, found);
    }
}
