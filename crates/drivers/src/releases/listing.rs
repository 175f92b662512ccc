//! Content of which only the list is sent: enough to plan by, without a byte of the content.

use super::{
    DirectoryReleases,
    content::Content,
    keep::read_artifact,
    limits::ENTRIES_MAX,
    make,
    upload::{Incoming, write},
};
use crate::file;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
    release::Artifact,
};

/// Bytes of a list, at most.
pub const LIST_BYTES_MAX: usize = 64 << 20;

impl DirectoryReleases {
    /// Takes the list of a directory, as [`super::send::Packed`] has it, for a plan.  It takes the
    /// place of what was sent under the name before.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it is no list, or cannot be written.
    pub fn receive_list(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        list: &[u8],
    ) -> Result<Artifact, Failure> {
        let content = std::str::from_utf8(list).ok().and_then(Content::parse);
        let content = content.filter(|it| it.entries.len() <= ENTRIES_MAX).ok_or_else(|| {
            Failure::new(Blame::Request, "read the list of what is to be deployed: it is none")
        })?;
        let incoming = self.incoming(environment, &deployment.0)?;
        self.environment_directory(environment)?;
        make(&self.layout.incoming(environment), file::MODE_PRIVATE_DIRECTORY)?;
        incoming.discard()?;
        incoming.sum_up(&content, None, "a list")
    }

    /// What a list that was sent sums up to; none if it was not.
    pub(super) fn listed_artifact(
        &self,
        environment: &EnvironmentId,
        name: &str,
    ) -> Result<Option<Artifact>, Failure> {
        read_artifact(&self.incoming(environment, name)?.artifact)
    }
}

impl Incoming {
    /// The list of what arrived; none where it is not what it summed up to.
    pub(super) fn listed(&self, artifact: &Artifact) -> Result<Option<Content>, Failure> {
        let path = &self.list;
        let list = file::read(path).map_err(|error| file::failure("read", path, &error))?;
        let is_it = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().as_str() == artifact.digest;
        let text = list.filter(is_it).and_then(|it| String::from_utf8(it).ok());
        Ok(text.and_then(|it| Content::parse(&it)))
    }

    /// Writes the list, and last what it sums up to.
    pub(super) fn sum_up(
        &self,
        content: &Content,
        commit: Option<String>,
        described: &str,
    ) -> Result<Artifact, Failure> {
        let artifact = sum(content, commit, described)?;
        write(&self.list, content.text().as_bytes())?;
        let text = serde_json::to_vec(&artifact).map_err(|error| super::unwritable(&error))?;
        write(&self.artifact, &text)?;
        Ok(artifact)
    }
}

/// What content sums up to.
pub(super) fn sum(
    content: &Content,
    commit: Option<String>,
    described: &str,
) -> Result<Artifact, Failure> {
    if content.files() == 0 {
        return Err(Failure::new(Blame::Request, "make a release of what was sent: no files")
            .hint("send the directory that holds the built application"));
    }
    Ok(Artifact {
        digest: content.digest(),
        bytes: content.bytes(),
        files: content.files(),
        commit,
        described: described.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::send::pack;
    use super::*;
    use crate::layout::Layout;
    use engine::port::releases::Releases;
    use model::release::Source;
    use std::fs;

    #[tokio::test]
    async fn a_list_is_planned_by_and_never_staged() {
        let root = tempfile::tempdir().unwrap();
        let from = tempfile::tempdir().unwrap();
        fs::write(from.path().join("app"), "1").unwrap();
        fs::write(from.path().join(".env"), "SECRET=1").unwrap();
        let releases = DirectoryReleases::new(Layout::new(root.path()));
        let environment: EnvironmentId = "shop/production".parse().unwrap();
        let deployment = DeploymentId("01M7Z8D17TGJ99VGGCJGK73CF6".into());
        let packed = pack(from.path(), None, std::io::sink()).unwrap();
        assert!(!packed.list.contains(".env"), "{}", packed.list);
        let list = packed.list.as_bytes();
        let artifact = releases.receive_list(&environment, &deployment, list).unwrap();
        assert_eq!((artifact.digest, artifact.files), (packed.digest.clone(), 1));
        let (upload, described) = (deployment.0.clone(), "/app".to_owned());
        let listed = Source::Listed { upload, described, commit: None };
        let inspected = releases.inspect(&environment, &listed).await.unwrap();
        assert_eq!((inspected.digest, inspected.described), (packed.digest, "/app".into()));
        let upload =
            Source::Upload { upload: deployment.0.clone(), described: String::new(), commit: None };
        assert!(releases.inspect(&environment, &upload).await.is_err(), "nothing was sent");
        assert!(releases.receive_list(&environment, &deployment, b"no list").is_err());
        releases.discard_upload(&environment, &deployment).await.unwrap();
        assert!(releases.inspect(&environment, &listed).await.is_err());
    }
}
