//! What is looked at before anything is changed, and what it means.

use crate::{
    deployment::Finding,
    failure::{Blame, Failure},
    migrate::taken_away,
    name::EnvironmentId,
    planner::Observed,
    release::{Artifact, Release},
    requirement::{Requirement, version},
    routes::Claim,
    service::{EnvironmentSpec, Strategy},
};

/// Free bytes that are asked for at least, where the configuration says nothing.
pub const DISK_FREE_BYTES_MIN: u64 = 1 << 30;
/// Files that a deployment makes besides its content.
const FILES_BESIDES: u64 = 1000;
/// Content is there twice for a moment: as it was sent, and in its place.
const COPIES: u64 = 2;
/// Values that stand in an example file until somebody fills them in.
const PLACEHOLDERS: [&str; 8] =
    ["changeme", "change_me", "change-me", "todo", "fixme", "xxx", "placeholder", "replace_me"];

/// What was seen of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// On the file system of the state directory.
    pub disk_free_bytes: u64,
    /// On the same.
    pub inodes_free: u64,
    /// Beside what runs already; none: nobody can tell, or nothing is started.
    pub memory_available_bytes: Option<u64>,
    /// Why the state directory cannot be written, if it cannot.
    pub unwritable: Option<String>,
    /// Users and limits that cannot be enforced, in words.
    pub unenforceable: Vec<String>,
    /// Users as whom nothing can be run, and why.
    pub users: Vec<Failure>,
    /// Programs that are asked for, with what they say of their version.
    pub programs: Vec<(String, Option<String>)>,
    /// A host and path prefix that another environment serves, and which.
    pub route_taken: Option<(Claim, String)>,
    /// Fixed ports, and ports of the proxy, that a stranger has, with the owner in words.
    pub ports_taken: Vec<(u16, String)>,
    /// What speaks against nginx as it stands in front.
    pub front: Vec<Failure>,
}

/// All that speaks against the deployment; `artifact` where new content comes.
pub fn findings(spec: &EnvironmentSpec, artifact: Option<&Artifact>, seen: &Seen) -> Vec<Finding> {
    let mut all = vec![];
    if let Some(why) = &seen.unwritable {
        all.push(hard(platform(format!("write the state directory: {why}"))));
    }
    all.extend(artifact.and_then(|it| disk(spec, it, seen)));
    all.extend(artifact.and_then(|it| inodes(it, seen)));
    all.extend(memory(spec, seen));
    all.extend(seen.programs.iter().filter_map(|(program, said)| lacking(spec, program, said)));
    for (port, owner) in &seen.ports_taken {
        let failure = platform(format!("use port {port}: {owner} has it"));
        all.push(hard(failure.hint("end the owner, or choose another port")));
    }
    if let Some((claim, other)) = &seen.route_taken {
        let failure = Failure::new(Blame::Request, format!("serve {claim}: {other} serves it"));
        let hint = "a path of a host belongs to one environment: change `domains` or `routes`";
        all.push(hard(failure.hint(hint)));
    }
    all.extend(seen.users.iter().cloned().map(hard));
    // A deployment tells nginx nothing: who knows better may go on.
    all.extend(seen.front.iter().cloned().map(soft));
    for limit in &seen.unenforceable {
        let failure = platform(format!("enforce what the configuration asks for: {limit}"));
        all.push(soft(failure.hint("leave it out, or run where it can be enforced")));
    }
    all.extend(variables(spec));
    all
}

/// The content was not accepted where it has to be before.
pub fn unproven(environment: &EnvironmentId, before: &EnvironmentId) -> Finding {
    let message = format!("deploy to {environment}: {before} never accepted this content");
    let failure = Failure::new(Blame::Request, message)
        .hint(format!("deploy it to {before} first, then `cutover promote {before} {environment}`"))
        .hint("`require_staging` in the configuration asks for that");
    hard(failure)
}

/// The proxy could not do what it shall for the environment's hosts.
pub fn edge(trouble: &str) -> Finding {
    let failure = Failure::new(Blame::Request, format!("serve over TLS: {trouble}"));
    hard(failure.hint("`cutover cert check` looks at all certificates of the configuration"))
}

/// Bytes of the disk that new content takes for a moment, and those that are asked to be free.
pub fn room(spec: &EnvironmentSpec, artifact: &Artifact) -> (u64, u64) {
    let need = artifact.bytes.saturating_mul(COPIES);
    (need, spec.disk_free_bytes.unwrap_or(DISK_FREE_BYTES_MIN.max(need)))
}

