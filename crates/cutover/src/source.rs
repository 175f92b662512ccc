//! Where a release's content comes from, read on this side and sent.

mod commit;
pub mod list;
mod send;
mod size;

use crate::{configuration::Configuration, halt::Halt};
use config::SourceConfig;
use drivers::releases::archive::Format;
use model::{id::DeploymentId, release::Source};
use std::path::{Path, PathBuf};

pub use commit::of as commit;
pub use send::{Progress, send};

/// Endings of archives that are not taken.
const OTHER_ARCHIVES: [&str; 6] = [".tar.xz", ".tar.bz2", ".tbz2", ".7z", ".rar", ".tar.lz"];

/// Content, before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All that a directory holds.
    Directory(PathBuf),
    /// All that an archive holds, which the controller unpacks.
    Archive {
        /// Its file.
        path: PathBuf,
        /// By its name.
        format: Format,
    },
    /// One commit of the repository that a directory belongs to.
    Commit {
        /// It.
        directory: PathBuf,
        /// Branch, tag or commit.
        reference: String,
    },
    /// A repository, which the controller fetches.
    Remote {
        /// As `git` takes it.
        url: String,
        /// Branch, tag or commit.
        reference: String,
    },
    /// That of a release which is kept there.
    Kept {
        /// Its version.
        version: String,
    },
}

impl Content {
    /// By `--from`, else by the configuration.
    ///
    /// # Errors
    ///
    /// Where it names an archive, or something that cannot be a reference.
    pub fn new(
        configuration: &Configuration,
        source: &SourceConfig,
        from: Option<&str>,
    ) -> Result<Content, Halt> {
        let Some(from) = from else {
            return Ok(match source {
                SourceConfig::Directory(path) => {
                    Content::Directory(configuration.directory().join(path))
                }
                SourceConfig::Git { url, reference } => {
                    Content::Remote { url: url.clone(), reference: reference.clone() }
                }
            });
        };
        if Path::new(from).is_dir() {
            return Ok(Content::Directory(PathBuf::from(from)));
        }
        if let Some(format) = Format::of_name(from) {
            return archive(from, format);
        }
        if OTHER_ARCHIVES.iter().any(|it| from.ends_with(it)) {
            return Err(Halt::usage(format!(
                "deploy from `{from}`: it is no archive that is taken"
            ))
            .hint("pack it as .tar, .tar.gz, .tar.zst or .zip, or name its directory"));
        }
        if Path::new(from).exists() {
            return Err(Halt::usage(format!(
                "deploy from `{from}`: it is no directory and no archive"
            ))
            .hint("name a directory, or a .tar, .tar.gz, .tar.zst or .zip"));
        }
        refuse_reference(from)?;
        let reference = from.to_owned();
        Ok(match source {
            SourceConfig::Directory(path) => {
                let directory = configuration.directory().join(path);
                commit::expect(&directory, &reference)?;
                Content::Commit { directory, reference }
            }
            SourceConfig::Git { url, .. } => Content::Remote { url: url.clone(), reference },
        })
    }

    /// Whether there is nothing to send from here.
    pub fn is_there(&self) -> bool {
        matches!(self, Content::Remote { .. } | Content::Kept { .. })
    }

    /// As it goes into the request; what is to be sent is sent under the deployment's id.
    pub fn source(&self, deployment: &DeploymentId) -> Source {
        let upload = |described: String, commit: Option<String>| Source::Upload {
            upload: deployment.0.clone(),
            described,
            commit,
        };
        match self {
            Content::Remote { url, reference } => {
                Source::Git { url: url.clone(), reference: reference.clone() }
            }
            Content::Kept { version } => Source::Kept { version: version.clone() },
            Content::Directory(path) => {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                upload(whole.display().to_string(), commit::of(path, "HEAD"))
            }
            Content::Archive { path, .. } => {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                upload(whole.display().to_string(), None)
            }
            Content::Commit { directory, reference } => {
                let whole = directory.canonicalize().unwrap_or_else(|_| directory.clone());
                let described = format!("{} {reference}", whole.display());
                upload(described, commit::of(directory, reference))
            }
        }
    }
}

/// Its content must be what its name says, which is found out before anything is sent.
fn archive(from: &str, format: Format) -> Result<Content, Halt> {
    let path = PathBuf::from(from);
    if !path.is_file() {
        return Err(Halt::usage(format!("deploy from `{from}`: there is no such file")));
    }
    send::head_of(&path).and_then(|head| format.expect(&head))?;
    Ok(Content::Archive { path, format })
}

/// It must not be taken for an option of `git`.
fn refuse_reference(reference: &str) -> Result<(), Halt> {
    let odd = |it: char| it.is_control() || it.is_whitespace() || "~^:?*[\\".contains(it);
    if reference.is_empty() || reference.starts_with('-') || reference.contains(odd) {
        let shown = reference.escape_debug();
        return Err(Halt::usage(format!(
            "deploy from `{shown}`: it is neither a directory nor a branch, tag or commit"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Document;

    fn here() -> Configuration {
        let text = "projects: { shop: { services: { web: { command: [web] } }, environments: { \
                    production: {} } } }";
        let (document, _) = Document::read("cutover.yml", text);
        Configuration { path: "/etc/cutover.yml".into(), document: document.unwrap() }
    }

    #[test]
    fn from_is_a_directory_or_a_reference() {
        let git = SourceConfig::Git { url: "https://g/x.git".into(), reference: "HEAD".into() };
        let content = |from: Option<&str>| Content::new(&here(), &git, from);
        let remote = |reference: &str| Content::Remote {
            url: "https://g/x.git".into(),
            reference: reference.into(),
        };
        assert_eq!(content(None).unwrap(), remote("HEAD"));
        assert_eq!(content(Some("v1.2.0")).unwrap(), remote("v1.2.0"));
        assert_eq!(content(Some("/etc")).unwrap(), Content::Directory("/etc".into()));
        for refused in ["-x", "--upload-pack=x", "a b", "x.tar.gz", "/etc/passwd", "", "a;b:c"] {
            assert_eq!(content(Some(refused)).unwrap_err().exit_code(), 1, "{refused}");
        }
    }

    #[test]
    fn from_is_an_archive_by_its_name_and_its_first_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let content = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let source = SourceConfig::Directory("app".into());
            Content::new(&here(), &source, path.to_str()).map_err(|it| it.exit_code())
        };
        let zip = content("app.ZIP", b"PK\x03\x04").unwrap();
        assert!(matches!(zip, Content::Archive { format: Format::Zip, .. }), "{zip:?}");
        let gz = content("app.tgz", b"\x1f\x8b\x08").unwrap();
        assert!(matches!(gz, Content::Archive { format: Format::TarGz, .. }), "{gz:?}");
        assert_eq!(content("app.tar.gz", b"PK\x03\x04"), Err(1));
        assert_eq!(content("app.tar", b""), Err(1));
        assert_eq!(content("app.tar.xz", b"\xfd7zXZ"), Err(1));
    }

    #[test]
    fn the_configuration_says_where_content_is_relative_to_itself() {
        let source = SourceConfig::Directory("app".into());
        let content = Content::new(&here(), &source, None).unwrap();
        assert_eq!(content, Content::Directory("/etc/app".into()));
    }
}
