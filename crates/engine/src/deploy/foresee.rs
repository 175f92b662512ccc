//! What a request would do, and what that comes to.

use super::prepare::Prepared;
use crate::port::Ports;
use model::{
    deployment::Finding,
    failure::Failure,
    outlook::Outlook,
    plan::Plan,
    planner::Wanted,
    preflight,
    release::{Release, Source},
};

/// What a request would do, found out without doing any of it.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// What speaks against it.
    pub findings: Vec<Finding>,
    /// All that would be done.
    pub plan: Plan,
    /// What that changes.
    pub outlook: Outlook,
    /// What serves, or did before it was stopped.
    pub current: Option<Release>,
    /// What a deployment brings, and where its content is.
    pub brings: Option<(Release, Source)>,
    /// Room on the disk, where a deployment brings content.
    pub disk: Option<Room>,
}

/// Room on the file system of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the content takes for a moment.
    pub needed_bytes: u64,
    /// Bytes that have to be free.
    pub asked_bytes: u64,
    /// Bytes that are.
    pub free_bytes: u64,
}

impl Prepared {
    pub(super) async fn foresee(self, ports: &Ports) -> Result<Foreseen, Failure> {
        let plan = self.plan(ports).await?;
        let outlook = Outlook::new(&plan, self.observed.routes.as_ref(), &self.observed.active);
        let brings = match self.desired.wanted {
            Wanted::Release { release, source: Some(source), .. } => Some((*release, source)),
            _ => None,
        };
        let disk = match &brings {
            Some((release, source)) => Some(room(ports, release, source).await?),
            None => None,
        };
        let (findings, current) = (self.findings, self.observed.current);
        Ok(Foreseen { findings, plan, outlook, current, brings, disk })
    }
}

async fn room(ports: &Ports, release: &Release, source: &Source) -> Result<Room, Failure> {
    let spec = &release.spec;
    let facts = ports.machine.facts(&spec.id).await?;
    let (needed_bytes, asked_bytes) = match source {
        // It is in its place already.
        Source::Kept { .. } => (0, 0),
        _ => preflight::room(spec, &release.artifact),
    };
    Ok(Room { needed_bytes, asked_bytes, free_bytes: facts.disk_free_bytes })
}
