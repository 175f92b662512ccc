//! Whether the public route leads to the new release.
//!
//! Which release answered is known from the proxy, which counts the requests that verify by
//! release: the count of the new one must rise with our request.  Where old and new serve together
//! it is asked again until the new one's turn comes.

use super::{LocalProber, front::asked, http::Question};
use engine::port::router::Router;
use model::{
    edge::SECURE,
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    plan::PublicRequest,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// For one request.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// For the release to answer each request.
pub(super) const TIME_MAX: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two tries where another release answered: nothing is wrong with that yet.
const TURN_PAUSE: Duration = Duration::from_millis(5);
/// For the proxy to count a request whose answer we have.
const COUNT_WAIT: Duration = Duration::from_secs(1);
const COUNT_PAUSE: Duration = Duration::from_millis(5);
/// Bad answers to one request that end it: more of them would be users' errors.
const BAD_ANSWERS_MAX: u32 = 2;

/// Whose count rose with our request.
enum Answered {
    Wanted,
    Other,
    Nobody,
}

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
pub(super) fn reachable(address: &str) -> String {
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

    pub(super) async fn verify_one(
        &self,
        environment: &EnvironmentId,
        question: &Question,
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + TIME_MAX;
        let mut bad = 0;
        loop {
            let before = self.verified(environment).await?;
            let mut pause = PAUSE;
            let (what, seen) = match asked(question).await {
                Ok(response) if response.status < 500 => {
                    let what = match self.who_answered(environment, release, &before).await? {
                        Answered::Wanted => return Ok(()),
                        Answered::Other => {
                            pause = TURN_PAUSE;
                            "another release answered"
                        }
                        Answered::Nobody => "the answer came from none of our releases",
                    };
                    (what.to_owned(), response.shown())
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
            tokio::time::sleep(pause).await;
        }
    }

    async fn verified(
        &self,
        environment: &EnvironmentId,
    ) -> Result<BTreeMap<ReleaseId, u64>, Failure> {
        let counters = self.router.counters(environment).await?;
        Ok(counters.into_iter().map(|(release, it)| (release, it.verified)).collect())
    }

    async fn who_answered(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        before: &BTreeMap<ReleaseId, u64>,
    ) -> Result<Answered, Failure> {
        let deadline = Instant::now() + COUNT_WAIT;
        while Instant::now() < deadline {
            let now = self.verified(environment).await?;
            let rose = |it: &(&ReleaseId, &u64)| *it.1 > before.get(it.0).copied().unwrap_or(0);
            let mut risen = now.iter().filter(rose).peekable();
            if risen.peek().is_some() {
                let wanted = risen.any(|it| it.0 == release);
                return Ok(if wanted { Answered::Wanted } else { Answered::Other });
            }
            tokio::time::sleep(COUNT_PAUSE).await;
        }
        Ok(Answered::Nobody)
    }

    /// The proxy says where it is bound, and its nonce.
    pub(super) async fn public_address(
        &self,
        listen: &[String],
    ) -> Result<(String, String), Failure> {
        let (bound, nonce) =
            self.router.status().await?.map(|it| (it.addresses, it.nonce)).unwrap_or_default();
        // What verifies speaks clear HTTP, and is not led to TLS.
        let clear = |all: &[String]| all.iter().find(|it| !it.starts_with(SECURE)).cloned();
        let address = clear(&bound).or_else(|| clear(listen)).ok_or_else(|| {
            Failure::new(Blame::Platform, "ask by the public route: the proxy has no address")
        })?;
        Ok((reachable(&address), nonce))
    }
}
