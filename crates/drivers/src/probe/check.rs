//! Further questions: of a candidate before the switch, by the public route after it.

use super::{
    LocalProber, Notes, external,
    fill::Filler,
    health::{connected, explained_answer, other_status, unheard},
    http::Question as Request,
    smoke::{Way, field, pattern},
    usage::{Usage, machine_memory_bytes, processors},
};
use crate::runtime::process::service_of;
use engine::port::runtime::{Life, Runtime};
use model::{
    cause,
    check::{Check, Checks, Identity, Measured, Performance, Question, WARM_UPS},
    failure::{Blame, Failure},
    health_document::HealthDocument,
    instance::Instance,
    release::Release,
    service::{Millis, Probe},
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Of an instance's output that is searched.
const LINES_MAX: usize = 100_000;
/// Between two requests of a measurement.
const PACE: Duration = Duration::from_millis(50);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

impl LocalProber {
    pub(super) async fn all_checks(
        &self,
        instances: &[Instance],
        release: &Release,
        checks: &Checks,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        for check in &checks.list {
            let limit = check.question.time_max(check.timeout).duration();
            notes.sometimes(|| format!("check `{}`, at most {} s", check.name, limit.as_secs()));
            let Err(failure) = self.one_check(instances, release, checks, check, notes).await
            else {
                continue;
            };
            let failure = Failure {
                message: format!("pass the check `{}`: {}", check.name, failure.message),
                ..failure
            };
            if !check.is_soft() {
                return Err(failure);
            }
            if !checks.force {
                return Err(failure.hint("or go on in spite of it with `--force`"));
            }
            notes.now(format!("warning: overridden by --force: failed to {}", failure.message));
        }
        Ok(())
    }

    async fn one_check(
        &self,
        instances: &[Instance],
        release: &Release,
        checks: &Checks,
        check: &Check,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        if let Question::External(asked) = &check.question {
            return external::ask(asked, check.timeout, notes).await;
        }
        // By the public route one question is for all of them; what only an instance can say is
        // asked of each.
        let public = match &checks.host {
            Some(host) => Some(self.public_way(release, host).await?),
            None => None,
        };
        for instance in instances {
            let by_route = match &check.question {
                Question::Tcp { .. } | Question::Command { .. } | Question::Log { .. } => None,
                _ => public.as_ref(),
            };
            let asked = self.of_instance(instance, release, check, by_route, notes).await;
            if let Err(failure) = asked {
                return Err(self.explained(instance, failure).await);
            }
            if by_route.is_some() && !matches!(check.question, Question::Performance(_)) {
                break;
            }
        }
        Ok(())
    }

    async fn public_way(&self, release: &Release, host: &str) -> Result<Way, Failure> {
        let (address, nonce) = self.public_address(&release.spec.listen).await?;
        Ok(Way { address, host: Some(host.to_owned()), verify: Some(nonce) })
    }

    async fn of_instance(
        &self,
        instance: &Instance,
        release: &Release,
        check: &Check,
        public: Option<&Way>,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        let timeout = check.timeout;
        match &check.question {
            Question::Tcp { address: Some(address) } => {
                let mut filler = Filler::new(self.layout(), instance, release)?;
                let filled = filler.text(address).map_err(|what| {
                    Failure::new(Blame::Request, format!("connect to {address}: {what}"))
                })?;
                let reached = connected(&filled, timeout).await;
                reached.map_err(|failure| {
                    filler.hidden(failure.hint(format!("see that {address} can be reached")))
                })
            }
            Question::Tcp { address: None } => {
                connected(&self.own_address(instance).await?, timeout).await
            }
            Question::Command { command } => {
                self.run(instance, release, timeout.duration(), command).await
            }
            Question::Log { absent } => self.log(instance, absent).await,
            asked => {
                let own;
                let way = match public {
                    Some(way) => way,
                    None => {
                        let address = self.own_address(instance).await?;
                        own = Way { address, host: None, verify: None };
                        &own
                    }
                };
                match asked {
                    Question::Http { steps } => self.sequence(instance, release, way, steps).await,
                    Question::Identity { what, path, field } => {
                        let place = (path.as_deref(), field.as_deref());
                        identity(instance, release, way, *what, place, timeout).await
                    }
                    Question::Endpoints { paths } => endpoints(way, paths, timeout).await,
                    Question::Performance(bounds) => {
                        self.performance(instance, release, way, bounds, timeout, notes).await
                    }
                    Question::Tcp { .. }
                    | Question::Command { .. }
                    | Question::Log { .. }
                    | Question::External(_) => Ok(()),
                }
            }
        }
    }

    /// Whether it has written a line that matches.
    pub(super) async fn has_said(
        &self,
        instance: &Instance,
        wanted: &str,
    ) -> Result<bool, Failure> {
        let wanted = pattern(wanted)?;
        let lines = self.runtime.last_lines(&instance.id, LINES_MAX).await;
        Ok(lines.iter().any(|it| wanted.is_match(it)))
    }

    async fn log(&self, instance: &Instance, absent: &str) -> Result<(), Failure> {
        let wanted = pattern(absent)?;
        let lines = self.runtime.last_lines(&instance.id, LINES_MAX).await;
        match lines.iter().find(|it| wanted.is_match(it)) {
            None => Ok(()),
            Some(line) => {
                let message = format!("see no `{absent}` in the output of {}", instance.id);
                Err(Failure::new(Blame::Release, message).evidence(format!("it wrote: {line}")))
            }
        }
    }

    /// Asks again and again for a while, and looks at what the instance takes meanwhile.
    async fn performance(
        &self,
        instance: &Instance,
        release: &Release,
        way: &Way,
        bounds: &Performance,
        timeout: Millis,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        let request = request(way, &bounds.path, timeout);
        for _ in 0..WARM_UPS {
            quick(&request).await?;
        }
        let limit = service_of(instance, release)?.limits.memory_bytes;
        let whole = limit.or_else(machine_memory_bytes).unwrap_or(u64::MAX);
        let begun = Instant::now();
        let first = self.usage(instance).await?;
        let (mut response, mut requests) = (Duration::ZERO, 0_u32);
        let (mut memory, mut samples) = (first.memory_bytes as f64, 1_u32);
        let mut sampled = begun;
        let mut last = first;
        while begun.elapsed() < bounds.window.duration() {
            response += quick(&request).await?;
            requests += 1;
            notes.sometimes(|| format!("{}: measured with {requests} requests", instance.id));
            if sampled.elapsed() >= SAMPLE_INTERVAL {
                sampled = Instant::now();
                last = self.usage(instance).await?;
                memory += last.memory_bytes as f64;
                samples += 1;
            }
            tokio::time::sleep(PACE).await;
        }
        let took = begun.elapsed();
        last = self.usage(instance).await.unwrap_or(last);
        let cpu_ms = last.cpu_ms.saturating_sub(first.cpu_ms) as f64;
        let all_ms = took.as_secs_f64() * 1000.0 * processors() as f64;
        let seen = Measured {
            response_ms: response.as_secs_f64() * 1000.0 / f64::from(requests.max(1)),
            memory_percent: 100.0 * memory / f64::from(samples) / whole as f64,
            cpu_percent: 100.0 * cpu_ms / all_ms,
        };
        let evidence = format!(
            "measured {requests} requests in {:.1} s: {:.1} ms each; {:.1} % of {} MiB; {:.1} % of \
             {} processors",
            took.as_secs_f64(),
            seen.response_ms,
            seen.memory_percent,
            whole >> 20,
            seen.cpu_percent,
            processors(),
        );
        match bounds.trouble(&seen) {
            None => Ok(()),
            Some(what) => {
                let message = format!("ask {request} while it is measured: {what}");
                Err(Failure::new(Blame::Release, message).evidence(evidence))
            }
        }
    }

    async fn usage(&self, instance: &Instance) -> Result<Usage, Failure> {
        let gone = || {
            let message = format!("measure {}: its process is gone", instance.id);
            Failure::new(Blame::Release, message)
        };
        match self.runtime.observe(&instance.id).await? {
            Life::Running(running) => Usage::of(running.pid).ok_or_else(gone),
            _ => Err(gone()),
        }
    }
}

fn request(way: &Way, path: &str, timeout: Millis) -> Request {
    Request {
        host: way.host.clone(),
        verify: way.verify.clone(),
        ..Request::get(&way.address, path, timeout.duration())
    }
}

async fn quick(request: &Request) -> Result<Duration, Failure> {
    match request.ask().await {
        Ok(response) if response.status < 500 => Ok(response.elapsed),
        Ok(response) => Err(explained_answer(
            request,
            &response,
            &format!("it answered {} while it was measured", response.status),
        )),
        Err(silence) => Err(unheard(request, &silence)),
    }
}

async fn endpoints(way: &Way, paths: &[String], timeout: Millis) -> Result<(), Failure> {
    for path in paths {
        let request = request(way, path, timeout);
        match request.ask().await {
            Ok(response) if response.status < 500 => {}
            Ok(response) => {
                let why = format!("it answered {}, wanted: below 500", response.status);
                return Err(explained_answer(&request, &response, &why));
            }
            Err(silence) => return Err(unheard(&request, &silence)),
        }
    }
    Ok(())
}

/// `place`: path and field.
async fn identity(
    instance: &Instance,
    release: &Release,
    way: &Way,
    what: Identity,
    place: (Option<&str>, Option<&str>),
    timeout: Millis,
) -> Result<(), Failure> {
    let wanted = match what {
        Identity::Version => Some(release.version.as_str()),
        Identity::Commit => release.artifact.commit.as_deref(),
    };
    let word = what.word();
    let wanted = wanted.ok_or_else(|| {
        let message = format!("compare its {word}: the release's content says none");
        Failure::new(Blame::Request, message).hint("deploy from a git repository")
    })?;
    let health = service_of(instance, release)?.health.as_ref().map(|it| &it.probe);
    let path = match (place.0, health) {
        (Some(path), _) => path,
        (None, Some(Probe::Http { path, .. })) => path.as_str(),
        _ => "/",
    };
    let request = request(way, path, timeout);
    let response = match request.ask().await {
        Ok(response) if response.status == 200 => response,
        Ok(response) => return Err(other_status(&request, &response, 200)),
        Err(silence) => return Err(unheard(&request, &silence)),
    };
    let said = match place.1 {
        Some(path) => {
            let document: Option<Value> = serde_json::from_slice(&response.body).ok();
            document.as_ref().and_then(|it| field(it, path)?.as_str()).map(str::to_owned)
        }
        None => HealthDocument::read(&response.body).and_then(|it| match what {
            Identity::Version => it.version,
            Identity::Commit => it.commit,
        }),
    };
    match said {
        Some(said) if what.agrees(&said, wanted) => Ok(()),
        Some(said) => {
            let why = format!("it says that its {word} is {said}, not {wanted}");
            let failure = explained_answer(&request, &response, &why);
            Err(failure.hint(cause::of_identity(word, &said)))
        }
        None => {
            let why = format!("it does not say its {word}");
            let hint = format!("name another place: `{word}: {{ path: /version, field: {word} }}`");
            Err(explained_answer(&request, &response, &why).hint(hint))
        }
    }
}
