//! That who listens at a socket is run by who can give it one.

use crate::{
    draft::service::{Runtime, ServiceDraft},
    report::Report,
};

pub(super) fn judge(service: &ServiceDraft, report: &mut Report) {
    let Some(listen) = service.at_socket() else { return };
    let mut refuse = |message: &str, hint: &str| {
        report.error(listen.place, listen.path.clone(), message).hint(hint);
    };
    if service.port.is_some() {
        refuse("a service listens at a `port` or at a `socket`, not at both", "leave `port` out");
    }
    if service.schedule.is_some() {
        refuse("what runs by the clock listens nowhere", "leave `listen` out");
    }
    let runtime = service.runtime.as_ref().map(|it| it.value);
    if let Some(other @ (Runtime::Pm2 | Runtime::Systemd)) = runtime {
        let name = if other == Runtime::Pm2 { "pm2" } else { "systemd" };
        let message = format!(
            "`listen: socket` goes with `runtime: process`: with `{name}` nobody makes way for the \
             socket of a process that is started again"
        );
        refuse(&message, "use `runtime: process`, or `listen: port`");
    }
}
