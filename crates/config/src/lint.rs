//! What works, and still cuts requests short or lets a bad release through: said before it happens.
//!
//! Each rule has a name, a line in [`RULES`], and a good and a bad case in the test corpus.

mod command;
mod time;
mod variable;

pub(crate) use variable::variables;

use crate::{
    draft::service::{ServiceDraft, StrategyDraft},
    problem::Severity,
    report::{Placed, Report},
};
use model::name::Name;

/// One thing that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As it is shown behind a message.
    pub name: &'static str,
    /// A sentence that says what it finds, and why that matters.
    pub about: &'static str,
}

const fn rule(name: &'static str, about: &'static str) -> Rule {
    Rule { name, about }
}

/// Everything that is looked for.
pub const RULES: [Rule; 23] = [
    rule(
        "no-routes",
        "Hosts are named under `domains`, and no service has `routes`: nothing answers there.",
    ),
    rule(
        "no-health",
        "A service with routes has no `health`: traffic may move to what only listens.",
    ),
    rule("fixed-port", "A fixed `port` without `recreate`: old and new cannot both have it."),
    rule("port-variable", "`PORT` is set: it hides the port that each instance is given."),
    rule("command-port", "The command names a port: old and new, or two instances, collide on it."),
    rule("npm-first", "`npm`, `yarn` and the like stand between the program and its stop signal."),
    rule("shell-first", "A shell keeps the stop signal from the program that it started."),
    rule("background", "The command goes to the background: the end of the program is not seen."),
    rule("dev-server", "A server for development restarts by itself, and is not made for load."),
    rule("development", "A variable puts a program in production into its development mode."),
    rule("single-writer", "A volume or an SQLite file is written by old and new at once."),
    rule(
        "recreate",
        "`recreate` holds all requests while nothing runs, and nothing asks for that.",
    ),
    rule("rolling", "`rolling` is given without `strategy: rolling`: it is of no effect."),
    rule("canary", "`canary` is given without `strategy: canary`: it is of no effect."),
    rule("hold", "With `recreate`, `start_timeout` is longer than requests are held."),
    rule("start-timeout", "`start_timeout` is shorter than one answer to `health` may take."),
    rule("drain", "`drain` is shorter than an answer may take: requests in flight are cut."),
    rule("grace", "`grace` ends instances by force before they can finish what they do."),
    rule("bake", "`bake` is 0: nobody watches the new release under traffic."),
    rule("keep-warm", "`keep_warm` is so short that the way back is a cold start."),
    rule("no-smoke", "In production no request is sent to a new release before users send theirs."),
    rule(
        "no-backup",
        "A service migrates a database, and no `backup` is made before: nothing brings it back.",
    ),
    rule("root", "The service runs as root: whoever breaks into it has the machine."),
];

/// What a service is judged within.
pub(crate) struct Around<'a> {
    pub(crate) environment: &'a Name,
    /// Copies that run.
    pub(crate) copies: u16,
}

impl Around<'_> {
    fn is_production(&self) -> bool {
        self.environment.as_str() == "production"
    }
}

/// Reports what can be seen without the values of variables.
pub(crate) fn service(service: &ServiceDraft, around: &Around<'_>, report: &mut Report) {
    if around.copies == 0 {
        return;
    }
    command::lint(service, around, report);
    time::lint(service, report);
    health(service, report);
    user(service, report);
    volumes(service, around, report);
    recreate(service, report);
    of_strategies(service, report);
}

/// Whether old and new run at the same time.
pub(crate) fn beside(service: &ServiceDraft) -> bool {
    service.strategy.as_ref().is_none_or(|it| it.value != StrategyDraft::Recreate)
}

fn routed(service: &ServiceDraft) -> bool {
    !service.routes().is_empty()
}

/// A host that leads to no service: each request is told that nothing runs there.
pub(crate) fn domains(domains: &[Placed<String>], report: &mut Report) {
    let Some(first) = domains.first() else { return };
    let message = "no service has `routes`: who asks this host is told that nothing runs here";
    report
        .lint("no-routes", Severity::Warning, first.place, &first.path, message)
        .hint("add `routes: [/]` to the service that answers, or take the `domains` away");
}

fn health(service: &ServiceDraft, report: &mut Report) {
    if !routed(service) || service.health.is_some() || service.broken.contains(&"health") {
        return;
    }
    let message = "nothing asks this service whether it is healthy before traffic moves to it";
    report
        .lint("no-health", Severity::Warning, service.place, &service.path, message)
        .hint("add `health: { path: /health }`, or `health: none` if its port is enough");
}

/// What is worth a word when somebody asks, and none at every deployment.
pub(crate) fn smoke(service: &ServiceDraft, around: &Around<'_>, report: &mut Report) {
    let asked = service.smoke.is_some() || service.checks.is_some() || service.is_static();
    if !routed(service) || asked || !around.is_production() || around.copies == 0 {
        return;
    }
    let message = "no request is sent to a new release before users send theirs";
    report
        .lint("no-smoke", Severity::Note, service.place, &service.path, message)
        .hint("add what must always work: `smoke: [{ get: /, status: 200 }]`");
}

/// What a migration does to data, nothing takes back but a backup.
pub(crate) fn migration(service: &ServiceDraft, backs_up: bool, report: &mut Report) {
    let Some(migrate) = service.migrate.as_ref().filter(|_| !backs_up) else { return };
    let message = "it is migrated, and no database is backed up before";
    report
        .lint("no-backup", Severity::Warning, migrate.place, &migrate.path, message)
        .hint("add `backup: { databases: { … } }` to the environment: it comes first then");
}

fn user(service: &ServiceDraft, report: &mut Report) {
    let Some(user) = service.user.as_ref().filter(|it| it.value == "root") else { return };
    let message = "the service runs as root: whoever breaks into it has the machine";
    report
        .lint("root", Severity::Warning, user.place, &user.path, message)
        .hint("name an account that owns nothing else");
}

fn volumes(service: &ServiceDraft, around: &Around<'_>, report: &mut Report) {
    let Some(volumes) = &service.volumes else { return };
    if !beside(service) && around.copies == 1 {
        return;
    }
    let message = "old and new write to the same volumes at once";
    report
        .lint("single-writer", Severity::Warning, volumes.place, &volumes.path, message)
        .hint("if only one may write: `strategy: recreate` and `instances: 1`");
}

fn recreate(service: &ServiceDraft, report: &mut Report) {
    let Some(strategy) = service.strategy.as_ref().filter(|_| !beside(service)) else { return };
    if !routed(service) || service.port.is_some() || service.volumes.is_some() {
        return;
    }
    let message =
        "`recreate` holds all requests while nothing runs, and nothing here asks for that";
    report
        .lint("recreate", Severity::Note, strategy.place, &strategy.path, message)
        .hint("`blue-green` holds none; keep `recreate` where only one may write to a file");
}

/// Keys that one strategy alone asks for.
fn of_strategies(service: &ServiceDraft, report: &mut Report) {
    let rolling = service.rolling.as_ref().map(|it| it.with(()));
    let canary = service.canary.as_ref().map(|it| it.with(()));
    let keys =
        [("rolling", rolling, StrategyDraft::Rolling), ("canary", canary, StrategyDraft::Canary)];
    for (key, given, wanted) in keys {
        let Some(given) = given else { continue };
        if service.strategy.as_ref().is_some_and(|it| it.value == wanted) {
            continue;
        }
        let message = format!("`{key}` is of no effect without `strategy: {key}`");
        report
            .lint(key, Severity::Warning, given.place, &given.path, message)
            .hint(format!("add `strategy: {key}`, or leave `{key}` out"));
    }
}
