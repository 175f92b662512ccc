//! The processes through which traffic goes die: the proxy, its holder, an instance's `supervise`.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    load::Summary,
    stand::{Layout, TARGET, alive, kill},
    time::{eventually, within},
};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Requests shall be served again within this of a proxy's death; reported.
const AGAIN_MS: f64 = 300.0;
/// And must be within this, on a machine that is busy with other things.
const AGAIN_LATEST_MS: f64 = 5_000.0;
const BACK_WAIT: Duration = Duration::from_secs(15);
/// Deaths after which the holder gives up on the proxy.
const CRASHES: u32 = 4;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Proxy,
    DaemonAndProxy,
    Holder,
    HolderAndProxy,
    Supervise,
}

impl Victim {
    const ALL: [Self; 5] =
        [Self::Proxy, Self::DaemonAndProxy, Self::Holder, Self::HolderAndProxy, Self::Supervise];

    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Proxy => &["proxy"],
            Self::DaemonAndProxy => &["daemon", "proxy"],
            Self::Holder => &["--holder"],
            Self::HolderAndProxy => &["--holder", "proxy"],
            Self::Supervise => &[],
        }
    }

    /// Only what went through the dead process may fail.
    fn allowed(self) -> Allowed {
        match self {
            Self::Proxy | Self::DaemonAndProxy => Allowed::IN_FLIGHT,
            // Nobody holds the listeners until the daemon has started the next holder.
            Self::HolderAndProxy => Allowed::ANY,
            Self::Holder | Self::Supervise => Allowed::NONE,
        }
    }
}

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    for victim in Victim::ALL {
        report.case(&format!("{victim:?}, steady"), |report| steady(report, victim));
    }
    let words = context.pick(vec!["bake"], vec!["stage", "health", "switch", "bake", "drain"]);
    for victim in Victim::ALL {
        for word in &words {
            report.case(&format!("{victim:?}, in {word}"), |report| midway(report, victim, word));
        }
    }
    report.case("proxy, again and again", |_| given_up());
    report
}

fn kill_victim(scene: &Scene, victim: Victim, report: &mut Report) -> Vec<u32> {
    let stand = &scene.stand;
    let mut pids: Vec<u32> = victim.roles().iter().filter_map(|it| stand.pid_of(it)).collect();
    if victim == Victim::Supervise {
        let (instance, _) = stand.instances("serving").into_iter().next().expect("one serves");
        pids.extend(stand.supervise_of(&instance));
    }
    assert_eq!(pids.len(), victim.roles().len().max(1), "not all of {victim:?} run");
    for pid in &pids {
        kill(*pid, Signal::KILL);
    }
    report.kill_points += 1;
    eventually("the victims are dead", BACK_WAIT, || {
        pids.iter().all(|it| !alive(*it)).then_some(())
    });
    pids
}

fn served_again(scene: &Scene) {
    eventually("it serves again", BACK_WAIT, || scene.stand.answers());
}

fn steady(report: &mut Report, victim: Victim) {
    let mut scene = Scene::new(quick());
    let apps = scene.stand.instances("serving");
    kill_victim(&scene, victim, report);
    served_again(&scene);
    assert!(apps.iter().all(|it| alive(it.1)), "an instance died with {victim:?}");
    if victim == Victim::DaemonAndProxy {
        // It came back without the daemon, which nobody has started again.
        assert!(scene.stand.pid_of("proxy").is_some());
    }
    scene.settled();
    replaced(&scene);
    let ran = scene.deploy("").ended();
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), victim.allowed()), "deployed");
    told(report, scene.gap_ms);
    // Also one whose supervisor was replaced can be ended.
    scene.stand.cutover(&["stop", TARGET]).expect(0);
    let ended = within(BACK_WAIT, || apps.iter().all(|it| !alive(it.1)).then_some(()));
    let left: Vec<_> = apps.iter().filter(|it| alive(it.1)).collect();
    assert!(ended.is_some() || scene.stand.instances("warm").len() >= left.len(), "{left:?} live");
}

/// All roles are there again, one `supervise` for each instance.
fn replaced(scene: &Scene) {
    let stand = &scene.stand;
    for role in ["proxy", "--holder", "daemon"] {
        eventually(&format!("{role} is replaced"), BACK_WAIT, || stand.pid_of(role));
    }
    for (instance, _) in stand.instances("serving") {
        let what = format!("the supervise of {instance} is replaced");
        eventually(&what, BACK_WAIT, || stand.supervise_of(&instance));
    }
}

fn midway(report: &mut Report, victim: Victim, word: &str) {
    let mut scene = Scene::new(Layout { bake_s: 1.5, ..quick() });
    let mut going = scene.deploy("");
    going.until(word, "running");
    kill_victim(&scene, victim, report);
    served_again(&scene);
    let ran = Going::ended(going);
    let outcome = scene.check(FIRST, SECOND, Some(&ran), victim.allowed());
    report.note(outcome);
    told(report, scene.gap_ms);
    replaced(&scene);
}

/// How long the clients of the load went without an answer.
fn told(report: &mut Report, gap_ms: f64) {
    let late = if gap_ms > AGAIN_MS { ", late" } else { "" };
    report.note(format!("longest gap {gap_ms:.0} ms{late}"));
    assert!(gap_ms <= AGAIN_LATEST_MS, "nothing was answered for {gap_ms:.0} ms");
}

/// A proxy that dies as soon as it lives is given up: clients are refused, and not left hanging.
fn given_up() {
    let mut scene = Scene::quiet(quick(), "");
    for _ in 0..CRASHES {
        let proxy = within(BACK_WAIT, || scene.stand.pid_of("proxy"));
        let Some(proxy) = proxy else { break };
        kill(proxy, Signal::KILL);
        within(Duration::from_secs(1), || (!alive(proxy)).then_some(()));
    }
    let began = Instant::now();
    let answer = scene.stand.get("/");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "a client hung for {took:?}: {answer:?}");
    // Routes still lead to the first release, and nobody is answered by it.
    let ran = scene.stand.deploy("1.5.0", "");
    for part in ["serving now  nothing: the proxy does not run", "cutover proxy start"] {
        assert!(ran.error.contains(part), "{part}: {}", ran.text());
    }
    scene.remember(&ran);
    let ran = scene.stand.cutover(&["proxy", "start"]);
    scene.remember(&ran);
    scene.stand.until_answers(FIRST, BACK_WAIT);
    scene.load(|_| ());
    let ran = scene.deploy("").ended();
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
}

/// The longest time in which nothing was answered, for the table.
pub(super) fn gap(summary: &Summary) -> String {
    format!("longest gap {:.0} ms", summary.longest_gap_ms)
}
