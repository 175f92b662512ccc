//! Asking the host what speaks against a deployment.

use crate::port::{Ports, router::InForce};
use model::{
    deployment::Finding,
    failure::Failure,
    files::Lack,
    name::EnvironmentId,
    planner::{Desired, Observed, Wanted},
    preflight::{self, Seen},
    release::{Release, Source, Standing},
    routes::Claim,
    service::EnvironmentSpec,
    shared::Trouble,
};
use std::collections::BTreeSet;

/// All that speaks against what is wanted; nothing where no instance is to be started.
pub(crate) async fn findings(
    ports: &Ports,
    desired: &Desired,
    observed: &Observed,
    in_force: &InForce,
) -> Result<Vec<Finding>, Failure> {
    let (release, source) = match &desired.wanted {
        Wanted::Release { release, source, .. } => (Some(&**release), source.as_ref()),
        Wanted::Stop => (None, None),
        _ => (observed.current.as_ref(), None),
    };
    let Some(release) = release else { return Ok(vec![]) };
    let unproven = match source {
        Some(_) => unproven(ports, &release.spec, &release.artifact.digest).await?,
        None => None,
    };
    let mut seen = seen(ports, &desired.environment, release, observed, in_force).await?;
    // Others start what ran before, or less than all.
    let starts_all = match &desired.wanted {
        Wanted::Release { release, back, .. } => !back && release.left.is_empty(),
        _ => false,
    };
    seen.memory_available_bytes = seen.memory_available_bytes.filter(|_| starts_all);
    // Going back must not wait for nginx.
    if let (Wanted::Release { back: false, .. }, Some(front)) =
        (&desired.wanted, &release.spec.front)
    {
        seen.front = ports.machine.front_troubles(front, &release.spec.domains).await;
    }
    let comes = source.is_some_and(|it| !matches!(it, Source::Kept { .. }));
    let mut all = preflight::findings(&release.spec, comes.then_some(&release.artifact), &seen);
    all.extend(unproven);
    // Who goes back is not held up by what became of a certificate meanwhile.
    if let Some(edge) = release.spec.edge.as_ref().filter(|_| comes) {
        let trouble = ports.router.edge_trouble(edge).await?;
        all.extend(trouble.iter().map(|it| preflight::edge(it)));
    }
    if let Some(source) = source {
        let trouble = ports.releases.shared_trouble(release, source).await?;
        all.extend(trouble.iter().map(Trouble::finding));
        let lacking = ports.releases.files_lacking(release, source).await?;
        all.extend(lacking.iter().map(Lack::finding));
    }
    Ok(all)
}

/// Why what goes back may not live with the database as it is; nothing where that comes back too.
pub(crate) fn past_migrations(desired: &Desired, observed: &Observed) -> Option<Finding> {
    let Wanted::Release { release, back: true, .. } = &desired.wanted else { return None };
    let backup = observed.current.as_ref().and_then(|it| it.spec.backup.as_ref());
    let has_databases = backup.is_some_and(|it| !it.databases.is_empty());
    if desired.restore.is_some() && has_databases {
        return None;
    }
    preflight::past_migrations(release, observed)
}

/// Whether another environment should have accepted the content before, and did not.
pub(crate) async fn unproven(
    ports: &Ports,
    spec: &EnvironmentSpec,
    digest: &str,
) -> Result<Option<Finding>, Failure> {
    let Some(environment) = spec.control.require.clone() else { return Ok(None) };
    let before = EnvironmentId { project: spec.id.project.clone(), environment };
    for (id, _, standing) in ports.journal.standings(&before).await? {
        if standing != Standing::Accepted {
            continue;
        }
        // One that was removed says nothing any more.
        let known = ports.releases.read(&before, &id).await;
        if known.is_ok_and(|it| it.artifact.digest == digest) {
            return Ok(None);
        }
    }
    Ok(Some(preflight::unproven(&spec.id, &before)))
}

async fn seen(
    ports: &Ports,
    environment: &EnvironmentId,
    release: &Release,
    observed: &Observed,
    in_force: &InForce,
) -> Result<Seen, Failure> {
    let facts = ports.machine.facts(environment).await?;
    let spec = &release.spec;
    let builders = spec.builds.iter().filter_map(|it| it.user.as_deref());
    let named: BTreeSet<&str> =
        spec.services.iter().filter_map(|it| it.user.as_deref()).chain(builders).collect();
    let mut users = vec![];
    for user in named {
        users.extend(ports.machine.may_run_as(user).await.err());
    }
    let mut programs = vec![];
    for program in spec.requires.keys() {
        programs.push((program.clone(), ports.machine.version_of(program).await));
    }
    let asked = ports_asked(spec, observed, in_force);
    Ok(Seen {
        disk_free_bytes: facts.disk_free_bytes,
        inodes_free: facts.inodes_free,
        memory_available_bytes: Some(facts.memory_available_bytes),
        unwritable: facts.unwritable,
        unenforceable: ports.runtime.unenforceable(release),
        users,
        programs,
        route_taken: ports.router.conflict(environment, &claims(spec)).await?,
        ports_taken: ports.machine.ports_taken(&asked).await?,
        front: vec![],
    })
}

fn claims(spec: &EnvironmentSpec) -> Vec<Claim> {
    let paths = spec.services.iter().flat_map(|it| &it.routes).map(String::as_str);
    Claim::all(&spec.domains, paths)
}

/// Fixed ports that are not ours already, and the proxy's where it does not run yet.
fn ports_asked(spec: &EnvironmentSpec, observed: &Observed, in_force: &InForce) -> Vec<u16> {
    let running = observed.active.iter().chain(&observed.warm).chain(&observed.left_over);
    let ours: BTreeSet<u16> = running.filter_map(|it| it.port).collect();
    let fixed = spec.services.iter().filter_map(|it| it.port).filter(|it| !ours.contains(it));
    let listen = spec.listen.iter().filter_map(|it| it.rsplit(':').next()?.parse().ok());
    // Port 0 is any port, which nobody has.
    let listen = listen.filter(|it| !in_force.alive && *it != 0);
    fixed.chain(listen).collect()
}
