//! What speaks against the links of a release, found before anything is changed.

use super::{
    DirectoryReleases,
    content::{Content, Kind},
    keep::is_directory,
    shared::{is_shared_link, look},
    stage::git_name,
};
use crate::file;
use model::{
    failure::Failure,
    release::{Release, Source},
    shared::Trouble,
};
use std::path::{Path, PathBuf};

impl DirectoryReleases {
    pub(super) fn shared_trouble_now(
        &self,
        release: &Release,
        source: &Source,
    ) -> Result<Vec<Trouble>, Failure> {
        let version = super::segment("a version", &release.version)?;
        let directory = self.layout.release(&release.spec.id, version);
        if is_directory(&directory)? {
            return self.other_links(release, &directory);
        }
        let shared = &release.spec.shared;
        if shared.is_empty() {
            return Ok(vec![]);
        }
        let path = self.list_of(release, source)?;
        let list = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let text = list.and_then(|it| String::from_utf8(it).ok());
        let content = text.and_then(|it| Content::parse(&it)).unwrap_or_default();
        let root = self.shared_root(&release.spec.id);
        let mut all = vec![];
        for (name, is_directory) in shared.all() {
            all.extend(trouble(&root, &content, name, is_directory)?);
        }
        Ok(all)
    }

    /// Where it is written what the release consists of.
    fn list_of(&self, release: &Release, source: &Source) -> Result<PathBuf, Failure> {
        let environment = &release.spec.id;
        let name = match source {
            Source::Upload { upload, .. } | Source::Listed { upload, .. } => upload.clone(),
            Source::Git { .. } => git_name(release.artifact.commit.as_deref().unwrap_or_default()),
            Source::Kept { version } => {
                super::segment("a version", version)?;
                return Ok(self.layout.contents(environment).join(format!("{version}.list")));
            }
        };
        Ok(self.incoming(environment, &name)?.list)
    }

    /// Content that is in place keeps its links: something may run in it.
    fn other_links(&self, release: &Release, directory: &Path) -> Result<Vec<Trouble>, Failure> {
        let version = &release.version;
        let wanted: Vec<&str> = release.spec.shared.all().map(|it| it.0).collect();
        let records = self.records(&release.spec.id)?;
        let before = records.iter().filter(|it| it.version == *version);
        let before = before.flat_map(|it| it.spec.shared.all()).map(|it| it.0);
        let is_linked = |name: &&str| is_shared_link(directory, name.as_bytes());
        let missing = wanted.iter().copied().find(|it| !is_linked(it));
        let more = before.filter(|it| !wanted.contains(it)).find(is_linked);
        let name = missing.or(more);
        Ok(name
            .map(|it| Trouble::OtherLinks { version: version.clone(), name: it.to_owned() })
            .into_iter()
            .collect())
    }
}

fn trouble(
    root: &Path,
    content: &Content,
    name: &str,
    is_directory: bool,
) -> Result<Option<Trouble>, Failure> {
    let parents = name.match_indices('/').map(|(end, _)| &name[..end]);
    for parent in parents {
        let below = |what: &str| Trouble::Below {
            name: name.to_owned(),
            parent: format!("`{parent}` of {what}"),
        };
        let brought = content.entries.get(parent.as_bytes());
        if brought.is_some_and(|it| it.kind != Kind::Directory) {
            return Ok(Some(below("the release")));
        }
        if look(&root.join(parent))?.is_some_and(|it| !it.is_dir()) {
            return Ok(Some(below("`shared/`")));
        }
    }
    let name = name.to_owned();
    let brought = content.entries.get(name.as_bytes()).map(|it| &it.kind);
    let fits = match brought {
        Some(Kind::Directory) => is_directory,
        Some(Kind::File { .. }) => !is_directory,
        Some(Kind::Link { .. }) => false,
        None => true,
    };
    if !fits {
        return Ok(Some(Trouble::OtherKind { name, is_directory }));
    }
    let place = root.join(&name);
    // A link there, put by hand to another disk, is the owner's to see to.
    if brought.is_some() || is_directory || look(&place)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Trouble::Missing { name, place: place.display().to_string() }))
}
