//! Small worlds to decide about.

use model::{
    deployment::Overrides,
    failure::Failure,
    id::{DeploymentId, Generation, ReleaseId},
    instance::Instance,
    name::{EnvironmentId, Name},
    plan::{Plan, Step},
    planner::{Desired, Kept, Observed, Wanted, plan},
    release::{Artifact, Release, Source, Standing},
    routes::{PathRoute, Routes},
    service::{
        EnvironmentSpec, HealthSpec, Limits, Millis, Probe, Readiness, Rolling, ServiceSpec,
        StopSignal, Strategy, VersionScheme,
    },
};

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn production() -> EnvironmentId {
    "shop/production".parse().unwrap()
}

/// The n-th deployment's id.
pub fn deployment(number: u32) -> DeploymentId {
    DeploymentId(format!("01K0000000000000000000{number:04}"))
}

pub fn service(text: &str) -> ServiceSpec {
    ServiceSpec {
        name: name(text),
        command: vec!["./serve".into()],
        instances: 2,
        files: None,
        schedule: None,
        routes: vec!["/".into()],
        port: None,
        socket: None,
        readiness: Readiness::Port,
        health: Some(HealthSpec {
            probe: Probe::Http { path: "/health".into(), status: 200 },
            interval: Millis::seconds(3),
            timeout: Millis::seconds(5),
            successes: 2,
            tries: 5,
        }),
        smoke: vec![],
        checks: vec![],
        strategy: Strategy::BlueGreen,
        rolling: Rolling::default(),
        canary: Default::default(),
        verdict: Default::default(),
        drain: Millis::seconds(30),
        stop_signal: StopSignal::SigTerm,
        quiet_signal: None,
        runtime: Default::default(),
        grace: Millis::seconds(10),
        start_timeout: Millis::seconds(60),
        bake: Millis::seconds(10),
        keep_warm: Millis::seconds(600),
        limits: Limits::default(),
        user: None,
        env: [("SECRET".to_owned(), "hunter2hunter2".to_owned())].into(),
        secret_env: vec!["SECRET".into()],
        upstream_keepalive: true,
        migrate: None,
    }
}

pub fn worker(text: &str) -> ServiceSpec {
    ServiceSpec {
        routes: vec![],
        readiness: Readiness::Running,
        health: None,
        instances: 1,
        ..service(text)
    }
}

pub fn spec(services: Vec<ServiceSpec>) -> EnvironmentSpec {
    EnvironmentSpec {
        id: production(),
        domains: vec!["shop.example".into()],
        version: VersionScheme::Any,
        keep_releases: 5,
        disk_free_bytes: None,
        services,
        listen: vec!["127.0.0.1:8080".into()],
        trusted: None,
        edge: None,
        front: None,
        shared: Default::default(),
        control: Default::default(),
        builds: vec![],
        requires: [].into(),
        backup: None,
    }
}

pub fn artifact(digest: &str) -> Artifact {
    Artifact {
        digest: digest.into(),
        bytes: 1000,
        files: 10,
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
        described: "./app".into(),
        built: None,
        complete: false,
    }
}

/// The release that the n-th deployment brought.
pub fn release(number: u32, spec: &EnvironmentSpec) -> Release {
    Release {
        id: ReleaseId(deployment(number).0),
        version: format!("v{number}"),
        artifact: artifact(&format!("digest {number}")),
        spec: spec.clone(),
        left: [].into(),
        migrated: [].into(),
        created_at_ms: u64::from(number) * 1000,
    }
}

pub fn kept(release: &Release, standing: Standing) -> Kept {
    Kept { release: release.clone(), standing }
}

/// Nothing was ever deployed.
pub fn nothing() -> Observed {
    Observed {
        routes: None,
        on_probation: false,
        first_generation: Generation(1),
        current: None,
        active: vec![],
        warm: vec![],
        left_over: vec![],
        stopped: vec![],
        releases: vec![],
        linked_previous: None,
        prepared: vec![],
        is_stopped: false,
        ports_free: (20_000..20_050).collect(),
    }
}

pub fn desired(number: u32, wanted: Wanted) -> Desired {
    let (deployment, environment) = (deployment(number), production());
    Desired {
        deployment,
        environment,
        wanted,
        overrides: Overrides::default(),
        backup: None,
        restore: None,
    }
}

pub fn deploy(number: u32, spec: &EnvironmentSpec) -> Desired {
    let upload = deployment(number).0;
    let source = Source::Upload { upload, described: "./app".into(), commit: None };
    let release = Box::new(release(number, spec));
    desired(number, Wanted::Release { release, source: Some(source), back: false })
}

pub fn roll_back(number: u32, to: &Release) -> Desired {
    let release = Box::new(to.clone());
    desired(number, Wanted::Release { release, source: None, back: true })
}

/// What is seen after the plan went well.
pub fn after(observed: &Observed, desired: &Desired) -> Observed {
    let plan = plan(observed, desired).unwrap();
    let mut next = observed.clone();
    let Some(Step::Confirm { by, .. }) = plan.steps.get(plan.commit - 1) else {
        panic!("the last step before the commit confirms")
    };
    next.routes = Some(by.clone());
    next.first_generation = Generation(observed.first_generation.0 + 10);
    next.stopped.clear();
    let mut all: Vec<Instance> = observed.active.iter().chain(&observed.warm).cloned().collect();
    for step in &plan.steps {
        match step {
            Step::Start { instance } => all.push(instance.clone()),
            Step::Stop { instance, .. } => {
                next.stopped.push(instance.clone());
                next.warm.retain(|it| it.id != instance.id);
            }
            Step::Claim { instances, .. } => {
                next.warm.retain(|it| !instances.iter().any(|mine| mine.id == it.id));
            }
            Step::Retire { instance, .. } => next.warm.push(instance.clone()),
            Step::Keep { instances } => {
                let kept = all.iter().filter(|it| instances.contains(&it.id));
                next.active = kept.cloned().collect();
            }
            _ => {}
        }
    }
    let used: Vec<u16> = next.active.iter().chain(&next.warm).filter_map(|it| it.port).collect();
    next.ports_free.retain(|it| !used.contains(it));
    if let Wanted::Release { release, .. } = &desired.wanted {
        next.releases.retain(|it| it.release.id != release.id);
        next.releases.insert(0, kept(release, Standing::Accepted));
        next.current = Some((**release).clone());
    }
    next
}

/// The first release serves.
pub fn serving(spec: &EnvironmentSpec) -> Observed {
    after(&nothing(), &deploy(1, spec))
}

pub fn planned(observed: &Observed, desired: &Desired) -> Plan {
    plan(observed, desired).unwrap()
}

pub fn refused(observed: &Observed, desired: &Desired) -> Failure {
    plan(observed, desired).unwrap_err()
}

/// Words, with the subject where it is an instance.
pub fn words(steps: &[Step]) -> Vec<String> {
    let one = |step: &Step| match step {
        Step::Start { instance }
        | Step::Await { instance, .. }
        | Step::Smoke { instance, .. }
        | Step::Stop { instance, .. }
        | Step::Retire { instance, .. } => {
            format!("{} {}{} {}", step.word(), instance.service, instance.number, instance.version)
        }
        _ => step.word().to_owned(),
    };
    steps.iter().map(one).collect()
}

pub fn empty(generation: u64) -> Routes {
    Routes {
        generation: Generation(generation),
        hosts: vec!["shop.example".into()],
        paths: Vec::<PathRoute>::new(),
        hold: None,
    }
}
