//! Rollbacks to what is not there, not the same, or not the last.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::stand::{Layout, TARGET};
use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf};

const THIRD: &str = "3.0.0";
const REFUSED: [i32; 2] = [1, 2];

/// Three releases were deployed, the third serves the load, and the older ones have been ended.
fn three(keep_warm_s: f64) -> Scene {
    let layout = Layout { keep_warm_s, bake_s: 0.3, ..quick() };
    let mut scene = Scene::quiet(layout, "");
    scene.stand.deploy(SECOND, "").expect(0);
    scene.stand.deploy(THIRD, "").expect(0);
    scene.serves(THIRD);
    scene.load(|_| ());
    scene
}

fn release(scene: &Scene, version: &str) -> PathBuf {
    scene.stand.root.join("projects/shop/production/releases").join(version)
}

pub(super) fn missing(context: &Context) -> Report {
    let mut report = Report::new(context);
    for keep_warm_s in context.pick(vec![0.2], vec![0.2, 60.0]) {
        for altered in [false, true] {
            let what = if altered { "altered" } else { "missing" };
            report.case(&format!("{what}, kept warm {keep_warm_s} s"), |_| {
                refused(keep_warm_s, altered);
            });
        }
    }
    report
}

fn refused(keep_warm_s: f64, altered: bool) {
    let mut scene = three(keep_warm_s);
    let target = release(&scene, SECOND);
    assert!(target.is_dir(), "{} is not kept", target.display());
    if altered {
        let mut file = fs::OpenOptions::new().append(true).open(target.join("VERSION"));
        let file = file.as_mut().expect("the release can be written by root");
        file.write_all(b"\n# changed\n").expect("there is room");
    } else {
        fs::remove_dir_all(&target).expect("it can be removed by root");
    }
    let ran = scene.stand.cutover(&["rollback", TARGET, "--to", SECOND]);
    scene.remember(&ran);
    assert!(ran.code.is_some_and(|it| REFUSED.contains(&it)), "{:?} {}", ran.code, ran.text());
    assert!(ran.text().contains(SECOND), "{}", ran.text());
    assert!(ran.text().contains(FIRST), "the next candidate is not offered: {}", ran.text());
    scene.serves(THIRD);
    scene.stand.cutover(&["rollback", TARGET, "--to", FIRST]).expect(0);
    scene.serves(FIRST);
    scene.finish(Allowed::NONE);
}

/// The release that serves has changed what it consists of, as an app may that owns its directory.
pub(super) fn self_altered(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("while it serves", |_| {
        let layout = Layout { keep_warm_s: 0.2, bake_s: 0.3, ..quick() };
        let mut scene = Scene::new(layout);
        scene.stand.deploy(SECOND, "").expect(0);
        // What an app keeps beside its own files does not count; its own files do.
        fs::write(release(&scene, FIRST).join("cache"), "by itself").expect("root may");
        let file = release(&scene, SECOND).join("VERSION");
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).expect("root may");
        scene.stand.deploy(THIRD, "").expect(0);
        scene.serves(THIRD);
        let ran = scene.stand.cutover(&["rollback", TARGET, "--to", SECOND]);
        scene.remember(&ran);
        assert!(ran.code.is_some_and(|it| REFUSED.contains(&it)), "{:?} {}", ran.code, ran.text());
        scene.serves(THIRD);
        scene.stand.cutover(&["rollback", TARGET, "--to", FIRST]).expect(0);
        scene.serves(FIRST);
        scene.finish(Allowed::NONE);
    });
    report.case("deletes its own release while it serves", |_| {
        let layout = Layout { keep_warm_s: 0.2, bake_s: 0.3, ..quick() };
        let mut scene = Scene::new(layout);
        scene.stand.deploy(SECOND, "").expect(0);
        fs::remove_dir_all(release(&scene, SECOND)).expect("root may");
        scene.serves(SECOND);
        let ran = scene.stand.cutover(&["restart", TARGET]);
        scene.remember(&ran);
        assert!(ran.code.is_some_and(|it| REFUSED.contains(&it)), "{:?} {}", ran.code, ran.text());
        assert!(ran.text().contains(SECOND), "{}", ran.text());
        // What it could go back to is whole, and what comes next needs nothing of it.
        scene.stand.deploy(THIRD, "").expect(0);
        scene.stand.cutover(&["rollback", TARGET, "--to", FIRST]).expect(0);
        scene.serves(FIRST);
        scene.finish(Allowed::NONE);
    });
    report
}

pub(super) fn twice(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("forward again", |_| {
        let mut scene = three(60.0);
        scene.stand.cutover(&["rollback", TARGET]).expect(0);
        scene.serves(SECOND);
        // Never to what was just left: that would be forward.
        scene.stand.cutover(&["rollback", TARGET]).expect(0);
        scene.serves(FIRST);
        scene.stand.cutover(&["rollback", TARGET, "--to", THIRD]).expect(0);
        scene.serves(THIRD);
        scene.finish(Allowed::NONE);
    });
    report.case("nothing to go back to", |_| {
        let mut scene = Scene::new(quick());
        let ran = scene.stand.cutover(&["rollback", TARGET]);
        scene.remember(&ran);
        assert!(ran.code.is_some_and(|it| REFUSED.contains(&it)), "{:?} {}", ran.code, ran.text());
        assert!(!ran.error.is_empty(), "it does not say why");
        scene.serves(FIRST);
        scene.finish(Allowed::NONE);
    });
    report
}
