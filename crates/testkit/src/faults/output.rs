//! Applications that write without measure.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::stand::{Layout, TARGET};
use std::{fs, path::Path};

/// Five rotated files and the one that is written, of 50 MB each, for each of the three streams.
const LOG_BYTES_MAX: u64 = 3 * 6 * 55_000_000;
const LINE_BYTES: u64 = 8 << 20;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let flood_mib: u64 = context.pick(24, 160);
    for app in context.apps(false) {
        report.case(&format!("{} flood of {flood_mib} MiB", app.name()), |report| {
            // One instance, so that a flood is as large as it says.
            let mut scene = Scene::new(Layout { app, instances: 1, ..quick() });
            let ran = scene.deploy(&format!("log_flood={flood_mib}")).ended();
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "deployed");
            let bytes = size(&scene.stand.root.join("projects/shop/production/logs"));
            assert!(bytes > 1 << 20, "only {bytes} bytes were written: there was no flood");
            assert!(bytes <= LOG_BYTES_MAX, "{bytes} bytes of logs");
            report.note(format!("{} MB of logs", bytes / 1_000_000));
        });
        report.case(&format!("{} line of {LINE_BYTES} bytes", app.name()), |_| {
            let mut scene = Scene::new(Layout { app, ..quick() });
            let ran = scene.deploy(&format!("long_line={LINE_BYTES}")).ended();
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "deployed");
        });
        report.case(&format!("{} terminal escapes", app.name()), |_| {
            let mut scene = Scene::new(Layout { app, ..quick() });
            let ran = scene.deploy("ansi").ended();
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "deployed");
            let shown = scene.stand.cutover(&["logs", TARGET, "-n", "200"]).expect(0);
            let strange = |it: char| it.is_control() && it != '\n' && it != '\t';
            let found = shown.out.chars().find(|it| strange(*it));
            assert_eq!(found, None, "in {:?}", shown.out);
            assert!(!shown.out.trim().is_empty(), "nothing was shown");
        });
    }
    report
}

fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|it| match it.metadata() {
        Ok(data) if data.is_dir() => size(&it.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
