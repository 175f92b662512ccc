//! Several want the same environment at once.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::stand::{Layout, TARGET};

const RIVALS: usize = 8;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("a deployment in a deployment", |_| {
        let mut scene = Scene::new(Layout { bake_s: 3.0, ..quick() });
        let mut first = scene.deploy("");
        first.until("bake", "running");
        let id = first.deployment().expect("it was accepted");
        let second = scene.stand.deploy("3.0.0", "");
        assert_eq!(second.code, Some(6), "{}", second.text());
        assert!(second.text().contains(&id), "it does not name {id}: {}", second.text());
        let back = scene.stand.cutover(&["rollback", TARGET]);
        assert_eq!(back.code, Some(6), "{}", back.text());
        let ran = first.ended();
        assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
    });
    report.case("eight at the same time", |report| {
        let mut scene = Scene::new(quick());
        let version = |at: usize| format!("2.0.{at}");
        let all: Vec<Going> =
            (0..RIVALS).map(|at| Going::deploy(&scene.stand, &version(at), "", &[])).collect();
        let codes: Vec<Option<i32>> = all.into_iter().map(|it| it.ended().code).collect();
        let won: Vec<usize> = (0..RIVALS).filter(|it| codes[*it] == Some(0)).collect();
        let fits = codes.iter().all(|it| matches!(it, Some(0 | 6)));
        assert!(fits && !won.is_empty(), "{codes:?}");
        scene.settled();
        // Those that came after the first had ended were taken too; the last of them serves.
        let served = scene.stand.answers().expect("something answers");
        assert!(won.iter().any(|it| version(*it) == served), "{served}: {codes:?}");
        scene.serves(&served);
        scene.finish(Allowed::NONE);
        report.note(format!("{} of {RIVALS} were taken", won.len()));
    });
    report
}