fn disk(spec: &EnvironmentSpec, artifact: &Artifact, seen: &Seen) -> Option<Finding> {
    let (need, wanted) = room(spec, artifact);
    if seen.disk_free_bytes >= wanted {
        return None;
    }
    let (free, wanted) = (mebibytes(seen.disk_free_bytes), mebibytes(wanted));
    let failure =
        platform(format!("find enough room: {free} MiB are free, {wanted} are asked for"));
    let failure = failure.hint("`cutover releases prune ENVIRONMENT` removes what is not needed");
    // Less than the content itself cannot end well.
    Some(if seen.disk_free_bytes < need { hard(failure) } else { soft(failure) })
}

fn inodes(artifact: &Artifact, seen: &Seen) -> Option<Finding> {
    let wanted = artifact.files.saturating_mul(COPIES).saturating_add(FILES_BESIDES);
    if seen.inodes_free >= wanted {
        return None;
    }
    let free = seen.inodes_free;
    let failure = platform(format!("find enough inodes: {free} are free, {wanted} are needed"));
    Some(soft(failure.hint("many small files fill a file system: `df -i` shows where")))
}

/// Old and new run at the same time, but for what cannot; only limits say what the new may need.
fn memory(spec: &EnvironmentSpec, seen: &Seen) -> Option<Finding> {
    let free = seen.memory_available_bytes?;
    let beside = spec.services.iter().filter(|it| it.strategy != Strategy::Recreate);
    let limits = beside
        .map(|it| it.limits.memory_bytes.unwrap_or(0).saturating_mul(u64::from(it.instances)));
    let wanted = limits.fold(0, u64::saturating_add);
    if free >= wanted {
        return None;
    }
    let (free, wanted) = (mebibytes(free), mebibytes(wanted));
    let message = format!(
        "run the new beside the old: its limits come to {wanted} MiB, and {free} are available"
    );
    Some(soft(
        platform(message)
            .hint("lower `limits: { memory: … }` or `instances`, or add memory")
            .hint("`strategy: recreate` stops the old first, while requests wait"),
    ))
}

/// A program that is asked for and is not there, or is too old or too new.
fn lacking(spec: &EnvironmentSpec, program: &str, said: &Option<String>) -> Option<Finding> {
    let wanted = spec.requires.get(program)?;
    let met = |said: &String| Requirement::parse(wanted).and_then(|it| it.is_met(said));
    let message = match (said, said.as_ref().and_then(met)) {
        (_, Some(true)) => return None,
        (Some(said), Some(false)) => {
            let found = version(said).map(|it| it.to_string()).unwrap_or_default();
            format!("find {program} {wanted}: this host has {found}")
        }
        (Some(_), None) => format!("find {program} {wanted}: it does not say its version"),
        (None, _) => format!("find {program} {wanted}: this host has none"),
    };
    let hint = format!("install another {program}, or change `requires`");
    Some(soft(platform(message).hint(hint)))
}

/// What goes back meets a database that later releases may have taken something from.
pub fn past_migrations(to: &Release, observed: &Observed) -> Option<Finding> {
    let kept = observed.releases.iter().map(|it| &it.release);
    let known: Vec<&Release> = kept.chain(&observed.current).collect();
    let what = taken_away(&known, |it| it.created_at_ms > to.created_at_ms);
    let first = what.first()?.clone();
    let message = format!(
        "go back to {}: a later migration took something away that it may need ({first})",
        to.version
    );
    let failure = Failure::new(Blame::Request, message)
        .hint("`--with-db` also brings the database back, from the backup before it")
        .hint("`cutover migrate undo` takes migrations back, where the tool can")
        .hint("`--accept-schema` goes back as it is, where the earlier code can live with that");
    Some(hard(what.into_iter().fold(failure, Failure::evidence)))
}

fn variables(spec: &EnvironmentSpec) -> Vec<Finding> {
    let mut all = vec![];
    for service in &spec.services {
        for (name, value) in &service.env {
            let trouble = if is_placeholder(value) {
                "it still has the value of the example"
            } else if value.is_empty() && service.secret_env.contains(name) {
                "it is empty"
            } else {
                continue;
            };
            let message = format!("give `{}` the variable {name}: {trouble}", service.name);
            let failure = Failure::new(Blame::Request, message);
            all.push(soft(failure.hint("fill it in in the env file, or leave it out")));
        }
    }
    all
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let angled = lower.starts_with('<') && lower.ends_with('>') && lower.len() > 2;
    let yours = lower.starts_with("your") && lower.ends_with("here");
    angled || yours || PLACEHOLDERS.contains(&lower.as_str())
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

fn platform(message: String) -> Failure {
    Failure::new(Blame::Platform, message)
}

fn hard(failure: Failure) -> Finding {
    Finding { failure, overridable: false }
}

fn soft(failure: Failure) -> Finding {
    Finding { failure, overridable: true }
}
