//! Times that do not go together.

use super::{beside, routed};
use crate::{
    draft::service::ServiceDraft,
    problem::Severity,
    quantity::written,
    report::{Placed, Report},
};
use model::service::Millis;

/// So long a request waits at most while `recreate` has nothing to answer it.
const HELD_MAX: Millis = Millis::seconds(30);

/// Less is no time to finish anything in.
const GRACE_MIN: Millis = Millis::seconds(1);

/// When nobody says.
const GRACE: Millis = Millis::seconds(10);

pub(super) fn lint(service: &ServiceDraft, report: &mut Report) {
    if !routed(service) {
        return;
    }
    let mut warn = |rule, at: &Placed<Millis>, message: String, hint: String| {
        report.lint(rule, Severity::Warning, at.place, &at.path, message).hint(hint);
    };
    let health = service.health.as_ref().and_then(|it| it.value.spec());
    if let (Some(given), Some(health)) = (&service.start_timeout, &health)
        && given.value < health.timeout
    {
        let (short, long) = (written(given.value), written(health.timeout));
        let message = format!("ready within {short}, while one answer to `health` may take {long}");
        warn("start-timeout", given, message, format!("give it at least {long}"));
    }
    if let (Some(given), Some(health)) = (&service.drain, &health)
        && given.value < health.timeout
    {
        let (short, long) = (after(given.value), written(health.timeout));
        let message = format!("cuts requests {short}, while one to `health` may take {long}");
        let hint = "let it be as long as your slowest request takes".to_owned();
        warn("drain", given, message, hint);
    }
    if let Some(given) = &service.grace
        && given.value < GRACE_MIN
    {
        let message = match given.value {
            Millis(0) => "instances are ended by force, with no time to finish".to_owned(),
            some => format!("instances are ended by force {} after they are asked", written(some)),
        };
        warn("grace", given, message, "give them at least 1s to finish what they do".to_owned());
    }
    if let Some(given) = &service.bake
        && given.value == Millis(0)
    {
        let message = "nobody watches the new release under traffic before it is confirmed";
        let hint = "give it some seconds of traffic: `bake: 10s`".to_owned();
        warn("bake", given, message.to_owned(), hint);
    }
    if let Some(given) = &service.start_timeout
        && !beside(service)
        && given.value > HELD_MAX
    {
        let held = written(HELD_MAX);
        let message = format!("requests are held for {held} at most while nothing runs");
        warn("hold", given, message, format!("let it start within {held}, or use `blue-green`"));
    }
    keep_warm(service, report);
}

fn after(time: Millis) -> String {
    if time == Millis(0) { "at once".to_owned() } else { format!("after {}", written(time)) }
}

fn keep_warm(service: &ServiceDraft, report: &mut Report) {
    let Some(given) = &service.keep_warm else { return };
    let grace = service.grace.as_ref().map_or(GRACE, |it| it.value);
    if given.value > grace {
        return;
    }
    let time = after(given.value);
    let message = format!("{time} the way back is a cold start: the old has been ended");
    report
        .lint("keep-warm", Severity::Warning, given.place, &given.path, message)
        .hint("keep it for as long as somebody watches: `keep_warm: 10m`");
}
