//! The router: compares, and puts in force whole or not at all.

use crate::state::{Life, State, refused};
use async_trait::async_trait;
use engine::port::router::{Confirmed, Counters, Drained, InForce, Router};
use model::{
    failure::Failure,
    id::{Epoch, Generation, InstanceId, ReleaseId},
    name::EnvironmentId,
    plan::StagedRoutes,
    routes::{Claim, Routes},
    service::Millis,
};
use std::collections::BTreeMap;

impl State {
    fn in_force(&self) -> Generation {
        self.routes.as_ref().map(|it| it.generation).unwrap_or_default()
    }

    fn put(&mut self, to: Routes, fallback: Option<Routes>) -> Result<(), Failure> {
        if self.in_force() == to.generation {
            return Ok(());
        }
        if to.generation <= self.highest {
            return Err(refused("take an old generation"));
        }
        self.highest = to.generation;
        // As the proxy does it: what is below can never be in force again.
        self.staged.retain(|number, _| *number > to.generation);
        self.routes = Some(to);
        self.fallback = fallback;
        Ok(())
    }

    fn put_staged(&mut self, to: Generation) -> Result<(), Failure> {
        if self.in_force() == to {
            return Ok(());
        }
        let staged = self.staged.get(&to).ok_or_else(|| refused("find what is staged"))?.clone();
        // A trial over a trial goes on to go back to what was in force before the first.
        let fallback = staged.probation.map(|it| {
            let known = self.routes.iter().chain(&self.fallback);
            let mut known = known.filter(|known| known.generation == it.fallback);
            known.next().expect("the way back is what was in force").clone()
        });
        self.put(staged.routes, fallback)
    }
}

#[async_trait]
impl Router for Life {
    async fn ensure(&self, listen: &[String]) -> Result<(), Failure> {
        assert!(!listen.is_empty());
        self.look(|_| Ok(())).await
    }

    async fn stage(
        &self,
        _: &EnvironmentId,
        staged: &[StagedRoutes],
        _: Epoch,
    ) -> Result<(), Failure> {
        self.call(|it| {
            for one in staged {
                assert!(one.routes.generation > it.highest, "staged over what was in force");
                it.staged.insert(one.routes.generation, one.clone());
            }
            Ok(())
        })
        .await
    }

    async fn unstage(&self, _: &EnvironmentId, gone: &[Generation]) -> Result<(), Failure> {
        self.call(|it| {
            it.staged.retain(|number, _| !gone.contains(number));
            Ok(())
        })
        .await
    }

    async fn install(&self, _: &EnvironmentId, to: Generation, _: Epoch) -> Result<(), Failure> {
        self.call(|it| it.put_staged(to)).await
    }

    async fn try_out(
        &self,
        _: &EnvironmentId,
        from: Generation,
        to: Generation,
        _: Epoch,
    ) -> Result<(), Failure> {
        self.call(|it| {
            if it.in_force() != from && it.in_force() != to {
                return Err(refused("try out from another generation"));
            }
            it.put_staged(to)
        })
        .await
    }

    async fn confirm(
        &self,
        _: &EnvironmentId,
        confirms: Generation,
        nonce: &str,
        by: &Routes,
        _: Epoch,
    ) -> Result<Confirmed, Failure> {
        self.call(|it| match it.in_force() {
            at if at == by.generation => Ok(Confirmed::InForce),
            at if at == confirms && it.fallback.is_some() => {
                if nonce != it.starts.to_string() {
                    return Ok(Confirmed::BakeAgain);
                }
                it.put(by.clone(), None).map(|()| Confirmed::InForce)
            }
            _ => Err(refused("confirm what is not in force")),
        })
        .await
    }

    async fn in_force(&self, _: &EnvironmentId) -> Result<InForce, Failure> {
        Ok(self
            .look(|it| InForce {
                routes: it.routes.clone(),
                highest: it.highest,
                probation: it.fallback.as_ref().map(|it| it.generation),
                fell_back: it.fell_back.map(|it| (it, "it proved unfit".to_owned())),
                nonce: it.starts.to_string(),
                alive: true,
            })
            .await)
    }

    async fn drain(
        &self,
        instances: &[InstanceId],
        _: Millis,
        _: Epoch,
    ) -> Result<Drained, Failure> {
        self.call(|it| {
            let led = it.routes.as_ref().filter(|it| it.hold.is_none());
            let led = led.is_some_and(|it| instances.iter().any(|id| it.leads_to(id)));
            assert!(!led, "drained what routes lead to");
            Ok(Drained { cut: 0 })
        })
        .await
    }

    async fn named_on_disk(&self) -> Result<Vec<InstanceId>, Failure> {
        Ok(self
            .look(|it| {
                let staged = it.staged.values().map(|it| &it.routes);
                let all = it.routes.iter().chain(it.fallback.iter()).chain(staged);
                all.flat_map(|it| it.instances()).map(|it| it.id.clone()).collect()
            })
            .await)
    }

    async fn ports_on_disk(&self) -> Result<Vec<u16>, Failure> {
        Ok(self
            .look(|it| {
                let all = it.routes.iter().chain(it.fallback.iter());
                all.flat_map(|it| it.instances()).filter_map(|it| it.port).collect()
            })
            .await)
    }

    async fn conflict(
        &self,
        _: &EnvironmentId,
        _: &[Claim],
    ) -> Result<Option<(Claim, String)>, Failure> {
        Ok(None)
    }

    async fn counters(&self, _: &EnvironmentId) -> Result<BTreeMap<ReleaseId, Counters>, Failure> {
        Ok(self
            .look(|it| {
                let count = |it: &model::release::Release| (it.id.clone(), Counters::default());
                it.releases.iter().map(count).collect()
            })
            .await)
    }
}
