//! Somebody else takes the port that the plan has chosen, before the instance is started.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene},
};
use crate::{stand::Layout, time::within};
use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    time::Duration,
};

const PLAN_WAIT: Duration = Duration::from_secs(30);
/// Of a file in the release, so that staging it leaves time to be faster than the start.
const BALLAST_BYTES: usize = 48 << 20;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("a stranger listens", |report| {
        let mut scene = Scene::new(Layout::default());
        let release = scene.stand.release(SECOND, "");
        std::fs::write(release.join("ballast"), vec![7; BALLAST_BYTES]).expect("there is room");
        let going = Going::deploy(&scene.stand, SECOND, "", &[]);
        // The plan says which ports it has chosen: we are the stranger, and take them.
        let plan = within(PLAN_WAIT, || going.plan());
        let plan = plan.unwrap_or_else(|| panic!("no plan: {}", going.text()));
        let steps = plan["steps"].as_array().cloned().unwrap_or_default();
        let starts = steps.iter().filter(|it| it["step"] == "start");
        let ports: Vec<u16> =
            starts.filter_map(|it| u16::try_from(it["instance"]["port"].as_u64()?).ok()).collect();
        assert_eq!(ports.len(), 2, "{plan}");
        let took: Vec<TcpListener> = ports.iter().map(|it| stranger(*it)).collect();
        let early = !going.saw("start", "running");
        assert!(early, "the start was faster than we");
        let ran = going.ended();
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
    });
    report
}

fn stranger(port: u16) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = listener.unwrap_or_else(|it| panic!("port {port}: {it}"));
    listener.set_nonblocking(true).expect("sockets can be so");
    listener
}

/// Connections that came.
fn asked(listener: &TcpListener) -> u32 {
    let mut count = 0;
    while listener.accept().is_ok() {
        count += 1;
    }
    count
}
