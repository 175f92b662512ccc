//! What can only be seen when values are put together: services over environments, environments
//! beside each other.

mod files;
mod pm2;
mod socket;
mod systemd;

use crate::{
    draft::{
        check::CheckDraft,
        environment::EnvironmentDraft,
        project::ProjectDraft,
        root::RootDraft,
        service::{KindDraft, Runtime, ServiceDraft, StrategyDraft},
    },
    edge, front, lint,
    problem::Severity,
    report::{Place, Placed, Report},
};
use model::{
    check::{Check, Question},
    name::Name,
    pm2::Mode,
    routes::Claim,
    service::{Probe, Readiness},
};
use std::{collections::HashMap, net::SocketAddr};

/// Reports everything that the values contradict each other in.
pub(crate) fn judge(root: &RootDraft, report: &mut Report) {
    domains(root, report);
    edge::judge(root, report);
    front::conflicts(root.nginx.as_ref(), root.listen.as_ref(), report);
    for (_, project) in &root.projects {
        for (name, environment) in &project.environments {
            let services = laid(project, environment);
            for (_, service) in &services {
                judge_service(service, name, root, report);
            }
            routes(&services, environment, report);
        }
        // A service is judged even where no environment says what becomes of it.
        if project.environments.is_empty() {
            for (_, service) in &project.services {
                command(service, report);
            }
        }
    }
}

/// The project's services as one environment has them.
pub(crate) fn laid(
    project: &ProjectDraft,
    environment: &EnvironmentDraft,
) -> Vec<(Name, ServiceDraft)> {
    let with_own = |(name, base): &(Name, ServiceDraft)| {
        let over = environment.services.iter().find(|(it, _)| it == name);
        (name.clone(), over.map_or_else(|| base.clone(), |(_, it)| it.over(base)))
    };
    project.services.iter().map(with_own).collect()
}

/// Copies that run when nobody says: one if they had to share a port.
pub(crate) fn instances(service: &ServiceDraft, environment: &Name) -> u16 {
    if service.is_static() {
        return 1;
    }
    if service.schedule.is_some() {
        return 0;
    }
    // A cluster's workers are the copies of it.
    let cluster = service.in_pm2().is_some_and(|it| it.mode() == Mode::Cluster);
    let alone = service.port.is_some() || cluster;
    let by_default = if environment.as_str() == "production" && !alone { 2 } else { 1 };
    service.instances.as_ref().map_or(by_default, |it| it.value)
}

/// A path of a host leads to one environment; without routes the host is claimed whole.
fn domains(root: &RootDraft, report: &mut Report) {
    let mut owners: HashMap<Claim, (String, &Placed<String>)> = HashMap::new();
    for (project, inner) in &root.projects {
        for (name, environment) in &inner.environments {
            let services = laid(inner, environment);
            let paths: Vec<&str> =
                services.iter().flat_map(|it| it.1.routes()).map(|it| it.value.as_str()).collect();
            // Where something is wrong, the routes may only be misspelt.
            if paths.is_empty() && !services.is_empty() && !report.has_errors() {
                lint::domains(environment.domains(), report);
            }
            let own = format!("{project}/{name}");
            for domain in environment.domains() {
                let hosts = std::slice::from_ref(&domain.value);
                let claims = Claim::all(hosts, paths.iter().copied());
                let taken = claims.iter().find_map(|it| Some((it, owners.get(it).cloned()?)));
                let Some((claim, (owner, at))) = taken else {
                    let entry = |it| (it, (own.clone(), domain));
                    owners.extend(claims.into_iter().map(entry));
                    continue;
                };
                let message = if owner == own {
                    format!("`{}` is given twice: first at {}", domain.value, at.place)
                } else {
                    format!("`{claim}` belongs to `{owner}` already, at {}", at.place)
                };
                let hint = "a path of a host leads to one environment: keep one of the two";
                report.error(domain.place, domain.path.clone(), message).hint(hint);
                if !owner.starts_with(&format!("{project}/")) {
                    // Each may be somebody else's, who reads only what is said of their own.
                    let message =
                        format!("`{claim}` is claimed by `{own}` too, at {}", domain.place);
                    report.error(at.place, at.path.clone(), message).hint(hint);
                }
            }
        }
    }
}

