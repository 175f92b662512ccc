//! The daemon has little memory, and a release is sent that is far larger.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{faults::going::Going, stand::Layout};
use std::{fs, io::Write, path::Path, process::Command};

/// All that it may write to and that is its own, stacks included: where it needs more, it aborts.
const DATA_BYTES_MAX: u64 = 64 << 20;
const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mib = context.pick(256, 2048);
    report.case(&format!("{mib} MiB sent"), |report| {
        let layout = Layout { start_timeout_s: 60.0, ..quick() };
        let mut scene = Scene::new(layout);
        let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
        let release = scene.stand.release(SECOND, "");
        ballast(&release.join("ballast"), mib);
        let limit = format!("--data={DATA_BYTES_MAX}");
        let mut limited = Command::new("prlimit");
        limited.args([&limit, "--pid"]).arg(daemon.to_string());
        assert!(limited.status().expect("prlimit is installed").success());
        fs::write(format!("/proc/{daemon}/clear_refs"), "5").expect("root may");
        let ran = Going::deploy(&scene.stand, SECOND, "", &[]).ended();
        assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
        assert_eq!(scene.stand.pid_of("daemon"), Some(daemon), "the daemon died of it");
        let peak = peak_mib(daemon);
        assert!(peak * (1 << 20) < DATA_BYTES_MAX, "{peak} MiB were resident");
        report.note(format!("{mib} MiB sent, at most {peak} MiB of the daemon resident"));
    });
    report
}

/// Of no pattern that a file system or a compressor would see through.
fn ballast(path: &Path, mib: usize) {
    let mut random = super::random::Random::new(7);
    let mut file = fs::File::create(path).expect("the folder is writable");
    let words = (0..CHUNK_BYTES / 8).flat_map(|_| random.next().to_le_bytes());
    let mut chunk: Vec<u8> = words.collect();
    for number in 0..mib {
        chunk[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&chunk).expect("there is room");
    }
}

fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("the kernel says it") / 1024
}
