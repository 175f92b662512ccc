//! A plan in sentences that a person reads.

use crate::{
    backup::BackupName,
    bake::{BakeRule, OnUndecided},
    build::BuildRun,
    check::Checks,
    files::joined,
    hook::HookRun,
    id::{Generation, InstanceId},
    instance::Instance,
    migrate::MigrateRun,
    name::Name,
    plan::{Kind, Plan, ReleaseLabel, Share, StagedRoutes, Step, WayBack},
    release::Source,
    service::{EnvironmentSpec, Millis, ServiceSpec},
};

/// What the step does, in one sentence.
pub fn sentence(step: &Step) -> String {
    match step {
        Step::Backup { backup } => format!("Back up data and configuration as {}.", backup.name),
        Step::Restore { backup, before, .. } => restored(backup, before),
        Step::Stage { version, source, .. } => {
            format!("Put release {version} in its place, from {}.", described(source))
        }
        Step::Build { build } => built(build),
        Step::Migrate { migration } => migrated(migration),
        Step::StageRoutes { staged } => {
            let numbers: Vec<Generation> = staged.iter().map(|it| it.routes.generation).collect();
            let routes = listed(&numbers);
            format!(
                "Write routes {routes}; none of them is in force yet.{}",
                (files(staged) + &straight(staged))
            )
        }
        Step::Announce { generation } => format!(
            "Answer 503 with Retry-After until the first release serves (routes {generation})."
        ),
        Step::Claim { instances, .. } => claimed(instances),
        Step::Hold { held, .. } => format!("Let requests wait in the proxy (routes {held})."),
        Step::Start { instance } => format!("Start {}.", at(instance)),
        Step::Await { instance, check } => {
            let patience = seconds(check.start_timeout);
            format!("Wait until {} is ready and healthy, at most {patience}.", instance.id)
        }
        Step::Smoke { instance, tests } => {
            format!("Try {} on {}.", counted(tests.len(), "request"), instance.id)
        }
        Step::Check { instances, checks } => checked(instances, checks),
        Step::Quiet { instances, .. } => {
            format!("Tell {} to take no new job.", named(instances.iter().map(|it| &it.id)))
        }
        Step::Switch { to, back, share, .. } => format!(
            "{} by routes {to}, on probation: the proxy returns by itself, and an undo by routes \
             {back}.",
            sent(share.as_ref())
        ),
        Step::Verify { requests, .. } => {
            let asked = counted(requests.len(), "public route");
            format!("Ask {asked} whether the new release answers.")
        }
        Step::Bake { for_at_least: Millis(0), .. } => "Look once whether it serves.".to_owned(),
        Step::Bake { for_at_least, rule, .. } => {
            format!("Watch it under traffic for {}{}.", seconds(*for_at_least), undecided(rule))
        }
        Step::Confirm { by, .. } => {
            format!("End the probation (routes {}); from here on only forward.", by.generation)
        }
        Step::Keep { instances } if instances.is_empty() => "Keep nothing running.".to_owned(),
        Step::Keep { instances } => {
            let them = counted(instances.len(), "instance");
            format!("From now on restart {them} that exit.")
        }
        Step::Link { current, previous } => link(current.as_deref(), previous.as_deref()),
        Step::Drain { instances, deadline } => {
            let them = named(instances.iter());
            format!("Let requests in flight to {them} finish, at most {}.", seconds(*deadline))
        }
        Step::Stop { instance, .. } => format!("Stop {}.", instance.id),
        Step::Retire { instance, keep_warm } => {
            format!("Keep {} running for {} as a quick way back.", instance.id, seconds(*keep_warm))
        }
        Step::Prune { releases, backups, .. } => pruned(releases, backups.is_some()),
        Step::Hook { hook } => hooked(hook),
        Step::Manifest => "Write the manifest.".to_owned(),
    }
}

fn migrated(run: &MigrateRun) -> String {
    let (words, limit) = (run.spec.up.join(" "), seconds(run.spec.timeout));
    format!("Migrate the database of {}: `{words}`, at most {limit}.", run.service)
}

fn claimed(instances: &[Instance]) -> String {
    let them = named(instances.iter().map(|it| &it.id));
    format!("Take {them} back before the reaper does.")
}

/// What the proxy will answer with by itself.
fn files(staged: &[StagedRoutes]) -> String {
    let tried = staged.iter().filter(|it| it.probation.is_some());
    let mut all: Vec<String> = vec![];
    for path in tried.flat_map(|it| &it.routes.paths) {
        let (Some(files), Some(instance)) = (&path.files, path.instances.first()) else { continue };
        let place = joined(&instance.version, &files.files.directory);
        let one = format!("{} from `{place}`", path.service);
        if !all.contains(&one) {
            all.push(one);
        }
    }
    if all.is_empty() {
        return String::new();
    }
    format!("  The proxy serves files itself: {}.", all.join(", "))
}

