//! Whether nginx, which goes straight to instances by links, reaches the new release.
//!
//! The proxy does not see such a request, so nobody counts which release answered.  What can be
//! known is that an answer came through nginx, and where the links led before and after it.

use super::{LocalProber, front::asked, http::Question, public::TIME_MAX};
use engine::port::router::Router;
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    routes::PathRoute,
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Bad answers to one request that end it: more of them would be users' errors.
const BAD_ANSWERS_MAX: u32 = 2;

/// A path that nginx leads past the proxy.
pub(super) struct Straight {
    environment: EnvironmentId,
    route: PathRoute,
}

impl LocalProber {
    /// None: requests for this path go by the proxy.
    pub(super) async fn straight(
        &self,
        environment: &EnvironmentId,
        path: &str,
    ) -> Result<Option<Straight>, Failure> {
        let Some(routes) = self.router.in_force(environment).await?.routes else {
            return Ok(None);
        };
        let covers = |it: &&PathRoute| {
            let rest = path.strip_prefix(it.path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let best = routes.paths.into_iter().filter(|it| covers(&it)).max_by_key(|it| it.path.len());
        let found = best.filter(|it| it.links.is_some());
        let found = found.map(|route| Straight { environment: environment.clone(), route });
        // In maintenance there is none, and nginx asks the proxy.
        Ok(found.filter(|it| !self.led_to(it).is_empty()))
    }

    /// That an answer comes, and that the links lead to the release.
    pub(super) async fn verify_straight(
        &self,
        straight: &Straight,
        question: &Question,
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        // It is not led by the proxy, and the application need not know the proxy's nonce.
        let question = Question { verify: None, ..question.clone() };
        let deadline = Instant::now() + TIME_MAX;
        let mut bad = 0;
        loop {
            let (what, seen) = match asked(&question).await {
                Ok(response) if response.status < 500 => break,
                Ok(response) => (format!("the answer is {}", response.status), response.shown()),
                Err(silence) => {
                    let seen = silence.seen.map(|it| it.shown()).unwrap_or_default();
                    (format!("it {}", silence.what), seen)
                }
            };
            bad += 1;
            if bad >= BAD_ANSWERS_MAX || Instant::now() >= deadline {
                let message = format!("reach release {release} by {question}: {what}");
                return Err(
                    Failure::new(Blame::Release, message).evidence(format!("{question}\n{seen}"))
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
        let sockets: Vec<PathBuf> = straight
            .route
            .instances
            .iter()
            .filter(|it| it.release == *release)
            .map(|it| self.layout().socket(&it.id))
            .collect();
        if self.led_to(straight).iter().any(|it| sockets.contains(it)) {
            return Ok(());
        }
        let message = format!("reach release {release} by {question}: no link leads nginx to it");
        let directory = self.layout().links().join(straight.environment.stem());
        Err(Failure::new(Blame::Platform, message)
            .hint("see what `cutover status` says of the proxy, which leads the links")
            .evidence(format!("the links lie in {}", directory.display())))
    }

    /// The sockets to which the links of the path lead.
    fn led_to(&self, straight: &Straight) -> Vec<PathBuf> {
        let Straight { environment, route } = straight;
        let (root, stem) = (self.layout().root(), environment.stem());
        (1..=route.links.unwrap_or(0))
            .map(|it| proxy::links::path(root, &stem, route.service.as_str(), it))
            .filter_map(|it| fs::read_link(it).ok())
            .collect()
    }
}
