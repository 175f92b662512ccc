//! Applications that end at once, are slow, answer wrongly, or do not want to go.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    app::App,
    stand::{Layout, TARGET, alive},
    time::{eventually, within},
    tree::Snapshot,
};
use std::{fs, time::Duration};

/// After this an old instance that is not kept warm is to be gone, grace included.
const GONE_WAIT: Duration = Duration::from_secs(30);
const REAP_WAIT: Duration = Duration::from_secs(10);
/// Requests that an all-failing release may be given: what decides, and one of each client that
/// was on its way meanwhile.
const ALL_FAILING: Allowed = Allowed { requests: 16, streams: 2 };
/// The same at five failures in a hundred.
const FEW_FAILING: Allowed = Allowed { requests: 150, streams: 2 };

fn layout(app: App) -> Layout {
    Layout { app, ..quick() }
}

pub(super) fn exits(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(true) {
        for breakage in ["exit0", "exit1"] {
            report.case(&format!("{} {breakage}", app.name()), |_| {
                let mut scene = Scene::new(layout(app));
                let ran = scene.deploy(breakage).ended();
                let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
                assert_eq!(outcome, "aborted");
                let said = scene.latest()["failure"].to_string();
                let last = if breakage == "exit1" { "db.invalid" } else { "nothing to do" };
                assert!(said.contains(last), "its last line is not shown: {said}");
            });
        }
    }
    report
}

pub(super) fn slow(context: &Context) -> Report {
    let mut report = Report::new(context);
    let (slow_s, limit_s) = context.pick((6.0, 8.0), (90.0, 120.0));
    for app in context.apps(false) {
        report.case(&format!("{} {slow_s} s of {limit_s} s", app.name()), |report| {
            let mut scene = Scene::new(Layout { start_timeout_s: limit_s, ..layout(app) });
            let breakage = format!("slow_start={}", slow_s * 1000.0);
            let ran = scene.deploy(&breakage).ended();
            assert!(ran.took.as_secs_f64() >= slow_s, "it did not wait: {:?}", ran.took);
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "deployed");
            report.note(format!("deployed after {:.1} s", ran.took.as_secs_f64()));
        });
    }
    report.case("slower than its time", |_| {
        let mut scene = Scene::new(Layout { start_timeout_s: 2.0, ..quick() });
        let ran = scene.deploy("slow_start=60000").ended();
        assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "aborted");
    });
    report
}

pub(super) fn all_500(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(&format!("{} by smoke", app.name()), |_| {
            let mut scene = Scene::new(layout(app));
            let ran = scene.deploy("all_500").ended();
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "aborted");
        });
        report.case(&format!("{} by traffic", app.name()), |report| {
            let mut scene = Scene::new(Layout { bake_s: 5.0, ..layout(app) });
            let more = ["--skip-smoke"];
            let ran = Going::deploy(&scene.stand, SECOND, "all_500", &more).ended();
            let failed = scene.loaded().progress().failed;
            let outcome = scene.check(FIRST, SECOND, Some(&ran), ALL_FAILING);
            assert_eq!(outcome, "rolled_back");
            report.note(format!("{failed} requests failed"));
        });
    }
    report
}

pub(super) fn some_errors(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(&format!("{} 5 in 100", app.name()), |report| {
            let mut scene = Scene::new(Layout { bake_s: 8.0, ..layout(app) });
            let ran = scene.deploy("errors=5").ended();
            let failed = scene.loaded().progress().failed;
            let outcome = scene.check(FIRST, SECOND, Some(&ran), FEW_FAILING);
            assert_eq!(outcome, "rolled_back");
            report.note(format!("{failed} requests failed"));
        });
    }
    report
}

pub(super) fn no_traffic(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("nobody asks", |report| {
        let mut scene = Scene::quiet(Layout { bake_s: 2.0, ..quick() }, "");
        let ran = scene.stand.deploy(SECOND, "").expect(0);
        let said = ran.text().to_lowercase();
        let word = ["undecided", "too little traffic", "no traffic", "few requests"]
            .into_iter()
            .find(|it| said.contains(it));
        assert!(word.is_some(), "it does not say that nothing was seen: {}", ran.text());
        scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
        report.note(word.unwrap_or_default());
    });
    report
}

pub(super) fn ignores_sigterm(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(app.name(), |_| {
            let old = replaced(app, "ignore_sigterm", |scene, ran| {
                let log = logs(scene) + &ran;
                let said = log.contains("kill");
                assert!(said, "nothing says that it had to be killed: {log}");
            });
            assert!(old.iter().all(|it| !alive(*it)), "{old:?} live");
        });
    }
    report
}

pub(super) fn double_fork(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(app.name(), |_| {
            replaced(app, "double_fork", |_, _| ());
        });
    }
    report
}

/// A first release that is broken so serves, is replaced, and nothing of it is left: processes.
fn replaced(app: App, breakage: &str, then: impl FnOnce(&Scene, String)) -> Vec<u32> {
    let layout = Layout { keep_warm_s: 0.2, bake_s: 0.3, ..layout(app) };
    let mut scene = Scene::quiet(layout, breakage);
    // Its working directory, or its environment, tells that it is of the first release.
    let environment = scene.stand.root.join("projects/shop/production");
    let release = environment.join("releases").join(FIRST);
    let of_first = || {
        let taken = Snapshot::take(&release, &[]).expect("/proc can be read");
        taken.processes()
    };
    let old = of_first();
    assert!(old.len() >= 2, "the first release runs as {old:?}");
    scene.load(|_| ());
    let ran = scene.deploy("").ended();
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
    let gone = within(GONE_WAIT, || old.iter().all(|it| !alive(*it)).then_some(()));
    assert!(gone.is_some(), "of the first release {:?} is left", of_first());
    then(&scene, ran.text());
    old
}

pub(super) fn zombies(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(app.name(), |report| {
            let layout = Layout { keep_warm_s: 0.2, ..layout(app) };
            let mut scene = Scene::quiet(layout, "zombies");
            let instances = scene.stand.instances("serving");
            let supervisors: Vec<u32> =
                instances.iter().filter_map(|it| scene.stand.supervise_of(&it.0)).collect();
            assert_eq!(supervisors.len(), 2);
            // Those of the app itself stay as long as it does not wait for them; orphans do not.
            let of_app: usize = instances.iter().map(|it| zombies_of(it.1).len()).sum();
            report.note(format!("{} has {of_app} of its own", app.name()));
            eventually("supervise has no zombies", REAP_WAIT, || {
                supervisors.iter().all(|it| zombies_of(*it).is_empty()).then_some(())
            });
            let before: Vec<u32> = instances.iter().flat_map(|it| zombies_of(it.1)).collect();
            scene.load(|_| ());
            let ran = scene.deploy("").ended();
            assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
            eventually("all of them are gone with the app", GONE_WAIT, || {
                before.iter().all(|it| !is_zombie(*it)).then_some(())
            });
        });
    }
    report
}

fn zombies_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let pids = entries.flatten().filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|it| it.1.to_owned()).unwrap_or_default();
        fields.starts_with(&format!("Z {parent} "))
    };
    pids.filter(is_child).collect()
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|it| it.1.starts_with('Z'))
}

/// What deployments and the daemon wrote.
fn logs(scene: &Scene) -> String {
    let root = &scene.stand.root;
    let mut text = fs::read_to_string(root.join("daemon.log")).unwrap_or_default();
    let directory = root.join("projects/shop/production/logs/deployments");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        text += &fs::read_to_string(entry.path()).unwrap_or_default();
    }
    text + &scene.stand.cutover(&["history", TARGET]).text()
}
