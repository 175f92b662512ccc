//! A daemon of another version takes over in the midst of a deployment: it finds a plan that was
//! made by another build.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    stand::{Layout, alive, kill},
    time::eventually,
};
use rustix::process::Signal;
use std::{process::Command, time::Duration};

const DEATH_WAIT: Duration = Duration::from_secs(10);
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Changes the plan of the deployment that goes on: its version by so much, or a step's word.
const CHANGE: &str = r#"import json, sqlite3, sys
journal = sqlite3.connect(sys.argv[1])
found = journal.execute("SELECT id, plan FROM deployment WHERE stage = 'running'").fetchall()
assert len(found) == 1, found
plan, what, to = json.loads(found[0][1]), sys.argv[2], sys.argv[3]
if what == "version":
    plan["version"] += int(to)
else:
    steps = [step for step in plan["steps"] if step["step"] == what]
    assert len(steps) == 1, plan
    steps[0].clear()
    steps[0]["step"] = to
journal.execute("UPDATE deployment SET plan = ? WHERE id = ?", (json.dumps(plan), found[0][0]))
journal.commit()
"#;

/// The plan of a build that this one finds.
#[derive(Clone, Copy, Debug)]
struct Found {
    name: &'static str,
    /// What is otherwise in it, and how.
    change: [&'static str; 2],
}

const NEWER: Found = Found { name: "newer", change: ["version", "97"] };
const OLDER: Found = Found { name: "older", change: ["version", "-1"] };
const UNKNOWN: Found = Found { name: "unknown step", change: ["manifest", "fly"] };

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let words = context.pick(vec!["bake"], vec!["stage", "health", "bake"]);
    for word in words {
        report.case(&format!("newer, at {word}"), |report| {
            let mut scene = found(NEWER, word);
            let outcome = scene.check(FIRST, SECOND, None, Allowed::NONE);
            assert_ne!(outcome, "deployed", "it was taken for a plan of ours");
            report.note(format!("newer at {word}: {outcome}"));
        });
        report.case(&format!("older, at {word}"), |report| {
            let mut scene = found(OLDER, word);
            let outcome = scene.check(FIRST, SECOND, None, Allowed::NONE);
            report.note(format!("older at {word}: {outcome}"));
        });
    }
    report.case("a step that is not known", |report| {
        let mut scene = found(UNKNOWN, "health");
        // It can be neither done nor undone: somebody has to look, and is told.
        scene.settled();
        let record = scene.latest();
        assert_eq!(record["stage"]["ended"], "needs_attention", "{record}");
        let said = record["failure"].to_string();
        assert!(said.contains("another version"), "it does not say why: {said}");
        assert_eq!(scene.stand.answers().as_deref(), Some(FIRST));
        // What goes on from what is there needs no plan of before.
        scene.stand.deploy("3.0.0", "").expect(0);
        scene.stand.until_answers("3.0.0", ANSWER_WAIT);
        scene.finish(Allowed::NONE);
        report.note("unknown step: needs attention, the next deployment works");
    });
    report
}

/// A daemon that has met it, after the one that planned died.
fn found(found: Found, word: &str) -> Scene {
    let scene = Scene::new(Layout { bake_s: 3.0, ..quick() });
    let mut going = scene.deploy("");
    going.until(word, "running");
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    // Stopped first: the command line, too, would start another at once.
    going.kill();
    kill(daemon, Signal::KILL);
    eventually("the daemon is dead", DEATH_WAIT, || (!alive(daemon)).then_some(()));
    let mut python = Command::new("python3");
    python.args(["-c", CHANGE]).arg(scene.stand.root.join("state.db")).args(found.change);
    assert!(python.status().expect("python3 is installed").success(), "the plan was not changed");
    let ran = scene.stand.cutover(&["daemon", "start"]);
    assert_eq!(ran.code, Some(0), "{}: {}", found.name, ran.text());
    scene
}
