//! From the switch to the commit: what the router alone decides.

use super::Execution;
use crate::port::{prober::Baked, router::Confirmed};
use model::{
    bake::BakeRule,
    deployment::News,
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
        rule: &BakeRule,
    ) -> Result<Result<(), Failure>, Failure> {
        let note = self.noter();
        let environment = &self.plan.environment;
        let prober = &self.ports.prober;
        let watched = prober.bake(environment, generation, instances, time, rule, &note);
        let begun_ms = self.ports.clock.now_ms();
        let baked = tokio::select! {
            biased;
            by = self.abort.promoted() => self.promoted(generation, &by, begun_ms).await,
            baked = watched => baked,
        };
        let Baked { nonce, verdict } = match baked {
            Ok(baked) => baked,
            Err(failure) => return Ok(Err(self.at_stage(generation, failure))),
        };
        let record = Record::Baked { nonce, verdict: Some(verdict.clone()) };
        let (deployment, now_ms) = (&self.plan.deployment, self.ports.clock.now_ms());
        let sequence = self.ports.journal.record(deployment, &record, now_ms).await?;
        self.ports.observer.tell(deployment, sequence, News::Judged { verdict });
        Ok(Ok(()))
    }

    /// Somebody has seen enough: the release is not watched any longer.  The proxy goes on to.
    async fn promoted(
        &self,
        generation: Generation,
        by: &str,
        begun_ms: u64,
    ) -> Result<Baked, Failure> {
        let in_force = self.ports.router.in_force(&self.plan.environment).await?;
        if in_force.routes.is_none_or(|it| it.generation != generation) {
            let message = format!("promote routes {generation}: others are in force");
            return Err(Failure::new(Blame::Platform, message));
        }
        let seconds = self.ports.clock.now_ms().saturating_sub(begun_ms) / 1000;
        let verdict = format!("promoted by {by} after {seconds} s");
        Ok(Baked { nonce: in_force.nonce, verdict })
    }

    /// Says how far the release had come, where it came by stages or batches.
    pub(super) fn at_stage(&self, generation: Generation, failure: Failure) -> Failure {
        let share = self.plan.steps.iter().find_map(|it| match it {
            Step::Switch { to, share, .. } if *to == generation => *share,
            _ => None,
        });
        let Some(share) = share else { return failure };
        let (batch, batches) = (share.batch, share.batches);
        let stage = match share.percent {
            Some(percent) => format!("stage {batch} of {batches}, {percent} % of the requests"),
            None => format!("batch {batch} of {batches}"),
        };
        let message = format!("{} ({stage})", failure.message);
        Failure { message, ..failure }
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
            Step::Bake { generation, instances, for_at_least, rule } if *generation == confirms => {
                Some((instances, *for_at_least, rule))
            }
            _ => None,
        });
        match bake {
            Some((instances, time, rule)) => self.bake(confirms, instances, time, rule).await,
            None => Ok(Err(Failure::new(Blame::Us, "find the bake of what is confirmed"))),
        }
    }
}
