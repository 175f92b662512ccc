//! Where a release's content comes from, read on this side and sent.

mod commit;
mod send;
mod size;

use crate::{configuration::Configuration, halt::Halt};
use config::SourceConfig;
use model::{id::DeploymentId, release::Source};
use std::path::{Path, PathBuf};

pub use send::{Progress, send};

/// Endings of archives.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".zip"];

/// Content, before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All that a directory holds.
    Directory(PathBuf),
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
        if ARCHIVES.iter().any(|it| from.ends_with(it)) {
            return Err(Halt::usage(format!("deploy from `{from}`: archives are not built yet"))
                .hint("unpack it, and name the directory"));
        }
        if Path::new(from).exists() {
            return Err(Halt::usage(format!("deploy from `{from}`: it is not a directory")));
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
            Content::Directory(path) => {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                upload(whole.display().to_string(), commit::of(path, "HEAD"))
            }
            Content::Commit { directory, reference } => {
                let whole = directory.canonicalize().unwrap_or_else(|_| directory.clone());
                let described = format!("{} {reference}", whole.display());
                upload(described, commit::of(directory, reference))
            }
        }
    }
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
    fn the_configuration_says_where_content_is_relative_to_itself() {
        let source = SourceConfig::Directory("app".into());
        let content = Content::new(&here(), &source, None).unwrap();
        assert_eq!(content, Content::Directory("/etc/app".into()));
    }
}
