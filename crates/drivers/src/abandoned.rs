//! What a controller that was killed left half-way.

use crate::{file, state::is_alive};
use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// An upload that nobody has asked to deploy for so long is of no use to anybody.
const UPLOAD_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Removes temporary files whose writers are gone, uploads that never came to their end, and
/// uploads that were not asked for since yesterday.  For a controller that has the lock, before it
/// takes uploads.
///
/// # Errors
/// Where a directory cannot be listed, or something in it not be removed.
pub fn clear_up(root: &Path) -> io::Result<()> {
    let mut directories = vec![root.to_owned(), root.join("proxy")];
    directories.extend(directories_in(&root.join("run"))?);
    for project in directories_in(&root.join("projects"))? {
        for environment in directories_in(&project)? {
            clear_uploads(&environment.join("incoming"))?;
            directories.extend(["records", "contents", "incoming"].map(|it| environment.join(it)));
            directories.push(environment);
        }
    }
    for directory in directories {
        for entry in entries(&directory)? {
            if file::writer_of(&entry.file_name()).is_some_and(|it| !is_alive(it)) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

fn clear_uploads(directory: &Path) -> io::Result<()> {
    for entry in entries(directory)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let whole = |upload: &str| directory.join(format!(".{upload}.json"));
        let useless = match name.strip_prefix('.') {
            None => !whole(&name).exists(),
            Some(rest) => match rest.rsplit_once('.') {
                Some((_, "partial" | "archive")) => true,
                Some((upload, "list")) => !whole(upload).exists(),
                Some((upload, "json")) if is_old(&entry) => {
                    remove(&directory.join(upload))?;
                    remove(&directory.join(format!(".{upload}.list")))?;
                    true
                }
                _ => false,
            },
        };
        if useless {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_old(entry: &DirEntry) -> bool {
    let age = entry.metadata().and_then(|it| it.modified()).ok().and_then(|it| it.elapsed().ok());
    age.is_some_and(|it| it > UPLOAD_AGE_MAX)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => file::remove_tree(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

fn directories_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let all = entries(directory)?.into_iter();
    let directories = all.filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
    Ok(directories.map(|it| it.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_will_finish_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let environment = root.path().join("projects/shop/production");
        let incoming = environment.join("incoming");
        for name in ["whole", ".half.partial", "unnamed"] {
            fs::create_dir_all(incoming.join(name)).unwrap();
        }
        let mut child = std::process::Command::new("true").spawn().unwrap();
        // Not waited for yet: it has ended all the same.
        while is_alive(child.id()) {
            std::thread::yield_now();
        }
        let (dead, live) = (child.id(), std::process::id());
        let kept = [
            incoming.join(".whole.json"),
            incoming.join(".whole.list"),
            environment.join(format!(".manifest.json.{live}.3.new")),
            environment.join("notes.new"),
        ];
        let left = [
            incoming.join(".half.archive"),
            incoming.join(".gone.list"),
            incoming.join(format!("..other.json.{dead}.9.new")),
            environment.join(format!(".manifest.json.{dead}.3.new")),
        ];
        for path in kept.iter().chain(&left) {
            fs::write(path, "").unwrap();
        }
        clear_up(root.path()).unwrap();
        assert!(incoming.join("whole").exists());
        assert!(kept.iter().all(|it| it.exists()), "{kept:?}");
        let gone = [incoming.join(".half.partial"), incoming.join("unnamed")];
        assert!(left.iter().chain(&gone).all(|it| !it.exists()), "{left:?}");
        child.wait().unwrap();
        // What is not there yet needs no clearing up.
        clear_up(&root.path().join("nowhere")).unwrap();
    }
}
