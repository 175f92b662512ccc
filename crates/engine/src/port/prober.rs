//! Asks instances and public routes, until a decision can be made.

use async_trait::async_trait;
use model::{
    bake::BakeRule,
    check::Checks,
    failure::Failure,
    id::{Generation, InstanceId, ReleaseId},
    instance::Instance,
    name::EnvironmentId,
    nginx::FrontSpec,
    plan::{PublicRequest, ReadyCheck},
    release::Release,
    service::{Millis, SmokeTest},
};

/// Asks.
///
/// Contract: nothing it does changes what serves.  Each call is bounded in time and in bytes read,
/// and its failure explains itself: request, response, who listens, exit, last lines, likely cause.
/// `note` is told what is waited for, at least every 3 s.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Returns once the instance is ready and healthy.  Its exit is a verdict at once.
    async fn ready(
        &self,
        instance: &Instance,
        release: &Release,
        check: &ReadyCheck,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Sends the requests to the instance, in order.
    async fn smoke(
        &self,
        instance: &Instance,
        release: &Release,
        tests: &[SmokeTest],
    ) -> Result<(), Failure>;
    /// Asks further questions: each instance, or the public route and what only instances can say.
    /// `note` is also told of soft ones that failed and are overridden.
    async fn check(
        &self,
        instances: &[Instance],
        release: &Release,
        checks: &Checks,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Asks through the public route until the release answered each.
    async fn verify(
        &self,
        environment: &EnvironmentId,
        listen: &[String],
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure>;
    /// As `verify`, by nginx in front of the proxy, where it was told of the hosts.
    async fn verify_in_front(
        &self,
        _environment: &EnvironmentId,
        _front: &FrontSpec,
        _requests: &[PublicRequest],
        _release: &ReleaseId,
    ) -> Result<(), Failure> {
        Ok(())
    }
    /// Watches the generation in force for so long; the exit of an instance, or the router's own
    /// fall-back, ends it at once.  At its end what was seen is judged by the rule: a failure where
    /// the release shall go.
    async fn bake(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        instances: &[InstanceId],
        for_at_least: Millis,
        rule: &BakeRule,
        note: &Note,
    ) -> Result<Baked, Failure>;
}

/// A watch after which the release stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baked {
    /// The router's start nonce.
    pub nonce: String,
    /// What was found, in words.
    pub verdict: String,
}

/// Told what is waited for.
pub type Note = dyn Fn(String) + Send + Sync;
