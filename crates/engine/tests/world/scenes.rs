//! Every kind of change, of every strategy, from a world in which it makes sense.

use crate::{
    build::{deploy, request, spec, web, worker},
    drive::world,
    state::State,
};
use model::{
    deployment::{Change, Request},
    plan::WayBack,
    service::{Millis, ServiceSpec, Strategy},
};

pub struct Scene {
    pub name: &'static str,
    pub state: State,
    pub request: Request,
    pub way_back: WayBack,
}

pub fn scenes() -> Vec<Scene> {
    let plain = spec(vec![ServiceSpec { instances: 2, ..web() }, worker()]);
    let small = spec(vec![web(), worker()]);
    let cool = spec(vec![ServiceSpec { keep_warm: Millis(0), ..web() }, worker()]);
    let recreate = spec(vec![
        ServiceSpec { strategy: Strategy::Recreate, port: Some(3000), ..web() },
        ServiceSpec { strategy: Strategy::Recreate, ..worker() },
    ]);
    let scale = |count| Change::Scale { instances: [("web".parse().unwrap(), count)].into() };
    let back = || Change::Rollback { to: None };
    let scene = |name, before: &[Request], request| Scene {
        name,
        state: world(before),
        request,
        way_back: WayBack::Warm,
    };
    let two = [deploy(1, &small), deploy(2, &small)];
    let two_cool = [deploy(1, &cool), deploy(2, &cool)];
    let stopped = [deploy(1, &small), request(2, Change::Stop)];
    let mut all = vec![
        scene("first deployment", &[], deploy(1, &plain)),
        scene("update", &[deploy(1, &plain)], deploy(2, &plain)),
        scene("third release", &two, deploy(3, &small)),
        scene("recreate", &[deploy(1, &recreate)], deploy(2, &recreate)),
        scene("rollback, warm", &two, request(3, back())),
        scene("rollback, cold", &two_cool, request(3, back())),
        scene("restart", &[deploy(1, &small)], request(2, Change::Restart)),
        scene("scale up", &[deploy(1, &small)], request(2, scale(3))),
        scene("scale down", &[deploy(1, &plain)], request(2, scale(1))),
        scene("stop", &[deploy(1, &small)], request(2, Change::Stop)),
        scene("start", &stopped, request(3, Change::Start)),
    ];
    all[3].way_back = WayBack::Cold;
    all
}
