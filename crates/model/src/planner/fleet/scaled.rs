//! What a scaling left: it holds for the releases that follow, until the configuration says
//! another number.

use super::{INSTANCES_MAX, of_service, service_of};
use crate::{planner::Observed, service::ServiceSpec};

/// How many instances of the service run, or ran before a stop, where the configuration says what
/// it said for them.  Nothing else keeps the number: what runs does, and the release it runs of.
pub(super) fn remembered(observed: &Observed, service: &ServiceSpec) -> Option<u16> {
    let before = service_of(observed.current.as_ref()?, &service.name)?;
    let all = match observed.active.as_slice() {
        [] => &observed.stopped,
        active => active,
    };
    let count = of_service(all, &service.name).len();
    let told = before.instances == service.instances && !all.is_empty();
    // Nobody runs none of what is routed to: then it was not routed to before.
    let fits = count > 0 || service.routes.is_empty();
    (told && fits).then(|| u16::try_from(count).unwrap_or(INSTANCES_MAX))
}
