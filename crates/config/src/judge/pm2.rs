//! That what is asked of PM2 can be done by it.

use crate::{
    draft::{pm2::Pm2Draft, service::ServiceDraft},
    report::{Placed, Report},
};
use model::{pm2::Mode, service::Readiness};

pub(super) fn judge(service: &ServiceDraft, report: &mut Report) {
    let Some(asked) = service.in_pm2() else {
        if let Some(given) = &service.pm2 {
            report
                .error(given.place, given.path.clone(), "`pm2` is given, and PM2 does not run it")
                .hint("add `runtime: pm2`, or leave `pm2` out");
        }
        return;
    };
    if let Some(readiness) = &service.readiness
        && readiness.value == Readiness::Notify
        && !asked.waits()
    {
        let message = "PM2 hands no NOTIFY_SOCKET on";
        report
            .error(readiness.place, readiness.path.clone(), message)
            .hint("use `pm2: { wait_ready: true }` and send `ready`, or `readiness: port`");
    }
    workers(service, &asked, report);
    let is_node = service.command.as_ref().is_none_or(|it| {
        let program = it.value.first().map(String::as_str).unwrap_or_default();
        program.rsplit('/').next() == Some("node")
    });
    if let (Some(at), false) = (asked.wait_ready.as_ref().filter(|it| it.value), is_node) {
        let message = "only what is started as `node FILE` can tell PM2 that it is ready";
        report
            .error(at.place, at.path.clone(), message)
            .hint("write the `command` as `node FILE`, or leave `wait_ready` out");
    }
    if let (Some(at), Mode::Cluster, false) = (&asked.mode, asked.mode(), is_node) {
        let message = "PM2's cluster mode runs only what is started as `node FILE`";
        report
            .error(at.place, at.path.clone(), message)
            .hint("write the `command` as `node FILE`, or use `exec_mode: fork`");
    }
}

fn workers(service: &ServiceDraft, asked: &Pm2Draft, report: &mut Report) {
    if asked.ecosystem.is_some() && asked.mode.is_none() {
        // The file is to say, and this is asked again then.
        return;
    }
    let several: Option<&Placed<u16>> = asked.workers.as_ref().filter(|it| it.value > 1);
    if let (Some(at), Mode::Fork) = (several, asked.mode()) {
        let message = "in fork mode PM2's processes cannot share a port";
        report
            .error(at.place, at.path.clone(), message)
            .hint("give the service `instances`: each has a port; or use `exec_mode: cluster`");
    }
    if let (Some(at), Mode::Cluster) = (&service.user, asked.mode()) {
        let message = "in cluster mode PM2's daemon loads it, as its own user";
        report
            .error(at.place, at.path.clone(), message)
            .hint("run the controller, and with it PM2, as that user, or use `exec_mode: fork`");
    }
}
