//! Content, records and links.

use crate::state::{Life, refused};
use async_trait::async_trait;
use engine::port::releases::Releases;
use model::{
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    name::EnvironmentId,
    release::{Artifact, Release, Source},
    shared::Trouble,
};

#[async_trait]
impl Releases for Life {
    async fn inspect(&self, _: &EnvironmentId, source: &Source) -> Result<Artifact, Failure> {
        let described = match source {
            Source::Upload { described, .. } => described.clone(),
            other => format!("{other:?}"),
        };
        let digest = described.clone();
        self.look(|_| Ok(Artifact { digest, bytes: 10, files: 1, commit: None, described })).await
    }

    async fn record(&self, release: &Release) -> Result<(), Failure> {
        self.call(|it| {
            it.releases.retain(|other| other.id != release.id);
            it.releases.insert(0, release.clone());
            Ok(())
        })
        .await
    }

    async fn read(&self, _: &EnvironmentId, id: &ReleaseId) -> Result<Release, Failure> {
        let found = |it: &crate::state::State| it.releases.iter().find(|it| it.id == *id).cloned();
        self.look(found).await.ok_or_else(|| refused("read a release"))
    }

    async fn list(&self, _: &EnvironmentId) -> Result<Vec<Release>, Failure> {
        Ok(self
            .look(|it| {
                let placed = |release: &&Release| it.placed.contains(&release.version);
                it.releases.iter().filter(placed).cloned().collect()
            })
            .await)
    }

    async fn stage(
        &self,
        _: &EnvironmentId,
        _: &ReleaseId,
        version: &str,
        _: &Source,
    ) -> Result<(), Failure> {
        self.call(|it| {
            it.placed.insert(version.to_owned());
            Ok(())
        })
        .await
    }

    async fn shared_trouble(&self, _: &Release, _: &Source) -> Result<Vec<Trouble>, Failure> {
        Ok(self.look(|it| it.shared_trouble.clone()).await)
    }

    async fn verify(&self, release: &Release) -> Result<(), Failure> {
        let placed = self.look(|it| it.placed.contains(&release.version)).await;
        if placed { Ok(()) } else { Err(refused("find the release's content")) }
    }

    async fn link(
        &self,
        _: &EnvironmentId,
        current: Option<&str>,
        previous: Option<&str>,
    ) -> Result<(), Failure> {
        self.call(|it| {
            let (old, older) = it.links.clone();
            it.links = (current.map(str::to_owned).or(old), previous.map(str::to_owned).or(older));
            Ok(())
        })
        .await
    }

    async fn links(&self, _: &EnvironmentId) -> Result<(Option<String>, Option<String>), Failure> {
        Ok(self.look(|it| it.links.clone()).await)
    }

    async fn remove(&self, _: &EnvironmentId, version: &str) -> Result<(), Failure> {
        self.call(|it| {
            let runs = it.running.values().any(|it| it.version == version);
            assert!(!runs, "removed the content of what runs");
            let linked = [&it.links.0, &it.links.1].into_iter().flatten().any(|it| it == version);
            assert!(!linked, "removed what a link points at");
            it.placed.remove(version);
            it.releases.retain(|it| it.version != version);
            Ok(())
        })
        .await
    }

    async fn prepared(&self, _: &EnvironmentId) -> Result<Vec<String>, Failure> {
        Ok(self.look(|it| it.prepared.clone()).await)
    }

    async fn discard_upload(&self, _: &EnvironmentId, _: &DeploymentId) -> Result<(), Failure> {
        self.look(|_| Ok(())).await
    }

    async fn write_manifest(
        &self,
        _: &EnvironmentId,
        manifest: &serde_json::Value,
    ) -> Result<(), Failure> {
        self.call(|it| {
            it.manifest = Some(manifest.clone());
            Ok(())
        })
        .await
    }
}
