//! An abort is heard in the midst of a wait.

use crate::{
    build::{deploy, deployment, spec, web},
    drive::world,
    state::{Fault, Life, World},
};
use async_trait::async_trait;
use engine::{
    deploy::Engine,
    port::prober::{Baked, Note, Prober},
};
use model::{
    bake::BakeRule,
    check::Checks,
    failure::Failure,
    id::{Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::Outcome,
    name::EnvironmentId,
    plan::{PublicRequest, ReadyCheck},
    release::Release,
    service::{Millis, SmokeTest},
};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Never says that an instance is ready.
struct Patient(Life);

#[async_trait]
impl Prober for Patient {
    async fn ready(
        &self,
        _: &Instance,
        _: &Release,
        _: &ReadyCheck,
        _: &Note,
    ) -> Result<(), Failure> {
        std::future::pending().await
    }

    async fn smoke(
        &self,
        instance: &Instance,
        release: &Release,
        tests: &[SmokeTest],
    ) -> Result<(), Failure> {
        self.0.smoke(instance, release, tests).await
    }

    async fn check(
        &self,
        instances: &[Instance],
        release: &Release,
        checks: &Checks,
        note: &Note,
    ) -> Result<(), Failure> {
        self.0.check(instances, release, checks, note).await
    }

    async fn verify(
        &self,
        environment: &EnvironmentId,
        listen: &[String],
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        self.0.verify(environment, listen, requests, release).await
    }

    async fn bake(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        instances: &[InstanceId],
        time: Millis,
        rule: &BakeRule,
        note: &Note,
    ) -> Result<Baked, Failure> {
        self.0.bake(environment, generation, instances, time, rule, note).await
    }
}

#[test]
fn it_ends_the_wait_and_says_who_asked() {
    let plain = spec(vec![web()]);
    let world = World::of(world(&[deploy(1, &plain)]));
    let epoch = {
        let mut state = world.state();
        state.epoch += 1;
        state.old = state.running.keys().cloned().collect();
        state.epoch
    };
    let mut ports = world.ports(epoch);
    ports.prober = Arc::new(Patient(Life { world: world.clone(), epoch }));
    let engine = Engine::new(ports);
    let request = deploy(2, &plain);
    let mut context = Context::from_waker(Waker::noop());
    let mut run = pin!(async {
        engine.begin(&request).await?;
        engine.run(&request).await
    });
    assert!(run.as_mut().poll(&mut context).is_pending(), "it waits for the instance");
    {
        let id = deployment(2);
        let mut abort = pin!(engine.abort(&id, "grace"));
        assert_eq!(abort.as_mut().poll(&mut context), Poll::Ready(Ok(())));
    }
    let Poll::Ready(Ok(outcome)) = run.as_mut().poll(&mut context) else {
        panic!("the abort was not heard")
    };
    assert_eq!(outcome, Outcome::Aborted);
    let record = world.state().deployments.last().cloned().unwrap();
    assert!(record.failure.unwrap().message.contains("grace"));
    assert_eq!(world.state().running.len(), 1, "the candidate is gone");
    let id = deployment(2);
    let again = pin!(engine.abort(&id, "grace")).poll(&mut context);
    let Poll::Ready(Err(failure)) = again else { panic!("an ended deployment was aborted") };
    assert!(failure.message.contains("has ended"), "{failure:?}");
}

#[test]
fn what_is_committed_is_not_aborted() {
    let plain = spec(vec![web()]);
    let before = world(&[deploy(1, &plain)]);
    // The controller dies at every call; where it was committed by then, an abort comes too late.
    let mut late = 0;
    for at in 1..100 {
        let mut state = before.clone();
        state.faults = vec![(at, Fault::Crash)];
        state.old = state.running.keys().cloned().collect();
        let world = World::of(state);
        let engine = world.engine();
        let request = deploy(2, &plain);
        let died = crate::drive::once(async {
            engine.begin(&request).await?;
            engine.run(&request).await
        });
        let seen = world.state().clone();
        let committed = seen.plan().is_some_and(|plan| seen.ledger(plan).committed(plan));
        if died.is_none() && committed {
            let engine = world.engine();
            let refused = crate::drive::once(engine.abort(&deployment(2), "grace")).unwrap();
            let failure = refused.unwrap_err();
            assert!(failure.message.contains("already committed"), "{failure:?}");
            assert!(failure.hints.iter().any(|it| it.contains("rollback")));
            late += 1;
        }
    }
    assert!(late > 3, "only {late} crashes were after the commit");
}
