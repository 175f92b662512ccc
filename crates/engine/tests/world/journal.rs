//! The journal: every writing call fails in a life that is over.

use crate::state::{Life, State};
use async_trait::async_trait;
use engine::port::journal::{Begun, Journal};
use model::{
    control::Marks,
    deployment::{DeploymentRecord, Finding, Request, Stage, StepRecord, Traffic},
    failure::Failure,
    id::{DeploymentId, Epoch, Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::{Event, Ledger, Outcome, Record, Status},
    name::EnvironmentId,
    plan::{Kind, Plan, Step},
    release::Standing,
};

fn of<'a>(state: &'a mut State, id: &DeploymentId) -> &'a mut DeploymentRecord {
    state.deployments.iter_mut().find(|it| it.id == *id).expect("it was begun")
}

fn new(request: &Request, at_ms: u64) -> DeploymentRecord {
    DeploymentRecord {
        id: request.deployment.clone(),
        environment: request.environment.clone(),
        kind: Kind::Update,
        stage: Stage::Planning,
        from: None,
        to: None,
        by: request.by.clone(),
        reason: request.reason.clone(),
        overrides: request.overrides.clone(),
        started_at_ms: at_ms,
        ended_at_ms: None,
        failure: None,
        overridden: vec![],
        plan: None,
        steps: vec![],
        traffic: None,
    }
}

fn fold(record: &mut DeploymentRecord, line: &Record, at_ms: u64) {
    let Record::Step(at, event) = line else { return };
    let step = &mut record.steps[*at];
    step.status = step.status.after(event).expect("the journal is sound");
    match event {
        Event::Began { .. } => step.started_at_ms = step.started_at_ms.or(Some(at_ms)),
        Event::UndoBegan => {}
        Event::Failed(it) | Event::Unclear(it) | Event::FellBack(it) | Event::UndoFailed(it) => {
            step.failure = step.failure.clone().or(Some(it.clone()));
            step.ended_at_ms = Some(at_ms);
        }
        Event::Done | Event::Undone => step.ended_at_ms = Some(at_ms),
    }
}

#[async_trait]
impl Journal for Life {
    fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    async fn begin(&self, request: &Request, at_ms: u64) -> Result<Begun, Failure> {
        self.call(|it| {
            let found = |id: &DeploymentRecord| id.id == request.deployment;
            if let Some(known) = it.deployments.iter().find(|it| found(it)) {
                return Ok(Begun::Known(Box::new(known.clone())));
            }
            if let Some(busy) =
                it.deployments.iter().find(|it| !matches!(it.stage, Stage::Ended(_)))
            {
                return Ok(Begun::Busy(Box::new(busy.clone())));
            }
            if let (Some(kept), false) = (&it.marks.lock, request.overrides.break_lock) {
                return Ok(Begun::Kept(Box::new(kept.clone())));
            }
            it.deployments.push(new(request, at_ms));
            Ok(Begun::Taken { sequence: 1 })
        })
        .await
    }

    async fn planned(&self, plan: &Plan, over: &[Finding], _: u64) -> Result<u64, Failure> {
        self.call(|it| {
            for step in &plan.steps {
                if let Step::Start { instance } = step
                    && let Some(port) = instance.port
                {
                    it.leased.insert(instance.id.clone(), port);
                }
            }
            let record = of(it, &plan.deployment);
            record.kind = plan.kind;
            record.stage = Stage::Running;
            (record.from, record.to) = (plan.from.clone(), plan.to.clone());
            record.overridden = over.to_vec();
            record.plan = Some(plan.clone());
            let step = |it: &Step| StepRecord {
                word: it.word().to_owned(),
                subject: String::new(),
                status: Status::Pending,
                started_at_ms: None,
                ended_at_ms: None,
                failure: None,
                verdict: None,
            };
            record.steps = plan.steps.iter().map(step).collect();
            Ok(1)
        })
        .await
    }

    async fn record(&self, id: &DeploymentId, line: &Record, at_ms: u64) -> Result<u64, Failure> {
        self.call(|it| {
            it.records.entry(id.clone()).or_default().push(line.clone());
            fold(of(it, id), line, at_ms);
            Ok(1)
        })
        .await
    }

