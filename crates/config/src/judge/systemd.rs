//! That what is asked of systemd has somebody to do it.

use crate::{
    draft::service::{Runtime, ServiceDraft},
    report::Report,
};

pub(super) fn judge(service: &ServiceDraft, report: &mut Report) {
    let runs = service.runtime.as_ref().is_some_and(|it| it.value == Runtime::Systemd);
    if let (Some(given), false) = (&service.systemd, runs) {
        let message = "`systemd` is given, and systemd does not run it";
        report
            .error(given.place, given.path.clone(), message)
            .hint("add `runtime: systemd`, or leave `systemd` out");
    }
}