fn judge_service(
    service: &ServiceDraft,
    environment: &Name,
    root: &RootDraft,
    report: &mut Report,
) {
    command(service, report);
    files::judge(service, report);
    if service.is_static() {
        return;
    }
    let copies = instances(service, environment);
    let routed = !service.routes().is_empty();
    if let Some(given) = &service.instances
        && given.value == 0
        && routed
    {
        report
            .error(given.place, given.path.clone(), "`instances` is 0 and routes lead here")
            .hint("run at least 1, or take the `routes` away");
    }
    if let Some(readiness) = &service.readiness
        && matches!(readiness.value, Readiness::Running | Readiness::Alive(_))
        && routed
    {
        report
            .error(
                readiness.place,
                readiness.path.clone(),
                "to be running is not enough for a service with routes: it must answer",
            )
            .hint("use `port` or `notify`");
    }
    judge_kind(service, routed, report);
    pm2::judge(service, report);
    systemd::judge(service, report);
    socket::judge(service, report);
    for check in service.checks.iter().flat_map(|it| &it.value) {
        judge_check(check, service, report);
    }
    if let Some(port) = &service.port {
        judge_port(service, port, copies, root, report);
    }
    let unasked = service.health.as_ref().is_none_or(|it| it.value.spec().is_none());
    if let Some(health) = &service.health
        && unasked
        && matches!(health.value, crate::draft::probe::HealthDraft::Given(_))
    {
        report
            .error(health.place, health.path.clone(), "`health` asks nothing")
            .hint("add `path: /health`, `tcp: true` or `command: [program]`");
    }
    lint::service(service, &lint::Around { environment, copies }, report);
}

/// That it is what it says it is for.
fn judge_kind(service: &ServiceDraft, routed: bool, report: &mut Report) {
    judge_schedule(service, routed, report);
    if let Some(kind) = &service.kind {
        let (message, hint) = match (kind.value, routed) {
            (KindDraft::Cron, _) if service.schedule.is_none() => {
                ("a `cron` service has no `schedule`", "add `schedule: \"*/5 * * * *\"`")
            }
            (KindDraft::Worker, _) if service.schedule.is_some() => (
                "a `worker` has a `schedule`: what runs by the clock is a `cron` service",
                "say `kind: cron`, or leave one of the two out",
            ),
            (KindDraft::Web, false) => {
                ("a `web` service has no `routes`: no request would reach it", "add `routes: [/]`")
            }
            (KindDraft::Worker, true) => (
                "a `worker` has `routes`: whoever answers requests is a `web` service",
                "take the `routes` away, or make a service of its own of them",
            ),
            _ => ("", ""),
        };
        if !message.is_empty() {
            report.error(kind.place, kind.path.clone(), message).hint(hint);
        }
    }
    let Some(signal) = &service.quiet_signal else { return };
    let gives_way = service.strategy.as_ref().map(|it| it.value) == Some(StrategyDraft::Recreate);
    let (message, hint) = match (routed, gives_way) {
        (true, _) => (
            "`quiet_signal` is for workers: requests to a service with routes are drained",
            "leave it out, or use `stop_signal`",
        ),
        (false, true) => (
            "`quiet_signal` is for workers that run beside their successor, not for `recreate`",
            "leave one of the two out",
        ),
        (false, false) => return,
    };
    report.error(signal.place, signal.path.clone(), message).hint(hint);
}

/// That what runs by the clock is asked nothing that only an instance can answer.
fn judge_schedule(service: &ServiceDraft, routed: bool, report: &mut Report) {
    if let Some(schedule) = &service.schedule {
        let (place, path) = (schedule.place, schedule.path.clone());
        let instances = service.instances.as_ref().is_some_and(|it| it.value > 0);
        let given = [
            (routed, "routes"),
            (service.port.is_some(), "a port"),
            (instances, "instances"),
            (service.health.as_ref().is_some_and(|it| it.value.spec().is_some()), "a health check"),
            (service.smoke.is_some(), "smoke tests"),
            (service.checks.is_some(), "checks"),
            (service.readiness.is_some(), "a readiness"),
            (service.quiet_signal.is_some(), "a quiet signal"),
        ];
        for (_, what) in given.iter().filter(|it| it.0) {
            let message = format!("a service with a `schedule` has no instances, and {what}");
            report.error(place, path.clone(), message).hint("leave one of the two out");
        }
        return;
    }
    let only = [
        service.timezone.as_ref().map(|it| it.with(())),
        service.overlap.as_ref().map(|it| it.with(())),
        service.time_limit.as_ref().map(|it| it.with(())),
        service.catch_up.as_ref().map(|it| it.with(())),
    ];
    for at in only.into_iter().flatten() {
        report
            .error(at.place, at.path.clone(), "it is of no use without a `schedule`")
            .hint("add `schedule: \"*/5 * * * *\"`, or leave it out");
    }
}

