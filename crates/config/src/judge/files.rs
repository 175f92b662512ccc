//! That a static service is asked nothing that only a process can do, and no process to serve
//! files.

use crate::{
    draft::service::{KindDraft, ServiceDraft, StrategyDraft},
    report::{Place, Placed, Report},
};

/// Reports keys that do not go together with the runtime.
pub(super) fn judge(service: &ServiceDraft, report: &mut Report) {
    if service.is_static() {
        return judge_static(service, report);
    }
    let keys = [
        service.directory.as_ref().map(at),
        service.index.as_ref().map(at),
        service.fallback.as_ref().map(at),
    ];
    for (place, path) in keys.into_iter().flatten() {
        let key = path.rsplit('.').next().unwrap_or_default();
        let message = format!("`{key}` is of no use to a service that runs a program");
        report.error(place, path.clone(), message).hint("add `runtime: static`, or leave it out");
    }
}

fn judge_static(service: &ServiceDraft, report: &mut Report) {
    if service.routes().is_empty() {
        let message = "a static service has no `routes`: no request would reach its files";
        report.error(service.place, service.path.clone(), message).hint("add `routes: [/]`");
    }
    for (place, path) in keys_of_processes(service).into_iter().flatten() {
        let key = path.rsplit('.').next().unwrap_or_default();
        let message = format!("`{key}` is for programs: the proxy serves a static service itself");
        report.error(place, path.clone(), message).hint("leave it out");
    }
}

fn keys_of_processes(service: &ServiceDraft) -> Vec<Option<(Place, String)>> {
    let beside = |it: &&Placed<StrategyDraft>| it.value != StrategyDraft::BlueGreen;
    let other = |it: &&Placed<KindDraft>| it.value != KindDraft::Web;
    let asked = |it: &&Placed<_>| health_asks(it);
    vec![
        service.command.as_ref().map(at),
        service.image.as_ref().map(at),
        service.instances.as_ref().map(at),
        service.port.as_ref().map(at),
        service.readiness.as_ref().map(at),
        service.health.as_ref().filter(asked).map(at),
        service.smoke.as_ref().map(at),
        service.checks.as_ref().map(at),
        service.strategy.as_ref().filter(beside).map(at),
        service.rolling.as_ref().map(at),
        service.canary.as_ref().map(at),
        service.stop_signal.as_ref().map(at),
        service.quiet_signal.as_ref().map(at),
        service.kind.as_ref().filter(other).map(at),
        service.schedule.as_ref().map(at),
        service.grace.as_ref().map(at),
        service.start_timeout.as_ref().map(at),
        service.keep_warm.as_ref().map(at),
        service.limits.memory_bytes.as_ref().map(at),
        service.limits.processes.as_ref().map(at),
        service.limits.files.as_ref().map(at),
        service.user.as_ref().map(at),
        service.env_file.as_ref().map(at),
        service.migrate.as_ref().map(at),
        service.volumes.as_ref().map(at),
        service.at_socket().map(at),
        service.upstream_keepalive.as_ref().map(at),
    ]
}

fn health_asks(health: &Placed<crate::draft::probe::HealthDraft>) -> bool {
    matches!(health.value, crate::draft::probe::HealthDraft::Given(_))
}

fn at<T>(key: &Placed<T>) -> (Place, String) {
    (key.place, key.path.clone())
}
