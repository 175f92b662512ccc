//! Puts generations in force.

use super::{
    EmbeddedRouter,
    ask::{ANSWER_WAIT, odd},
};
use engine::port::router::Confirmed;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, Generation},
    name::EnvironmentId,
    plan::StagedRoutes,
    routes::Routes,
};
use proxy::{
    control::{Answer, Ask, RefusalReason, Status},
    route_file::Confirms,
};
use std::time::Duration;

/// Until every thread of the proxy serves by a generation.
const INSTALL_WAIT: Duration = Duration::from_secs(20);
/// The proxy may fall back between the question what is in force and the order.
const INSTALL_TRIES: u32 = 5;

impl EmbeddedRouter {
    pub(super) fn install_now(
        &self,
        environment: &EnvironmentId,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let doing = format!("put generation {to} of {environment} in force");
        let mut last = None;
        for _ in 0..INSTALL_TRIES {
            let expects = match self.must(&doing, &Ask::Status, ANSWER_WAIT)? {
                Answer::Status(status) => generation_in_force(&status, environment),
                other => return Err(odd(&doing, &other)),
            };
            if expects == to {
                return Ok(());
            }
            match self.swap(environment, expects, to, epoch, &doing)? {
                Ok(()) => return Ok(()),
                Err((RefusalReason::Unexpected, message)) => last = Some(message),
                Err((reason, message)) => return Err(refused(&doing, reason, &message)),
            }
        }
        Err(refused(&doing, RefusalReason::Unexpected, &last.unwrap_or_default()))
    }

    pub(super) fn try_out_now(
        &self,
        environment: &EnvironmentId,
        from: Generation,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let doing = format!("try out generation {to} of {environment}");
        self.swap(environment, from, to, epoch, &doing)?
            .map_err(|(reason, message)| refused(&doing, reason, &message))
    }

    pub(super) fn confirm_now(
        &self,
        environment: &EnvironmentId,
        confirms: Generation,
        nonce: String,
        by: &Routes,
        epoch: Epoch,
    ) -> Result<Confirmed, Failure> {
        let doing = format!("confirm generation {confirms} of {environment}");
        let in_force = self.in_force_now(environment)?;
        if in_force.routes.is_some_and(|it| it.generation == by.generation) {
            return Ok(Confirmed::InForce);
        }
        let staged = StagedRoutes { routes: by.clone(), probation: None };
        let confirmed = Confirms { generation: confirms.0, nonce };
        self.stage_one(environment, &staged, Some(confirmed), epoch)?;
        match self.swap(environment, confirms, by.generation, epoch, &doing)? {
            Ok(()) => Ok(Confirmed::InForce),
            Err((RefusalReason::Nonce, _)) => Ok(Confirmed::BakeAgain),
            Err((reason, message)) => Err(refused(&doing, reason, &message)),
        }
    }

    fn swap(
        &self,
        environment: &EnvironmentId,
        expects: Generation,
        to: Generation,
        epoch: Epoch,
        doing: &str,
    ) -> Result<Result<(), (RefusalReason, String)>, Failure> {
        let order = Ask::Install {
            environment: environment.stem(),
            generation: to.0,
            expects: expects.0,
            epoch: epoch.0,
        };
        match self.must(doing, &order, INSTALL_WAIT)? {
            Answer::Installed { generation } if generation == to.0 => Ok(Ok(())),
            Answer::Refused { reason, message } => Ok(Err((reason, message))),
            other => Err(odd(doing, &other)),
        }
    }
}

fn generation_in_force(status: &Status, environment: &EnvironmentId) -> Generation {
    let known = status.environments.get(&environment.stem());
    Generation(known.map_or(0, |it| it.generation))
}

/// Whose move it is after a refusal.
pub(super) fn refused(doing: &str, reason: RefusalReason, message: &str) -> Failure {
    let blame = match reason {
        RefusalReason::FellBack => Blame::Release,
        RefusalReason::Malformed | RefusalReason::Old => Blame::Us,
        RefusalReason::Unexpected
        | RefusalReason::Epoch
        | RefusalReason::Nonce
        | RefusalReason::Unfit
        | RefusalReason::Disk
        | RefusalReason::Turn => Blame::Platform,
    };
    let failure = Failure::new(blame, format!("{doing}: the proxy refused: {message}"));
    match reason {
        RefusalReason::Epoch => failure.hint("another controller was started: ask that one"),
        RefusalReason::Disk => failure.hint("free space in the state directory, then try again"),
        RefusalReason::Unexpected => failure.hint("see `cutover status`, then deploy again"),
        _ => failure,
    }
}