/// That there is somebody to ask, and a way to it.
fn judge_check(check: &Placed<CheckDraft>, service: &ServiceDraft, report: &mut Report) {
    let Check { question, after, .. } = &check.value.0;
    let health = service.health.as_ref().and_then(|it| it.value.spec());
    let health = health.and_then(|it| match it.probe {
        Probe::Http { path, .. } => Some(path),
        Probe::Tcp | Probe::Command { .. } => None,
    });
    let paths: Vec<String> = match question {
        Question::Http { steps } => steps.iter().map(|it| it.path.clone()).collect(),
        Question::Endpoints { paths } => paths.clone(),
        Question::Performance(it) => vec![it.path.clone()],
        Question::Identity { path, .. } => path.clone().or(health).into_iter().collect(),
        Question::Tcp { .. }
        | Question::Command { .. }
        | Question::Log { .. }
        | Question::External(_) => vec![],
    };
    let word = question.word();
    let asks_instance = matches!(question, Question::Tcp { address: None }) || !paths.is_empty();
    let (place, at) = (check.place, check.path.clone());
    if matches!(question, Question::Identity { .. }) && paths.is_empty() {
        let message = format!("nothing says where to ask for the {word}");
        report.error(place, at.clone(), message).hint(format!("add a path: `{word}: /api/health`"));
    }
    if asks_instance && service.routes().is_empty() && service.port.is_none() {
        report
            .error(place, at.clone(), format!("`{word}` asks a service that has no port"))
            .hint("give it `routes` or a `port`, or check it by a `command`");
    }
    let routed = |path: &String| {
        let on = |route: &str| {
            let rest = path.strip_prefix(route.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        service.routes().iter().any(|it| on(&it.value))
    };
    if let (true, Some(path)) = (*after, paths.iter().find(|it| !routed(it))) {
        let message = format!("no route leads to `{path}`: it cannot be asked `after` the switch");
        report.error(place, at, message).hint("leave `after` out, or add the route");
    }
}

fn judge_port(
    service: &ServiceDraft,
    port: &Placed<u16>,
    copies: u16,
    root: &RootDraft,
    report: &mut Report,
) {
    if copies > 1 {
        let message = format!("{copies} instances cannot share the port {}", port.value);
        report
            .error(port.place, port.path.clone(), message)
            .hint("remove `port`: each instance is given one in PORT");
    }
    let taken = root.listen.iter().flat_map(|it| &it.value).find(|it| {
        it.value.parse::<SocketAddr>().is_ok_and(|address| address.port() == port.value)
    });
    if let Some(listen) = taken {
        let message = format!("the proxy listens on port {}, at {}", port.value, listen.place);
        report.error(port.place, port.path.clone(), message).hint("give one of the two another");
    }
    let strategy = service.strategy.as_ref().map(|it| it.value);
    let beside = matches!(
        strategy,
        None | Some(StrategyDraft::BlueGreen | StrategyDraft::Rolling | StrategyDraft::Canary)
    );
    if beside && copies > 0 {
        let message = "old and new cannot run beside each other on one fixed port";
        report
            .lint("fixed-port", Severity::Warning, port.place, &port.path, message)
            .hint("remove `port`, or use `strategy: recreate`, which holds requests meanwhile");
    }
}

fn command(service: &ServiceDraft, report: &mut Report) {
    let ours = service
        .runtime
        .as_ref()
        .is_none_or(|it| matches!(it.value, Runtime::Process | Runtime::Pm2 | Runtime::Systemd));
    if service.command.is_some()
        || service.broken.contains(&"command")
        || !ours
        || service.image.is_some()
    {
        return;
    }
    let name = service.path.rsplit('.').next().unwrap_or_default();
    report
        .error(
            service.place,
            service.path.clone(),
            format!("the service `{name}` has no `command`"),
        )
        .hint("add `command: [program, argument]`");
}

fn routes(services: &[(Name, ServiceDraft)], environment: &EnvironmentDraft, report: &mut Report) {
    let mut owners: HashMap<&str, (&Name, Place)> = HashMap::new();
    for (name, service) in services {
        for route in service.routes() {
            let Some((owner, at)) = owners.get(route.value.as_str()) else {
                owners.insert(&route.value, (name, route.place));
                continue;
            };
            let message = if *owner == name {
                format!("the route `{}` is given twice: first at {at}", route.value)
            } else {
                format!("the route `{}` leads to `{owner}` already, at {at}", route.value)
            };
            report
                .error(route.place, route.path.clone(), message)
                .hint("a path prefix leads to one service: keep one of the two");
        }
    }
    if !owners.is_empty() && environment.domains.is_none() && !environment.domains_broken {
        report
            .error(
                environment.place,
                environment.path.clone(),
                "services have routes, and no `domains` say for which hosts",
            )
            .hint("add `domains: [shop.example]`, or `domains: [\"*\"]` for every host");
    }
}

/// That what is asked of PM2 can be done, once its ecosystem file has had its say.
pub(crate) fn in_pm2(service: &ServiceDraft, report: &mut Report) {
    pm2::judge(service, report);
    systemd::judge(service, report);
}