/// Where nginx goes past the proxy, and what that costs.
fn straight(staged: &[StagedRoutes]) -> String {
    let tried = staged.iter().filter(|it| it.probation.is_some());
    let mut all: Vec<&str> = vec![];
    for path in tried.flat_map(|it| &it.routes.paths).filter(|it| it.links.is_some()) {
        if !all.contains(&path.service.as_str()) {
            all.push(path.service.as_str());
        }
    }
    if all.is_empty() {
        return String::new();
    }
    format!(
        "  nginx goes straight to {}: those requests are not counted by release, and answers that \
         fail lead nothing back.",
        all.join(", ")
    )
}

fn sent(share: Option<&Share>) -> String {
    match share {
        Some(Share { batch, batches, percent: Some(percent), .. }) => {
            format!("Stage {batch} of {batches}: send {percent} % of the requests to the new")
        }
        Some(Share { batch, batches, new, all, .. }) => {
            format!("Batch {batch} of {batches}: send requests to {new} new of {all} instances")
        }
        None => "Send all requests".to_owned(),
    }
}

fn undecided(rule: &BakeRule) -> &'static str {
    match rule.on_undecided {
        OnUndecided::Confirm => "",
        OnUndecided::Hold => ", and until there was enough of it",
        OnUndecided::Rollback => "; go back if there is too little of it",
    }
}

fn restored(backup: &BackupName, before: &BackupName) -> String {
    format!("Put the data of {backup} in place; an undo puts that of {before} back.")
}

fn pruned(releases: &[String], backups: bool) -> String {
    let backups = if backups { "; also backups" } else { "" };
    if releases.is_empty() {
        return match backups {
            "" => "Remove routes that were not used.".to_owned(),
            _ => "Remove routes that were not used, and backups beyond what is kept.".to_owned(),
        };
    }
    format!("Remove releases beyond what is kept: {}{backups}.", releases.join(", "))
}

fn hooked(hook: &HookRun) -> String {
    let limit = seconds(hook.timeout);
    format!("Run the hook {} as {}, at most {limit}.", hook.name, hook.service)
}

/// Commands are shown as they are: values of variables are none of their words.
fn built(build: &BuildRun) -> String {
    let shown = build.commands.iter().map(|it| match it.command.as_slice() {
        // A script may have many lines, and stands in the configuration.
        [shell, _, c, _] if c == "-c" => format!("a script of {shell}"),
        words => words.join(" "),
    });
    format!("Build it: {}.", shown.collect::<Vec<_>>().join(", then "))
}

fn checked(instances: &[Instance], checks: &Checks) -> String {
    let asked: Vec<&str> = checks.list.iter().map(|it| it.name.as_str()).collect();
    let by = if checks.host.is_some() { ", by the public route" } else { "" };
    let them = named(instances.iter().map(|it| &it.id));
    format!("Check {them}{by}: {}.", asked.join(", "))
}

/// What the step is about, in a word or two: an instance, a version.
pub fn subject(step: &Step) -> String {
    match step {
        Step::Backup { backup } => backup.name.to_string(),
        Step::Restore { backup, .. } => backup.to_string(),
        Step::Stage { version, .. } => version.clone(),
        Step::Build { build } => build.version.clone(),
        Step::Migrate { migration } => migration.service.to_string(),
        Step::StageRoutes { staged } => {
            let numbers: Vec<Generation> = staged.iter().map(|it| it.routes.generation).collect();
            listed(&numbers)
        }
        Step::Announce { generation } => generation.to_string(),
        Step::Claim { instances, .. } => named(instances.iter().map(|it| &it.id)),
        Step::Hold { held, .. } => held.to_string(),
        Step::Start { instance }
        | Step::Await { instance, .. }
        | Step::Smoke { instance, .. }
        | Step::Stop { instance, .. }
        | Step::Retire { instance, .. } => instance.id.to_string(),
        Step::Check { instances, .. } | Step::Quiet { instances, .. } => {
            named(instances.iter().map(|it| &it.id))
        }
        Step::Switch { to, share: Some(it), .. } => match it.percent {
            Some(percent) => format!("{to} ({percent} % of the requests)"),
            None => format!("{to} ({} of {} new)", it.new, it.all),
        },
        Step::Switch { to, .. } => to.to_string(),
        Step::Verify { requests, .. } => {
            let asked = requests.first().map(|it| format!("{}{}", it.host, it.path));
            asked.unwrap_or_default()
        }
        Step::Bake { for_at_least, .. } => seconds(*for_at_least),
        Step::Confirm { by, .. } => by.generation.to_string(),
        Step::Keep { instances } | Step::Drain { instances, .. } => named(instances.iter()),
        Step::Link { current, .. } => current.clone().unwrap_or_default(),
        Step::Prune { releases, .. } => releases.join(", "),
        Step::Hook { hook } => hook.name.clone(),
        Step::Manifest => "manifest.json".to_owned(),
    }
}

