//! From the switch to the commit: what the router alone decides.

use super::Execution;
use crate::port::router::Confirmed;
use model::{
    failure::{Blame, Failure},
    id::{Generation, InstanceId},
    journal::{Ledger, Record},
    plan::Step,
    routes::Routes,
    service::Millis,
};

/// Bakes of one confirmation, where the router is started anew again and again.
const BAKES_MAX: u32 = 3;
/// A bake that an earlier life began is not shorter than this.
const BAKE_REST_MIN: Millis = Millis::seconds(2);

impl Execution<'_> {
    /// The outer failure is the journal's.
    pub(super) async fn bake(
        &self,
        generation: Generation,
        instances: &[InstanceId],
        time: Millis,
    ) -> Result<Result<(), Failure>, Failure> {
        let note = self.noter();
        let environment = &self.plan.environment;
        let prober = &self.ports.prober;
        let nonce = match prober.bake(environment, generation, instances, time, &note).await {
            Ok(nonce) => nonce,
            Err(failure) => return Ok(Err(failure)),
        };
        let record = Record::Baked { nonce };
        let now_ms = self.ports.clock.now_ms();
        self.ports.journal.record(&self.plan.deployment, &record, now_ms).await?;
        Ok(Ok(()))
    }

    /// What another life baked counts, as far as the wall clock can tell: the proxy will not wait
    /// for a whole bake once more.
    pub(super) async fn bake_time(
        &self,
        whole: Millis,
        step: usize,
        attempt: u8,
    ) -> Result<Millis, Failure> {
        if attempt == 1 {
            return Ok(whole);
        }
        let record = self.ports.journal.deployment(&self.plan.deployment).await?;
        let began = record.and_then(|it| it.steps.get(step)?.started_at_ms);
        let now_ms = self.ports.clock.now_ms();
        let baked = began.map_or(0, |began| now_ms.saturating_sub(began));
        Ok(Millis(whole.0.saturating_sub(baked)).max(BAKE_REST_MIN.min(whole)))
    }

    /// Asks until the router takes it or refuses: one that was started anew since the bake wants
    /// another one.  The outer failure is the journal's.
    pub(super) async fn confirm(
        &self,
        ledger: &Ledger,
        confirms: Generation,
        by: &Routes,
    ) -> Result<Result<(), Failure>, Failure> {
        let (environment, epoch) = (&self.plan.environment, self.ports.journal.epoch());
        let mut nonce = ledger.nonce.clone().unwrap_or_default();
        for _ in 0..BAKES_MAX {
            let router = &self.ports.router;
            match router.confirm(environment, confirms, &nonce, by, epoch).await {
                Ok(Confirmed::InForce) => return Ok(Ok(())),
                Ok(Confirmed::BakeAgain) => {}
                Err(failure) => return Ok(Err(failure)),
            }
            self.note("the proxy was started anew since: watching once more".to_owned());
            if let Err(failure) = self.bake_again(confirms).await? {
                return Ok(Err(failure));
            }
            let ledger = self.ports.journal.ledger(self.plan).await?;
            nonce = ledger.nonce.unwrap_or_default();
        }
        Ok(Err(Failure::new(Blame::Platform, "confirm: the proxy is started anew again and again")
            .hint("`proxy/proxy.log` under the state directory says why")))
    }

    async fn bake_again(&self, confirms: Generation) -> Result<Result<(), Failure>, Failure> {
        let bake = self.plan.steps.iter().find_map(|it| match it {
            Step::Bake { generation, instances, for_at_least } if *generation == confirms => {
                Some((instances, *for_at_least))
            }
            _ => None,
        });
        match bake {
            Some((instances, time)) => self.bake(confirms, instances, time).await,
            None => Ok(Err(Failure::new(Blame::Us, "find the bake of what is confirmed"))),
        }
    }
}
