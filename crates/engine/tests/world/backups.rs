//! Data, and what is kept of it.

use crate::state::{Life, State, World, refused};
use async_trait::async_trait;
use engine::port::{backups::Backups, prober::Note};
use model::{
    backup::{self, BackupName, BackupRun, BackupSpec},
    deployment::{Change, Request},
    failure::Failure,
    id::DeploymentId,
    journal::Outcome,
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::Release,
    service::EnvironmentSpec,
};

/// One that is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    pub run: BackupRun,
    pub data: String,
}

#[async_trait]
impl Backups for Life {
    async fn name(&self, _: &EnvironmentId, now_ms: u64) -> Result<BackupName, Failure> {
        let count = self.look(|it| it.backups.len() as u64).await;
        Ok(BackupName::at(now_ms + count * 1000))
    }

    async fn made_between(
        &self,
        _: &EnvironmentId,
        left: &ReleaseLabel,
        to: &ReleaseLabel,
    ) -> Result<Option<BackupName>, Failure> {
        let is = |it: &&Backup| {
            it.run.before.as_ref() == Some(left) && it.run.serving.as_ref() == Some(to)
        };
        let found = |it: &State| it.backups.iter().rev().find(is).map(|it| it.run.name.clone());
        Ok(self.look(found).await)
    }

    async fn create(
        &self,
        _: &EnvironmentId,
        _: &DeploymentId,
        run: &BackupRun,
        by: &Release,
        note: &Note,
    ) -> Result<(), Failure> {
        assert_eq!(run.by, by.id);
        self.call(|it| {
            it.unfinished.insert(run.name.clone());
            Ok(())
        })
        .await?;
        note("half of it is written".into());
        self.call(|it| {
            it.unfinished.remove(&run.name);
            if it.backup_fails {
                return Err(refused("back up: the disk is full"));
            }
            it.backups.retain(|it| it.run.name != run.name);
            it.backups.push(Backup { run: run.clone(), data: it.data.clone() });
            Ok(())
        })
        .await
    }

    async fn abandon(&self, _: &EnvironmentId, run: &BackupRun) -> Result<(), Failure> {
        self.call(|it| {
            it.unfinished.remove(&run.name);
            Ok(())
        })
        .await
    }

    async fn restore(
        &self,
        _: &EnvironmentId,
        backup: &BackupName,
        _: &Release,
        _: &Note,
    ) -> Result<(), Failure> {
        self.call(|it| {
            let found = it.backups.iter().find(|it| it.run.name == *backup);
            let found = found.ok_or_else(|| refused("restore what is not there"))?;
            it.data = found.data.clone();
            Ok(())
        })
        .await
    }

    async fn prune(&self, _: &EnvironmentId, _: &Release) -> Result<(), Failure> {
        self.call(|_| Ok(())).await
    }
}

/// The same, backed up before each deployment.
pub fn backed_up(spec: &EnvironmentSpec) -> EnvironmentSpec {
    let backup = BackupSpec {
        databases: vec![],
        files: vec!["shared".into()],
        encrypt_to: vec![],
        identity: None,
        keep: backup::KEEP,
        keep_days: backup::KEEP_DAYS,
        bytes_max: None,
        second_place: None,
        before_deploy: true,
        time_limit: backup::TIME_LIMIT,
    };
    EnvironmentSpec { backup: Some(backup), ..spec.clone() }
}

pub fn back_with_data() -> Change {
    Change::Rollback { to: None, with_data: true }
}

/// Data is what the outcome says, and nothing is left half made.
pub fn assert_data(state: &State, before: &State, request: &Request, outcome: Outcome) {
    assert!(state.unfinished.is_empty(), "left unfinished: {:?}", state.unfinished);
    let plan = state.deployments.iter().find(|it| it.id == request.deployment);
    let restored = plan.and_then(|it| it.plan.as_ref()).and_then(|plan| {
        plan.steps.iter().find_map(|it| match it {
            model::plan::Step::Restore { backup, .. } => Some(backup.clone()),
            _ => None,
        })
    });
    let committed = matches!(outcome, Outcome::Deployed | Outcome::DeployedUntidy);
    let expected = match restored.filter(|_| committed) {
        Some(name) => state.backups.iter().find(|it| it.run.name == name).map(|it| &it.data),
        None => Some(&before.data),
    };
    assert_eq!(Some(&state.data), expected, "{outcome:?}");
}

mod tests {
    use super::*;
    use crate::{
        build::{deploy, request, spec, web},
        drive::world,
        migrations::migrated,
    };
    use model::deployment::Overrides;

    #[test]
    fn a_backup_that_fails_stops_the_deployment_before_anything_is_changed() {
        let spec = backed_up(&spec(vec![web()]));
        let state = world(&[deploy(1, &spec)]);
        let world = World::of(State { backup_fails: true, ..state.clone() });
        assert_eq!(world.ask(&deploy(2, &spec)), Outcome::Refused);
        assert!(!world.state().placed.contains("v2"), "nothing was staged");
        assert_eq!(world.state().running, state.running);
        let skipped = Request {
            overrides: Overrides { skip_backup: true, ..Overrides::default() },
            ..deploy(3, &spec)
        };
        assert_eq!(world.ask(&skipped), Outcome::Deployed);
        let record = world.state().deployments.last().cloned().unwrap();
        assert!(record.overrides.skip_backup && record.plan.unwrap().backup().is_none());
    }

    #[test]
    fn data_comes_back_from_the_backup_of_that_deployment_only() {
        let spec = backed_up(&migrated());
        let state = world(&[deploy(1, &spec)]);
        let world = World::of(State { data: "of 1".into(), ..state });
        assert_eq!(world.ask(&deploy(2, &spec)), Outcome::Deployed);
        let name = world.state().backups.last().map(|it| it.run.name.clone()).unwrap();
        let manifest = world.state().manifest.clone().unwrap();
        assert_eq!(manifest["current_deployment"]["backup"], name.as_str());
        world.state().data = "of 2".into();
        assert_eq!(world.ask(&request(3, back_with_data())), Outcome::Deployed);
        assert_eq!(world.state().data, "of 1");
        let kept = world.state().backups.last().map(|it| it.data.clone());
        assert_eq!(kept.as_deref(), Some("of 2"), "what it replaced is kept");
        let restored = |version: &str| {
            let state = world.state();
            let release = state.releases.iter().find(|it| it.version == version).unwrap();
            release.migrated.values().all(|it| it.restored)
        };
        assert!(restored("v2") && !restored("v1"), "what the second did to the data is gone");
        // What serves now was not brought by a deployment that backed up.
        assert_eq!(world.ask(&request(4, back_with_data())), Outcome::Refused);
        assert_eq!(world.state().data, "of 1");
    }
}