/// The step's word and what it is about: `stop web.1`.
pub fn title(step: &Step) -> String {
    let about = match step {
        Step::Stop { instance, .. } => short(&instance.id),
        step => subject(step),
    };
    format!("{} {about}", step.word()).trim_end().to_owned()
}

/// The plan in one sentence.
pub fn summary(plan: &Plan) -> String {
    let name = &plan.environment;
    let version = |it: &Option<ReleaseLabel>| match it {
        Some(label) => label.version.clone(),
        None => "nothing".to_owned(),
    };
    let (from, to) = (version(&plan.from), version(&plan.to));
    let told = match plan.kind {
        Kind::Initial => format!("First deployment of {name}: {to}"),
        Kind::Update => format!("Update {name} from {from} to {to}"),
        Kind::Rollback => format!("Roll {name} back from {from} to {to}"),
        Kind::Restart => format!("Restart {name} ({to})"),
        Kind::Scale => format!("Scale {name} ({to})"),
        Kind::Stop => format!("Stop {name} ({from})"),
        Kind::Start => format!("Start {name} ({to})"),
    };
    if plan.stays.is_empty() { told } else { format!("{told}; {}", stays(plan)) }
}

/// `api stays at 1.1.0, jobs stays at 1.0.0`; nothing where all services are brought.
pub fn stays(plan: &Plan) -> String {
    let one = |(name, label): (&Name, &ReleaseLabel)| format!("{name} stays at {}", label.version);
    plan.stays.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What users notice: nothing, or why not.
pub fn downtime(plan: &Plan) -> String {
    let holds = plan.steps.iter().any(|it| matches!(it, Step::Hold { .. }));
    match (plan.kind, plan.way_back()) {
        (Kind::Stop, _) => {
            "from the switch on 503 with Retry-After, until it is started".to_owned()
        }
        (Kind::Initial | Kind::Start, _) => "none: nothing serves yet".to_owned(),
        (_, WayBack::Warm) => "none: 0 s".to_owned(),
        (_, WayBack::Cold) if holds => {
            "requests are held while the old stops and the new starts, 30 s at most; cold way back"
                .to_owned()
        }
        (_, WayBack::Cold) => "none for requests; cold way back for what runs beside".to_owned(),
    }
}

fn described(source: &Source) -> String {
    match source {
        Source::Upload { described, .. } | Source::Listed { described, .. } => described.clone(),
        Source::Git { url, reference } => format!("{url} at {reference}"),
        Source::Kept { version, built: false } => format!("the kept release {version}"),
        Source::Kept { version, built: true } => {
            format!("the kept release {version}: what was built for it is used again")
        }
    }
}

fn link(current: Option<&str>, previous: Option<&str>) -> String {
    match (current, previous) {
        (Some(current), Some(previous)) => {
            format!("Point `current` at {current} and `previous` at {previous}.")
        }
        (Some(current), None) => format!("Point `current` at {current}."),
        (None, _) => "Leave `current` as it is.".to_owned(),
    }
}

fn at(instance: &Instance) -> String {
    match instance.port {
        Some(port) => format!("{} on port {port}", instance.id),
        None if instance.socket => format!("{} at its socket", instance.id),
        None => instance.id.to_string(),
    }
}

/// `web.1` of `shop.production.web.1.5r2pdzd0`: within one environment that says which.
fn short(id: &InstanceId) -> String {
    match id.0.split('.').collect::<Vec<_>>()[..] {
        [_, _, service, number, _] => format!("{service}.{number}"),
        _ => id.to_string(),
    }
}

fn named<'a>(ids: impl Iterator<Item = &'a InstanceId>) -> String {
    let all: Vec<String> = ids.map(short).collect();
    all.join(", ")
}

fn listed(numbers: &[Generation]) -> String {
    let all: Vec<String> = numbers.iter().map(Generation::to_string).collect();
    all.join(", ")
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn seconds(time: Millis) -> String {
    if time.0.is_multiple_of(1000) {
        format!("{} s", time.0 / 1000)
    } else {
        format!("{} ms", time.0)
    }
}

/// The services of which the plan leaves another number of instances than is configured, since
/// somebody scaled them.
pub fn scaled(plan: &Plan, spec: &EnvironmentSpec) -> Vec<String> {
    let kept = plan.steps.iter().find_map(|it| match it {
        Step::Keep { instances } => Some(instances),
        _ => None,
    });
    let Some(kept) = kept else { return vec![] };
    let count = |service: &ServiceSpec| {
        let of = |it: &&InstanceId| it.0.split('.').nth(2) == Some(service.name.as_str());
        kept.iter().filter(of).count()
    };
    let processes = spec.services.iter().filter(|it| it.files.is_none());
    processes.filter_map(|it| scaled_service(it, count(it))).collect()
}

/// `web 4, configured 2`; none: as configured.
pub fn scaled_service(service: &ServiceSpec, count: usize) -> Option<String> {
    let differs = count != usize::from(service.instances);
    differs.then(|| format!("{} {count}, configured {}", service.name, service.instances))
}
