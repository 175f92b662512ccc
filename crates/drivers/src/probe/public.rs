//! Whether the public route leads to the new release.
//!
//! Which release answered is known from the proxy, which counts requests by release: the count of
//! the new one must rise with our request.  Another client's request may be taken for ours; then
//! the release has answered one all the same, by the same route.

use super::{LocalProber, http::Question};
use engine::port::router::Router;
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    plan::PublicRequest,
};
use std::time::{Duration, Instant};

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For the release to answer each request.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// For the proxy to count a request whose answer we have.
const COUNT_WAIT: Duration = Duration::from_secs(1);
const COUNT_PAUSE: Duration = Duration::from_millis(5);
/// Bad answers to one request that end it: more of them would be users' errors.
const BAD_ANSWERS_MAX: u32 = 2;

/// How long the answer to a request by the public route takes; none: there is none.  `nonce` keeps
/// it out of the proxy's counts.
pub async fn time_of(address: &str, nonce: &str, request: &PublicRequest) -> Option<Duration> {
    let address = reachable(address);
    let question = Question {
        host: Some(request.host.clone()),
        verify: Some(nonce.to_owned()),
        ..Question::get(&address, &request.path, TIMEOUT)
    };
    question.ask().await.ok().map(|it| it.elapsed)
}

/// A request to ourselves goes by the loopback address.
fn reachable(address: &str) -> String {
    address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

impl LocalProber {
    pub(super) async fn verify_all(
        &self,
        environment: &EnvironmentId,
        listen: &[String],
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        let (address, nonce) = self.public_address(listen).await?;
        for request in requests {
            let question = Question {
                host: Some(request.host.clone()),
                verify: Some(nonce.clone()),
                ..Question::get(&address, &request.path, TIMEOUT)
            };
            self.verify_one(environment, &question, release).await?;
        }
        Ok(())
    }

    async fn verify_one(
        &self,
        environment: &EnvironmentId,
        question: &Question,
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + TIME_MAX;
        let mut bad = 0;
        loop {
            let before = self.verified(environment, release).await?;
            let (what, seen) = match question.ask().await {
                Ok(response) if response.status < 500 => {
                    if self.was_counted(environment, release, before).await? {
                        return Ok(());
                    }
                    ("another release answered".to_owned(), response.shown())
                }
                Ok(response) => {
                    bad += 1;
                    (format!("the answer is {}", response.status), response.shown())
                }
                Err(silence) => {
                    bad += 1;
                    let seen = silence.seen.map(|it| it.shown()).unwrap_or_default();
                    (format!("it {}", silence.what), seen)
                }
            };
            if bad >= BAD_ANSWERS_MAX || Instant::now() >= deadline {
                let blame = if bad > 0 { Blame::Release } else { Blame::Platform };
                let message = format!("reach release {release} by {question}: {what}");
                return Err(Failure::new(blame, message).evidence(format!("{question}\n{seen}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn verified(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
    ) -> Result<u64, Failure> {
        let counters = self.router.counters(environment).await?;
        Ok(counters.get(release).map_or(0, |it| it.verified))
    }

    async fn was_counted(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        before: u64,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + COUNT_WAIT;
        while Instant::now() < deadline {
            if self.verified(environment, release).await? > before {
                return Ok(true);
            }
            tokio::time::sleep(COUNT_PAUSE).await;
        }
        Ok(false)
    }

    /// The proxy says where it is bound, and its nonce.
    pub(super) async fn public_address(
        &self,
        listen: &[String],
    ) -> Result<(String, String), Failure> {
        let (bound, nonce) =
            self.router.status().await?.map(|it| (it.addresses, it.nonce)).unwrap_or_default();
        let address = bound.first().or(listen.first()).ok_or_else(|| {
            Failure::new(Blame::Platform, "ask by the public route: the proxy has no address")
        })?;
        Ok((reachable(address), nonce))
    }
}
