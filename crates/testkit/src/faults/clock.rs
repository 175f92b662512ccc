//! The wall clock jumps in the midst of a deployment: no wait is shorter or longer for it.
//!
//! The clock is everybody's, so it is moved for our processes only: libfaketime adds an offset,
//! read anew at each look, to the wall clock and to nothing else.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    guard::Killed,
    stand::{Layout, Stand, TARGET},
    time::eventually,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Five years.
const FAR_MS: u64 = 5 * 365 * 86_400_000;
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const START_WAIT: Duration = Duration::from_secs(30);
/// Longer than the looks after what is kept warm are apart.
const WARM_LOOKS: Duration = Duration::from_secs(2);

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let both = ["+3650d", "-3650d"];
    let points: Vec<(&str, &str)> = context.pick(
        vec![("health", both[0]), ("bake", both[1])],
        ["health", "switch", "bake", "drain"]
            .into_iter()
            .flat_map(|word| both.map(|jump| (word, jump)))
            .collect(),
    );
    for (word, jump) in points {
        report.case(&format!("{jump} at {word}"), |report| {
            let took = jumps(word, jump);
            report.note(format!("{jump} at {word}: ended after {:.1} s", took.as_secs_f64()));
        });
    }
    report
}

fn jumps(word: &str, jump: &str) -> Duration {
    let mut stand = Stand::new(Layout { bake_s: 2.0, ..quick() });
    let offset = stand.folder.path().join("offset");
    fs::write(&offset, "+0").expect("the folder is writable");
    let variables = variables(&offset);
    let daemon = daemon(&stand, &variables);
    stand.through = ["env".to_owned()].into_iter().chain(variables).collect();
    let mut scene = Scene::on(stand, "");
    scene.load(|_| ());
    let pid = scene.stand.pid_of("daemon");
    assert_eq!(pid, Some(daemon.pid()), "another daemon does it, by the real clock");
    let mut going = scene.deploy("");
    going.until(word, "running");
    fs::write(&offset, jump).expect("the folder is writable");
    let ran = going.ended();
    let took = ran.took;
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
    let (ended_ms, now_ms) = (scene.latest()["ended_at_ms"].as_u64(), unix_ms());
    let apart_ms = ended_ms.expect("it has ended").abs_diff(now_ms);
    assert!(apart_ms > FAR_MS, "the clock did not leap: {apart_ms} ms");
    // Kept warm by its own time, neither ended at once nor for ever.
    std::thread::sleep(WARM_LOOKS);
    assert_eq!(scene.stand.instances("warm").len(), 2, "the way back is gone");
    scene.stand.cutover(&["rollback", TARGET]).expect(0);
    scene.serves(FIRST);
    assert_eq!(scene.stand.pid_of("daemon"), Some(daemon.pid()), "the daemon was replaced");
    took
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
    u64::try_from(since.as_millis()).expect("it is not that late")
}

fn variables(offset: &Path) -> Vec<String> {
    let libraries = fs::read_dir("/usr/lib").expect("there are libraries").flatten();
    let mut found = libraries.map(|it| it.path().join(LIBRARY)).filter(|it| it.exists());
    let library: PathBuf = found.next().expect("libfaketime is installed");
    vec![
        format!("LD_PRELOAD={}", library.display()),
        format!("FAKETIME_TIMESTAMP_FILE={}", offset.display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
    ]
}

/// As the command line starts one, but for the clock.
fn daemon(stand: &Stand, variables: &[String]) -> Killed {
    fs::create_dir_all(&stand.root).expect("the folder is writable");
    let log = File::create(stand.root.join("daemon.log")).expect("the folder is writable");
    let mut command = Command::new(&stand.program);
    command.args(["daemon", "--root"]).arg(&stand.root).stdin(Stdio::null()).stdout(Stdio::null());
    command.envs(variables.iter().filter_map(|it| it.split_once('='))).stderr(log);
    let daemon = Killed::start(&mut command).expect("the program can be started");
    eventually("the daemon answers", START_WAIT, || {
        (stand.status()["controller"]["pid"] == u64::from(daemon.pid())).then_some(())
    });
    daemon
}
