//! The files into a directory of the user's, such as a repository.

use super::{Difference, Nginx, Trouble, place::failed, seal::SEAL, text_of};
use crate::file;
use model::failure::Failure;
use std::{collections::BTreeMap, fs, io, path::Path};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// All that the configuration comes to.
    pub files: usize,
    /// Of them, new or changed.
    pub written: usize,
    /// That the configuration has no more.
    pub removed: usize,
}

impl Nginx {
    /// Writes what differs, and removes what is ours and not wanted any more.  Files without our
    /// seal are left as they are.
    ///
    /// # Errors
    /// When a file of ours was changed by hand: nothing is written then, unless `discard_edits`.
    pub fn generate(&self, into: &Path, discard_edits: bool) -> Result<Generated, Trouble> {
        let files = self.files();
        let mut done = Generated { files: files.len(), ..Generated::default() };
        let wanted: BTreeMap<&str, &str> =
            files.iter().map(|it| (it.path.as_str(), it.text.as_str())).collect();
        let there = there(into)?;
        let edited: Vec<Difference> = there
            .iter()
            .filter(|(path, text)| {
                let ours = wanted.contains_key(path.as_str()) || SEAL.is_marked(text);
                ours && !SEAL.is_intact(text)
            })
            .map(|(path, text)| Difference {
                path: path.clone(),
                host: Some(text.clone()),
                wanted: wanted.get(path.as_str()).map(|it| (*it).to_owned()),
                by_hand: true,
            })
            .collect();
        if !edited.is_empty() && !discard_edits {
            return Err(Trouble::Edited(edited));
        }
        for folder in super::place::FOLDERS {
            let path = into.join(folder);
            fs::create_dir_all(&path).map_err(|error| failed("make", &path, &error))?;
        }
        for (path, text) in &wanted {
            if there.get(*path).is_none_or(|it| it != text) {
                let path = into.join(path);
                fs::write(&path, text).map_err(|error| failed("write", &path, &error))?;
                done.written += 1;
            }
        }
        let stale = |(path, text): &(&String, &String)| {
            !wanted.contains_key(path.as_str()) && SEAL.is_marked(text)
        };
        for (path, _) in there.iter().filter(stale) {
            let path = into.join(path);
            file::remove(&path).map_err(|error| failed("remove", &path, &error))?;
            done.removed += 1;
        }
        Ok(done)
    }
}

/// Every file below the two folders, by path.
fn there(directory: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for folder in super::place::FOLDERS {
        let path = directory.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("read", &path, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("read", &path, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                let text = text_of(&entry.path())?.unwrap_or_default();
                found.insert(format!("{folder}/{name}"), text);
            }
        }
    }
    Ok(found)
}
