//! Requests, and the services they are for.

use model::{
    check::{Check, Question},
    deployment::{Change, Overrides, Request},
    id::DeploymentId,
    name::EnvironmentId,
    release::Source,
    role::QuietSignal,
    service::{
        EnvironmentSpec, Limits, Millis, Readiness, Rolling, ServiceSpec, SmokeTest, StopSignal,
        Strategy, VersionScheme,
    },
};

pub fn production() -> EnvironmentId {
    "shop/production".parse().unwrap()
}

pub fn deployment(number: u32) -> DeploymentId {
    DeploymentId(format!("01K0000000000000000000{number:04}"))
}

pub fn web() -> ServiceSpec {
    let check = Check {
        name: "accepts".into(),
        after: true,
        timeout: Millis::seconds(5),
        question: Question::Tcp { address: None },
    };
    ServiceSpec {
        name: "web".parse().unwrap(),
        command: vec!["./serve".into()],
        instances: 1,
        files: None,
        schedule: None,
        routes: vec!["/".into()],
        port: None,
        socket: None,
        readiness: Readiness::Port,
        health: None,
        smoke: vec![SmokeTest::get("/")],
        checks: vec![check],
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
        env: [].into(),
        secret_env: vec![],
        upstream_keepalive: true,
        migrate: None,
    }
}

/// A second service that requests are routed to.
pub fn api() -> ServiceSpec {
    ServiceSpec {
        name: "api".parse().unwrap(),
        routes: vec!["/api".into()],
        checks: vec![],
        ..web()
    }
}

pub fn worker() -> ServiceSpec {
    ServiceSpec {
        name: "mail".parse().unwrap(),
        routes: vec![],
        smoke: vec![],
        checks: vec![],
        readiness: Readiness::Running,
        quiet_signal: Some(QuietSignal::SigTstp),
        ..web()
    }
}

pub fn spec(services: Vec<ServiceSpec>) -> EnvironmentSpec {
    EnvironmentSpec {
        id: production(),
        domains: vec!["shop.example".into()],
        version: VersionScheme::Any,
        keep_releases: 1,
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

pub fn request(number: u32, change: Change) -> Request {
    Request {
        deployment: deployment(number),
        environment: production(),
        change,
        by: "ada".into(),
        reason: None,
        overrides: Overrides::default(),
    }
}

pub fn deploy(number: u32, spec: &EnvironmentSpec) -> Request {
    let described = format!("content {number}");
    let source = Source::Upload { upload: deployment(number).0, described, commit: None };
    let (spec, version) = (Box::new(spec.clone()), Some(format!("v{number}")));
    request(number, Change::Deploy { spec, version, source, services: vec![] })
}

/// The same, of one service only.
pub fn deploy_only(number: u32, spec: &EnvironmentSpec, service: &str) -> Request {
    let mut asked = deploy(number, spec);
    if let Change::Deploy { services, .. } = &mut asked.change {
        services.push(service.parse().unwrap());
    }
    asked
}
