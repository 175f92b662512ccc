//! Lives of the controller, one after the other.

use crate::state::{Life, State, World};
use engine::{
    deploy::Engine,
    port::{Ports, journal::Begun},
};
use model::{
    deployment::{Request, Stage},
    failure::Failure,
    id::DeploymentId,
    journal::Outcome,
};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Lives that one request may take.
const LIVES_MAX: usize = 8;

impl World {
    /// A new life of the controller, with a higher epoch.
    pub fn engine(&self) -> Engine {
        let epoch = {
            let mut state = self.state();
            state.epoch += 1;
            state.dead = false;
            state.epoch
        };
        Engine::new(self.ports(epoch))
    }

    pub fn ports(&self, epoch: u64) -> Ports {
        let life = Arc::new(Life { world: self.clone(), epoch });
        Ports {
            runtime: life.clone(),
            router: life.clone(),
            hooks: life.clone(),
            builder: life.clone(),
            backups: life.clone(),
            migrator: life.clone(),
            prober: life.clone(),
            releases: life.clone(),
            journal: life.clone(),
            machine: life.clone(),
            clock: life.clone(),
            observer: life,
        }
    }

    /// Asks for the change, and again in each new life, until it has ended.
    pub fn ask(&self, request: &Request) -> Outcome {
        {
            let mut state = self.state();
            let serving: Vec<_> = state.running.keys().cloned().collect();
            let warm: Vec<_> = state.retired.iter().map(|it| it.0.id.clone()).collect();
            // What is warm already may be stopped at any time after it was claimed in vain.
            state.old = serving.into_iter().filter(|it| !warm.contains(it)).collect();
            state.held = false;
        }
        for _ in 0..LIVES_MAX {
            let engine = self.engine();
            let lived = once(async {
                let unfinished = engine.recover().await?;
                self.state().dark = false;
                self.state().assert_serving();
                for id in unfinished {
                    engine.resume(&id).await?;
                }
                match engine.begin(request).await? {
                    Begun::Taken { .. } => engine.run(request).await.map(Some),
                    Begun::Known(known) => Ok(ended(known.stage)),
                    Begun::Busy(other) => panic!("the lock is held by {other:?}"),
                    Begun::Kept(mark) => panic!("the lock is kept by {mark:?}"),
                }
            });
            // Else the controller died, or stopped since the journal did not answer.
            if let Some(Ok(Some(outcome))) = lived {
                return outcome;
            }
        }
        panic!("no life brought it to an end")
    }

    /// An operator has what needs attention gone on with.
    pub fn mend(&self, id: &DeploymentId, abort: bool) -> Outcome {
        let engine = self.engine();
        let mended = once(async {
            engine.recover().await?;
            self.state().dark = false;
            engine.reopen(id, abort).await?;
            engine.resume(id).await
        });
        mended.expect("nobody dies any more").expect("the journal can be written")
    }
}

fn ended(stage: Stage) -> Option<Outcome> {
    match stage {
        Stage::Ended(outcome) => Some(outcome),
        _ => None,
    }
}

/// What the work comes to; none where the controller died in it.
pub fn once<T>(work: impl Future<Output = Result<T, Failure>>) -> Option<Result<T, Failure>> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// A world in which these went well.
pub fn world(before: &[Request]) -> State {
    let world = World::of(State { now_ms: 1_000_000, ..State::default() });
    for request in before {
        assert_eq!(world.ask(request), Outcome::Deployed, "{:?}", world.state().deployments.last());
    }
    let mut state = world.state().clone();
    state.calls = 0;
    state.news.clear();
    state
}
