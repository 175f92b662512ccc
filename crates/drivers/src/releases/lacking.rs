//! What static services need, and a release that is to be staged does not bring.

use super::{
    DirectoryReleases,
    content::{Content, Kind},
};
use crate::file;
use model::{
    failure::Failure,
    files::{Lack, joined},
    release::{Release, Source},
};

impl DirectoryReleases {
    pub(super) fn files_lacking_now(
        &self,
        release: &Release,
        source: &Source,
    ) -> Result<Vec<Lack>, Failure> {
        let services = release.spec.services.iter();
        let mine = services.filter(|it| !release.left.contains_key(&it.name));
        let wanted: Vec<_> = mine.filter_map(|it| Some((&it.name, it.files.as_ref()?))).collect();
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let path = self.list_of(release, source)?;
        let list = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let text = list.and_then(|it| String::from_utf8(it).ok());
        let content = text.and_then(|it| Content::parse(&it)).unwrap_or_default();
        let mut lacking = vec![];
        for (name, files) in wanted {
            // What is shared is nobody's content.
            let shared = release.spec.shared.all().any(|(it, _)| {
                let below = files.directory.strip_prefix(it);
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if shared {
                continue;
            }
            if !files.directory.is_empty() && !has_directory(&content, &files.directory) {
                lacking.push(Lack::Directory(name.clone(), files.directory.clone()));
                continue;
            }
            for file in files.index.iter().chain(&files.fallback) {
                let path = joined(&files.directory, file);
                if !has_file(&content, &path) {
                    lacking.push(Lack::File(name.clone(), path));
                }
            }
        }
        lacking.dedup();
        Ok(lacking)
    }
}

/// A link leads somewhere in the release, which the release answers for.
fn has_directory(content: &Content, path: &str) -> bool {
    let entry = content.entries.get(path.as_bytes());
    entry.is_some_and(|it| matches!(it.kind, Kind::Directory | Kind::Link { .. }))
}

/// Below a link nothing is listed.
fn has_file(content: &Content, path: &str) -> bool {
    let is_link = |path: &str| {
        let entry = content.entries.get(path.as_bytes());
        entry.is_some_and(|it| matches!(it.kind, Kind::Link { .. }))
    };
    let entry = content.entries.get(path.as_bytes());
    entry.is_some_and(|it| it.kind != Kind::Directory)
        || path.match_indices('/').any(|(end, _)| is_link(&path[..end]))
}