    async fn ledger(&self, plan: &Plan) -> Result<Ledger, Failure> {
        Ok(self.look(|it| it.ledger(plan)).await)
    }

    async fn finish(
        &self,
        id: &DeploymentId,
        outcome: Outcome,
        failure: Option<&Failure>,
        traffic: Option<Traffic>,
        at_ms: u64,
    ) -> Result<u64, Failure> {
        self.call(|it| {
            let record = of(it, id);
            record.stage = Stage::Ended(outcome);
            record.ended_at_ms = Some(at_ms);
            record.failure = failure.cloned();
            record.traffic = traffic;
            Ok(1)
        })
        .await
    }

    async fn reopen(&self, id: &DeploymentId, abort: bool, _: u64) -> Result<(), Failure> {
        self.call(|it| {
            if abort {
                it.records.entry(id.clone()).or_default().push(Record::AbortAsked);
            }
            of(it, id).stage = Stage::Running;
            Ok(())
        })
        .await
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentRecord>, Failure> {
        let open = |(at, count): (usize, usize), stage: Stage| match stage {
            Stage::Ended(Outcome::NeedsAttention) => at + 1 == count,
            Stage::Ended(_) => false,
            _ => true,
        };
        Ok(self
            .look(|it| {
                let count = it.deployments.len();
                let all = it.deployments.iter().enumerate();
                all.filter(|(at, it)| open((*at, count), it.stage))
                    .map(|(_, it)| it.clone())
                    .collect()
            })
            .await)
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<DeploymentRecord>, Failure> {
        Ok(self.look(|it| it.deployments.iter().find(|it| it.id == *id).cloned()).await)
    }

    async fn history(
        &self,
        _: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, Failure> {
        Ok(self.look(|it| it.deployments.iter().rev().take(limit).cloned().collect()).await)
    }

    async fn reserve_generations(
        &self,
        _: &EnvironmentId,
        above: Generation,
        count: u64,
    ) -> Result<Generation, Failure> {
        self.call(|it| {
            let first = it.reserved.0.max(above.0) + 1;
            it.reserved = Generation(first + count - 1);
            Ok(Generation(first))
        })
        .await
    }

    async fn ports_leased(&self) -> Result<Vec<u16>, Failure> {
        Ok(self.look(|it| it.leased.values().copied().collect()).await)
    }

    async fn free_ports(&self, instances: &[InstanceId]) -> Result<(), Failure> {
        self.call(|it| {
            it.leased.retain(|id, _| !instances.contains(id));
            Ok(())
        })
        .await
    }

    async fn set_standing(
        &self,
        _: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        standing: Standing,
        _: u64,
    ) -> Result<(), Failure> {
        self.call(|it| {
            it.standings.retain(|(id, _, _)| id != release);
            it.standings.insert(0, (release.clone(), version.to_owned(), standing));
            Ok(())
        })
        .await
    }

    async fn standings(
        &self,
        _: &EnvironmentId,
    ) -> Result<Vec<(ReleaseId, String, Standing)>, Failure> {
        Ok(self.look(|it| it.standings.clone()).await)
    }

    async fn retire(&self, instance: &Instance, not_before_ms: u64) -> Result<(), Failure> {
        self.call(|it| {
            it.retired.retain(|(other, _)| other.id != instance.id);
            it.retired.push((instance.clone(), not_before_ms));
            Ok(())
        })
        .await
    }

    async fn claim(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, Failure> {
        self.call(|it| {
            let mine = |it: &(Instance, u64)| instances.contains(&it.0.id);
            let claimed = it.retired.iter().filter(|it| mine(it)).map(|it| it.0.id.clone());
            let claimed = claimed.collect();
            it.retired.retain(|it| !mine(it));
            Ok(claimed)
        })
        .await
    }

    async fn retired(&self) -> Result<Vec<(Instance, u64)>, Failure> {
        Ok(self.look(|it| it.retired.clone()).await)
    }

    async fn marks(&self, _: &EnvironmentId) -> Result<Marks, Failure> {
        Ok(self.look(|it| it.marks.clone()).await)
    }

    async fn buried(&self, instance: &InstanceId) -> Result<(), Failure> {
        self.call(|it| {
            it.retired.retain(|(other, _)| other.id != *instance);
            Ok(())
        })
        .await
    }
}
