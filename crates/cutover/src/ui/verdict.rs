//! The last line of a deployment that went well: it proves its claim.

use super::figure::{Clock, duration, latency, number};
use crate::story::{Ending, Story};
use model::{
    deployment::{Served, Traffic},
    journal::Outcome,
    plan::{Kind, Plan},
};

/// `deployed shop/production 1.3.0 in 4.2s · … · back: …`; `typed` is how the user calls the
/// environment.
pub fn line(story: &Story, ending: &Ending, typed: &str, clock: &Clock) -> String {
    let mut parts = vec![format!("{} in {}", claim(story, ending), duration(story.took_ms()))];
    if story.kind().is_none_or(|it| !matches!(it, Kind::Stop)) {
        parts.push(traffic(ending.traffic.as_ref()));
        if story.plan.as_ref().is_some_and(Plan::leads_past_the_proxy) {
            parts.push("requests past the proxy are not counted".to_owned());
        }
    }
    parts.extend(judged(story, ending));
    if ending.outcome == Outcome::DeployedUntidy {
        parts.push("something of the old release is left over".to_owned());
    }
    parts.extend(back(story, ending, typed, clock));
    parts.join(" · ")
}

fn claim(story: &Story, ending: &Ending) -> String {
    let id = story.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    let to = || story.plan.as_ref()?.to.as_ref();
    let serving = ending.serving.as_ref().or_else(to).map_or("nothing", |it| it.version.as_str());
    match story.kind() {
        Some(Kind::Rollback) => format!("rolled back {id} to {serving}"),
        Some(Kind::Restart) => format!("restarted {id} {serving}"),
        Some(Kind::Scale) => format!("scaled {id} {serving}"),
        Some(Kind::Stop) => format!("stopped {id}"),
        Some(Kind::Start) => format!("started {id} {serving}"),
        Some(Kind::Initial | Kind::Update) | None => format!("deployed {id} {serving}"),
    }
}

/// `18 412 requests during the switch (1.2.0: 9 204, 1.3.0: 9 208), 0 failed, p99 3 ms`.
pub fn traffic(traffic: Option<&Traffic>) -> String {
    match traffic {
        None => "the proxy could not be asked for its counts".to_owned(),
        Some(it) if it.requests == 0 => "no traffic seen".to_owned(),
        Some(it) => {
            let held = match it.held {
                0 => String::new(),
                held => format!(", {} held", number(held)),
            };
            let plural = if it.requests == 1 { "" } else { "s" };
            format!(
                "{} request{plural} during the switch{}, {} failed{held}, p99 {}",
                number(it.requests),
                by_release(it),
                number(it.failed),
                latency(it.p99_us)
            )
        }
    }
}

/// Where there were several: who answered how many.
fn by_release(traffic: &Traffic) -> String {
    if traffic.served.len() < 2 {
        return String::new();
    }
    let one = |it: &Served| format!("{}: {}", it.version, number(it.requests));
    format!(" ({})", traffic.served.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// What the last watch found.
fn judged(story: &Story, ending: &Ending) -> Option<String> {
    let deployed = matches!(ending.outcome, Outcome::Deployed | Outcome::DeployedUntidy);
    story.verdict.as_ref().filter(|_| deployed).map(|it| daemon::logs::plain(it))
}

fn back(story: &Story, ending: &Ending, typed: &str, clock: &Clock) -> Option<String> {
    let plan = story.plan.as_ref()?;
    let from = plan.from.as_ref();
    match plan.kind {
        Kind::Update => {
            let from = from?;
            let until = ending.warm.iter().map(|it| it.1).max();
            let kept = until
                .map(|it| format!(" ({} is kept warm until {})", from.version, clock.minute(it)));
            let kept = kept.unwrap_or_else(|| format!(" (to {})", from.version));
            Some(format!("back: cutover rollback {typed}{kept}"))
        }
        Kind::Rollback => {
            Some(format!("forward again: cutover rollback {typed} --to {}", from?.version))
        }
        Kind::Stop => Some(format!("back: cutover start {typed}")),
        Kind::Initial | Kind::Restart | Kind::Scale | Kind::Start => None,
    }
}
