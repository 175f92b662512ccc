//! The machine's processes.

use crate::state::{Life, State};
use async_trait::async_trait;
use engine::port::runtime::{Exited, Life as How, Running, Runtime, Stopped};
use model::{
    failure::Failure,
    id::{Epoch, InstanceId},
    instance::Instance,
    journal::Status,
    plan::{Step, WayBack},
    release::Release,
    role::QuietSignal,
};

fn life(state: &State, id: &InstanceId) -> How {
    let restarts = state.restarts.get(id).copied().unwrap_or(0);
    if state.running.contains_key(id) {
        return How::Running(Running { pid: 1, since_ms: state.now_ms, restarts, notified: true });
    }
    if state.exited.contains_key(id) {
        let how = "exit code 1".to_owned();
        return How::Exited(Exited { how, at_ms: state.now_ms, restarts });
    }
    How::Absent
}

#[async_trait]
impl Runtime for Life {
    async fn start(&self, instance: &Instance, release: &Release, _: Epoch) -> Result<(), Failure> {
        assert_eq!(instance.release, release.id, "started with another release's record");
        self.call(|it| {
            assert!(it.placed.contains(&release.version), "started what is not in its place");
            if let Some(failure) = it.starts_fail.pop() {
                return Err(failure);
            }
            let taken = it.running.values().find(|other| {
                other.port.is_some() && other.port == instance.port && other.id != instance.id
            });
            if let Some(other) = taken {
                let message = format!("start {}: its port is taken by {}", instance.id, other.id);
                return Err(crate::state::refused(&message));
            }
            it.exited.remove(&instance.id);
            it.running.insert(instance.id.clone(), instance.clone());
            Ok(())
        })
        .await
    }

    async fn stop(&self, instance: &InstanceId, _: Epoch) -> Result<Stopped, Failure> {
        self.look(|it| {
            let Some(plan) = it.plan() else { return };
            let committed = it.ledger(plan).committed(plan);
            let cold = plan.way_back() == WayBack::Cold;
            let ledger = it.ledger(plan);
            // A worker that was told to take no new job returns by a restart.
            let quieted =
                plan.steps.iter().zip(&ledger.statuses).any(|(step, status)| match step {
                    Step::Quiet { instances, .. } => {
                        *status == Status::Undoing && instances.iter().any(|it| it.id == *instance)
                    }
                    _ => false,
                });
            assert!(
                !it.old.contains(instance) || committed || cold || quieted,
                "{instance} was signalled before the commit"
            );
        })
        .await;
        self.call(|it| {
            it.running.remove(instance);
            it.exited.remove(instance);
            it.kept.remove(instance);
            it.quiet.remove(instance);
            Ok(Stopped { killed: false })
        })
        .await
    }

    async fn keep(&self, instance: &InstanceId, keep: bool, _: Epoch) -> Result<(), Failure> {
        self.call(|it| {
            if !keep {
                it.kept.remove(instance);
                return Ok(());
            }
            if !it.running.contains_key(instance) {
                return Err(crate::state::refused("keep what does not run"));
            }
            it.kept.insert(instance.clone());
            Ok(())
        })
        .await
    }

    async fn quiet(&self, instance: &InstanceId, _: QuietSignal, _: Epoch) -> Result<(), Failure> {
        self.call(|it| {
            let plan = it.plan().expect("a deployment is on its way").clone();
            let on_trial = it.fallback.is_some();
            let fresh =
                |it: &Step| matches!(it, Step::Start { instance: it } if it.id == *instance);
            assert!(!plan.steps.iter().any(fresh), "{instance} is new, and was told to be quiet");
            assert!(!on_trial, "{instance} was told to be quiet after the switch");
            for step in &plan.steps[..plan.commit] {
                let Step::Await { instance, .. } = step else { continue };
                let at = plan.steps.iter().position(|it| it == step).unwrap_or_default();
                let done = it.ledger(&plan).statuses[at] == Status::Done;
                assert!(done, "{} was not fit yet when the old were quieted", instance.id);
            }
            it.kept.remove(instance);
            if it.running.contains_key(instance) {
                it.quiet.insert(instance.clone());
            }
            Ok(())
        })
        .await
    }

    async fn observe(&self, instance: &InstanceId) -> Result<How, Failure> {
        Ok(self.look(|it| life(it, instance)).await)
    }

    async fn list(&self) -> Result<Vec<(InstanceId, How)>, Failure> {
        Ok(self
            .look(|it| {
                let all = it.running.keys().chain(it.exited.keys());
                all.map(|id| (id.clone(), life(it, id))).collect()
            })
            .await)
    }

    async fn last_lines(&self, _: &InstanceId, _: usize) -> Vec<String> {
        vec!["it said nothing".to_owned()]
    }

    fn unenforceable(&self, _: &Release) -> Vec<String> {
        vec![]
    }
}
