//! Somebody else takes the port that the plan has chosen, before the instance is started.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{kill_point::Tracer, time::within};
use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    time::Duration,
};

const PLAN_WAIT: Duration = Duration::from_secs(60);
/// Each rename of the daemon is held up so long: between the plan and the first start there are
/// several, which leaves time to be faster.
const HELD_UP: &str = "delay_enter=1500000";
const RENAMES: &str = "rename,renameat,renameat2";
/// Attempts at being faster than the start.
const ATTEMPTS_MAX: u32 = 3;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("a stranger listens", |report| {
        for _ in 0..ATTEMPTS_MAX {
            if took_them(report) {
                return;
            }
        }
        panic!("{ATTEMPTS_MAX} times the start was faster than we");
    });
    report
}

/// False: the daemon was faster, and nothing is proven.
fn took_them(report: &mut Report) -> bool {
    let mut scene = Scene::new(quick());
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    let tracer = Tracer::on(daemon, RENAMES, None, Some(HELD_UP));
    let going = scene.deploy("");
    // The plan says which ports it has chosen: we are the stranger, and take them.
    let plan = within(PLAN_WAIT, || going.plan());
    let plan = plan.unwrap_or_else(|| panic!("no plan: {}", going.text()));
    let steps = plan["steps"].as_array().cloned().unwrap_or_default();
    let starts = steps.iter().filter(|it| it["step"] == "start");
    let ports: Vec<u16> =
        starts.filter_map(|it| u16::try_from(it["instance"]["port"].as_u64()?).ok()).collect();
    assert_eq!(ports.len(), 2, "{plan}");
    let took: Vec<TcpListener> = ports.iter().filter_map(|it| stranger(*it)).collect();
    let faster = took.len() == ports.len() && !going.saw("start", "running");
    drop(tracer);
    let ran = going.ended();
    if !faster {
        return false;
    }
    let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    assert_eq!(outcome, "aborted");
    let said = scene.latest()["failure"].to_string();
    let pid = process::id().to_string();
    assert!(said.contains(&pid), "the owner {pid} is not named: {said}");
    assert_eq!(took.iter().map(asked).sum::<u32>(), 0, "a stranger was asked");
    // The next attempt is planned without them, though they are still taken.
    scene.load(|_| ());
    let ran = Going::deploy(&scene.stand, "3.0.0", "", &[]).ended();
    assert_eq!(scene.check(FIRST, "3.0.0", Some(&ran), Allowed::NONE), "deployed");
    assert_eq!(took.iter().map(asked).sum::<u32>(), 0, "a stranger was asked");
    report.note(format!("took {ports:?}"));
    true
}

/// None: the instance has it already.
fn stranger(port: u16) -> Option<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.set_nonblocking(true).expect("sockets can be so");
    Some(listener)
}

/// Connections that came.
fn asked(listener: &TcpListener) -> u32 {
    let mut count = 0;
    while listener.accept().is_ok() {
        count += 1;
    }
    count
}
