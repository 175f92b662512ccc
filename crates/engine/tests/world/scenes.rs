//! Every kind of change, of every strategy, from a world in which it makes sense.

use crate::{
    backups::{back_with_data, backed_up},
    build::{api, deploy, deploy_only, request, spec, web, worker},
    drive::world,
    migrations::migrated,
    state::State,
};
use model::{
    canary::Canary,
    deployment::{Change, Request},
    plan::WayBack,
    service::{Millis, Rolling, ServiceSpec, Strategy},
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
    let rolling = |instances, batch| {
        let rolling = Rolling { batch };
        let mail = ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..worker() };
        spec(vec![ServiceSpec { strategy: Strategy::Rolling, instances, rolling, ..web() }, mail])
    };
    let held = spec(vec![
        ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..web() },
        ServiceSpec { strategy: Strategy::Recreate, port: Some(3000), ..api() },
    ]);
    let scale = |count| Change::Scale { instances: [("web".parse().unwrap(), count)].into() };
    let back = || Change::Rollback { to: None, with_data: false };
    let scene = |name, before: &[Request], request| Scene {
        name,
        state: world(before),
        request,
        way_back: WayBack::Warm,
    };
    let two_of = |spec| [deploy(1, spec), deploy(2, spec)];
    let (two, two_cool) = (two_of(&small), two_of(&cool));
    let rolled = [deploy(1, &rolling(2, 1)), deploy(2, &rolling(2, 1))];
    let both = spec(vec![ServiceSpec { instances: 2, ..web() }, api()]);
    let of_two = [deploy(1, &both), deploy_only(2, &both, "api")];
    let of_three = [&of_two[..], &[deploy_only(3, &both, "web")]].concat();
    let two_kept = two_of(&backed_up(&small));
    let stopped = [deploy(1, &small), request(2, Change::Stop)];
    let mut all = vec![
        scene("first deployment", &[], deploy(1, &plain)),
        scene("update", &[deploy(1, &plain)], deploy(2, &plain)),
        scene("third release", &two, deploy(3, &small)),
        scene("recreate", &[deploy(1, &recreate)], deploy(2, &recreate)),
        scene("rolling", &[deploy(1, &rolling(3, 1))], deploy(2, &rolling(3, 1))),
        scene("rolling by two", &[deploy(1, &rolling(3, 2))], deploy(2, &rolling(3, 2))),
        scene("rolling to fewer", &[deploy(1, &rolling(4, 1))], deploy(2, &rolling(2, 1))),
        scene("rolling beside recreate", &[deploy(1, &held)], deploy(2, &held)),
        scene("rolling, first deployment", &[], deploy(1, &rolling(2, 1))),
        scene("rolling, restart", &[deploy(1, &rolling(2, 1))], request(2, Change::Restart)),
        scene("rolling, rollback, warm", &rolled, request(3, back())),
        scene("one of two services", &of_two[..1], of_two[1].clone()),
        scene("then the other", &of_two, of_three[2].clone()),
        scene("then both", &of_two, deploy(3, &both)),
        scene("back to a mixed set", &of_three, request(4, back())),
        scene("a mixed set, restarted", &of_two, request(3, Change::Restart)),
        scene("rollback, warm", &two, request(3, back())),
        scene("rollback, cold", &two_cool, request(3, back())),
        scene("restart", &[deploy(1, &small)], request(2, Change::Restart)),
        scene("scale up", &[deploy(1, &small)], request(2, scale(3))),
        scene("scale down", &[deploy(1, &plain)], request(2, scale(1))),
        scene("stop", &[deploy(1, &small)], request(2, Change::Stop)),
        scene("backed up", &two_kept[..1], two_kept[1].clone()),
        scene("rollback with its data", &two_kept, request(3, back_with_data())),
        scene("migrated", &[deploy(1, &migrated())], deploy(2, &migrated())),
        scene("start", &stopped, request(3, Change::Start)),
    ];
    all.extend(canaries());
    for scene in all.iter_mut().filter(|it| it.name.contains("recreate")) {
        scene.way_back = WayBack::Cold;
    }
    for scene in all.iter_mut().filter(|it| it.name.contains("data")) {
        scene.state.data = "of now".into();
    }
    all
}

fn canaries() -> Vec<Scene> {
    let canary = Canary { stages: vec![5, 50], ..Canary::default() };
    let alone = spec(vec![
        ServiceSpec { strategy: Strategy::Canary, instances: 2, canary, ..web() },
        worker(),
    ]);
    let by_both = spec(vec![
        ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..web() },
        ServiceSpec { strategy: Strategy::Canary, ..api() },
    ]);
    let scene = |name, before: &[Request], request| Scene {
        name,
        state: world(before),
        request,
        way_back: WayBack::Warm,
    };
    vec![
        scene("canary", &[deploy(1, &alone)], deploy(2, &alone)),
        scene("canary beside rolling", &[deploy(1, &by_both)], deploy(2, &by_both)),
        scene("canary, first deployment", &[], deploy(1, &alone)),
    ]
}
