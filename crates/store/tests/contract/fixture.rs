//! Small requests and plans, told apart by a name and a number.

#![allow(dead_code, reason = "each test binary uses a part")]

use model::{
    deployment::{Change, Overrides, Request},
    id::{DeploymentId, Generation, InstanceId, ReleaseId},
    instance::{Instance, Slot},
    name::EnvironmentId,
    plan::{Kind, PLAN_VERSION, Plan, ReleaseLabel, StagedRoutes, Step},
    routes::Routes,
};

/// An environment of the project `shop`.
pub fn environment(name: &str) -> EnvironmentId {
    EnvironmentId { project: "shop".parse().unwrap(), environment: name.parse().unwrap() }
}

/// A deployment's id.
pub fn id(name: &str, number: u16) -> DeploymentId {
    DeploymentId(format!("{name}-{number}"))
}

/// A request for a new start.
pub fn request(name: &str, number: u16) -> Request {
    Request {
        deployment: id(name, number),
        environment: environment(name),
        change: Change::Restart,
        by: "ada".to_owned(),
        reason: Some("it leaks".to_owned()),
        overrides: Overrides {
            force: true,
            skip_health_check: false,
            skip_smoke: true,
            skip_backup: true,
            skip_migrate: true,
            accept_schema: true,
            ..Overrides::default()
        },
    }
}

/// One instance of the service `web`.
pub fn instance(name: &str, number: u16, port: u16) -> Instance {
    Instance {
        id: InstanceId(format!("shop.{name}.web.{number}.01234567")),
        environment: environment(name),
        service: "web".parse().unwrap(),
        release: ReleaseId(format!("release-{number}")),
        version: format!("1.0.{number}"),
        number: 1,
        slot: Slot::Blue,
        port: Some(port),
        socket: false,
    }
}

/// Five steps, of which four come before the commit.
pub fn plan(name: &str, number: u16, port: u16) -> Plan {
    let routes = |it| Routes {
        generation: Generation(it),
        hosts: vec!["*".to_owned()],
        paths: vec![],
        hold: None,
    };
    let first = u64::from(number) * 10;
    let [from, to, by, back] = [0, 1, 2, 3].map(|it| Generation(first + it));
    let steps = vec![
        Step::StageRoutes { staged: vec![StagedRoutes { routes: routes(to.0), probation: None }] },
        Step::Start { instance: instance(name, number, port) },
        Step::Switch { from, to, back, share: None },
        Step::Confirm { confirms: to, by: routes(by.0) },
        Step::Manifest,
    ];
    let label = |it: u16| ReleaseLabel {
        id: ReleaseId(format!("release-{it}")),
        version: format!("1.0.{it}"),
    };
    Plan {
        version: PLAN_VERSION,
        deployment: id(name, number),
        environment: environment(name),
        kind: Kind::Update,
        from: Some(label(number - 1)),
        to: Some(label(number)),
        stays: [].into(),
        steps,
        commit: 4,
    }
}
