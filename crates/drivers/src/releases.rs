//! Releases on this machine's file system: content, records, links.

pub mod archive;
mod arrival;
mod built;
mod collision;
pub mod compare;
mod content;
pub(crate) mod dependencies;
mod git;
mod growth;
pub mod integrity;
mod keep;
pub mod left_out;
mod limits;
mod links;
pub mod listing;
pub mod opened;
mod origin;
mod placer;
mod record;
mod refusal;
mod saved;
pub mod send;
mod shared;
mod shared_trouble;
pub mod space;
mod stage;
mod upload;
mod verify;
mod walk;

pub use limits::{
    BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, NAMES_BYTES_MAX, PATH_BYTES_MAX, RATIO_FREE_BYTES,
    RATIO_MAX, UNPACK_TIME_MAX,
};
pub use upload::Received;

use crate::{blocking::blocking, file, layout::Layout};
use async_trait::async_trait;
use engine::port::releases::Releases;
use model::{
    failure::{Blame, Failure},
    id::{DeploymentId, ReleaseId},
    name::EnvironmentId,
    release::{Artifact, Release, Source},
    shared::Trouble,
};
use std::path::{Path, PathBuf};

/// Keeps releases as directories under `ROOT/projects/`.
#[derive(Clone, Debug)]
pub struct DirectoryReleases {
    layout: Layout,
}

impl DirectoryReleases {
    /// Under the state directory.
    pub fn new(layout: Layout) -> DirectoryReleases {
        DirectoryReleases { layout }
    }

    fn environment_directory(&self, environment: &EnvironmentId) -> Result<PathBuf, Failure> {
        let path = self.layout.environment(environment);
        make(&path, file::MODE_PUBLIC_DIRECTORY)?;
        Ok(path)
    }
}

#[async_trait]
impl Releases for DirectoryReleases {
    async fn inspect(
        &self,
        environment: &EnvironmentId,
        source: &Source,
    ) -> Result<Artifact, Failure> {
        let (this, environment, source) = (self.clone(), environment.clone(), source.clone());
        blocking(move || this.inspect_now(&environment, &source)).await
    }

    async fn record(&self, release: &Release) -> Result<(), Failure> {
        let (this, release) = (self.clone(), release.clone());
        blocking(move || this.write_record(&release)).await
    }

    async fn read(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
    ) -> Result<Release, Failure> {
        let (this, environment, release) = (self.clone(), environment.clone(), release.clone());
        blocking(move || this.read_record(&environment, &release)).await
    }

    async fn list(&self, environment: &EnvironmentId) -> Result<Vec<Release>, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.list_now(&environment)).await
    }

    async fn stage(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        source: &Source,
    ) -> Result<(), Failure> {
        let (this, environment, release) = (self.clone(), environment.clone(), release.clone());
        let (version, source) = (version.to_owned(), source.clone());
        blocking(move || this.stage_now(&environment, &release, &version, &source)).await
    }

    async fn shared_trouble(
        &self,
        release: &Release,
        source: &Source,
    ) -> Result<Vec<Trouble>, Failure> {
        let (this, release, source) = (self.clone(), release.clone(), source.clone());
        blocking(move || this.shared_trouble_now(&release, &source)).await
    }

    async fn verify(&self, release: &Release) -> Result<(), Failure> {
        let (this, release) = (self.clone(), release.clone());
        blocking(move || this.verify_now(&release)).await
    }

    async fn link(
        &self,
        environment: &EnvironmentId,
        current: Option<&str>,
        previous: Option<&str>,
    ) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        let (current, previous) = (current.map(str::to_owned), previous.map(str::to_owned));
        blocking(move || this.link_now(&environment, current.as_deref(), previous.as_deref())).await
    }

    async fn links(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(Option<String>, Option<String>), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.links_now(&environment)).await
    }

    async fn remove(&self, environment: &EnvironmentId, version: &str) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        let version = version.to_owned();
        blocking(move || this.remove_now(&environment, &version)).await
    }

    async fn prepared(&self, environment: &EnvironmentId) -> Result<Vec<String>, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.prepared_now(&environment)).await
    }

    async fn discard_upload(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
    ) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        let deployment = deployment.clone();
        blocking(move || this.discard_upload_now(&environment, &deployment)).await
    }

    async fn write_manifest(
        &self,
        environment: &EnvironmentId,
        manifest: &serde_json::Value,
    ) -> Result<(), Failure> {
        let path = self.layout.manifest(environment);
        self.environment_directory(environment)?;
        let manifest = manifest.clone();
        blocking(move || {
            let mut text = serde_json::to_vec_pretty(&manifest).map_err(|it| unwritable(&it))?;
            text.push(b'\n');
            file::write(&path, &text, file::MODE_PUBLIC)
                .map_err(|error| file::failure("write", &path, &error))
        })
        .await
    }
}

/// A version, an upload's name or a release's id becomes one name in a path, and nothing else.
fn segment<'a>(what: &str, text: &'a str) -> Result<&'a str, Failure> {
    const SEGMENT_BYTES_MAX: usize = 200;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let is_name = !text.is_empty()
        && text.len() <= SEGMENT_BYTES_MAX
        && !text.starts_with(['.', '-'])
        && text.bytes().all(fits);
    if is_name {
        return Ok(text);
    }
    let message = format!("take `{}` for {what}", text.escape_debug());
    Err(Failure::new(Blame::Request, message)
        .hint("use letters, digits, `.`, `_`, `+` and `-`, led by a letter or digit"))
}

fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    file::make_directory(path, mode)
        .map_err(|error| file::failure("make the directory", path, &error))
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Blame::Us, format!("put a record into words: {error}"))
}
