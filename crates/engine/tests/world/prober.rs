//! Questions, each answered at once.

use crate::state::{Life, refused};
use async_trait::async_trait;
use engine::port::prober::{Baked, Note, Prober};
use model::{
    bake::BakeRule,
    check::Checks,
    failure::{Blame, Failure},
    id::{Generation, InstanceId, ReleaseId},
    instance::Instance,
    name::EnvironmentId,
    plan::{PublicRequest, ReadyCheck},
    release::Release,
    service::{Millis, SmokeTest},
};

fn dead(id: &InstanceId) -> Failure {
    Failure::new(Blame::Release, format!("see {id} ready: it exited"))
}

#[async_trait]
impl Prober for Life {
    async fn ready(
        &self,
        instance: &Instance,
        _: &Release,
        _: &ReadyCheck,
        note: &Note,
    ) -> Result<(), Failure> {
        note(format!("{} is starting", instance.id));
        let id = &instance.id;
        self.call(|it| it.running.get(id).map(|_| ()).ok_or_else(|| dead(id))).await
    }

    async fn smoke(
        &self,
        instance: &Instance,
        _: &Release,
        _: &[SmokeTest],
    ) -> Result<(), Failure> {
        let id = &instance.id;
        self.call(|it| it.running.get(id).map(|_| ()).ok_or_else(|| dead(id))).await
    }

    async fn check(
        &self,
        instances: &[Instance],
        _: &Release,
        checks: &Checks,
        _: &Note,
    ) -> Result<(), Failure> {
        self.call(|it| {
            if let Some(dead_one) = instances.iter().find(|one| !it.running.contains_key(&one.id)) {
                return Err(dead(&dead_one.id));
            }
            let serves = |one: &Instance| it.routes.iter().any(|routes| routes.leads_to(&one.id));
            if checks.host.is_some() && !instances.iter().all(serves) {
                return Err(refused("ask by a route that leads elsewhere"));
            }
            Ok(())
        })
        .await
    }

    async fn verify(
        &self,
        _: &EnvironmentId,
        _: &[String],
        _: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        self.call(|it| {
            let all = it.routes.iter().flat_map(|it| it.instances());
            let answers: Vec<&ReleaseId> = all.map(|it| &it.release).collect();
            if answers.contains(&release) {
                return Ok(());
            }
            Err(refused("be answered by the new release"))
        })
        .await
    }

    async fn bake(
        &self,
        _: &EnvironmentId,
        generation: Generation,
        instances: &[InstanceId],
        _: Millis,
        _: &BakeRule,
        _: &Note,
    ) -> Result<Baked, Failure> {
        self.call(|it| {
            if it.routes.as_ref().is_none_or(|it| it.generation != generation) {
                return Err(refused("watch what is not in force"));
            }
            match instances.iter().find(|id| !it.running.contains_key(*id)) {
                Some(id) => Err(dead(id)),
                None => Ok(Baked { nonce: it.starts.to_string(), verdict: "good".to_owned() }),
            }
        })
        .await
    }
}
