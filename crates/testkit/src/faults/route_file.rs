//! The route file at the instant of its rename, and route files that were damaged.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    kill_point::{KillPoint, Side, Tracer},
    stand::{Layout, TARGET, alive, kill},
    time::eventually,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

const BACK_WAIT: Duration = Duration::from_secs(15);
const LIVE: &str = "shop.production.json";
const RENAMES: &str = "rename,renameat,renameat2";

pub(super) fn killed_at_rename(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mut live = vec![];
    report.case("counting", |report| {
        live = renames_to_live();
        report.note(format!("renames {live:?} put a generation in force"));
    });
    for commit in live {
        for side in [Side::Before, Side::After] {
            let point = KillPoint { commit, side };
            report.case(&format!("rename {commit} {side:?}"), |report| at_rename(report, point));
        }
    }
    report
}

fn layout() -> Layout {
    Layout { bake_s: 1.5, ..quick() }
}

/// Which of the proxy's renames in a deployment are onto the live file.
fn renames_to_live() -> Vec<u32> {
    let mut scene = Scene::new(layout());
    let proxy = scene.stand.pid_of("proxy").expect("a proxy runs");
    let tracer = Tracer::on(proxy, RENAMES, None, None);
    let ran = scene.deploy("").ended();
    let seen = tracer.seen();
    drop(tracer);
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
    let onto = format!("/{LIVE}\")");
    let renames = seen.lines().filter(|it| it.contains("rename"));
    let numbered = (1_u32..).zip(renames).filter(|it| it.1.contains(&onto));
    let live: Vec<u32> = numbered.map(|it| it.0).collect();
    assert_eq!(live.len(), 2, "a trial and its confirmation: {seen}");
    live
}

fn at_rename(report: &mut Report, point: KillPoint) {
    let mut scene = Scene::new(layout());
    let proxy = scene.stand.pid_of("proxy").expect("a proxy runs");
    let fault = format!("{}:when={}", point.side.fault(), point.commit);
    let tracer = Tracer::on(proxy, RENAMES, None, Some(&fault));
    let going = RefCell::new(scene.deploy(""));
    let reached = tracer.reached(point, END_WAIT, || going.borrow_mut().goes_on());
    let seen = tracer.seen();
    drop(tracer);
    assert!(reached, "the proxy did not rename so often: {seen}");
    report.kill_points += 1;
    let ran = Going::ended(going.into_inner());
    let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::IN_FLIGHT);
    report.note(outcome);
}

/// How a route file is damaged.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Empty,
    Half,
    BitFlip,
    Checksum,
    NoJson,
}

impl Damage {
    const ALL: [Self; 5] = [Self::Empty, Self::Half, Self::BitFlip, Self::Checksum, Self::NoJson];

    fn of(self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Empty => bytes.clear(),
            Self::Half => bytes.truncate(bytes.len() / 2),
            Self::BitFlip => {
                // In an address: still JSON, and another port.
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let at = text.find("127.0.0.1:").expect("a route names an address");
                bytes[at + "127.0.0.1:".len()] ^= 1;
            }
            Self::Checksum => {
                // In place: the rest of the file is as it was written.
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let key = text.find("\"checksum\"").expect("it has a checksum");
                let at = key + text[key..].find(": \"").expect("it is a text") + ": \"".len();
                bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            }
            Self::NoJson => bytes = b"<html>404</html>".to_vec(),
        }
        bytes
    }
}

pub(super) fn broken(context: &Context) -> Report {
    let mut report = Report::new(context);
    for damage in Damage::ALL {
        report.case(&format!("{damage:?}"), |report| damaged(report, damage));
    }
    report.case("orders of an older epoch", |_| old_epoch());
    report
}

fn live(scene: &Scene) -> PathBuf {
    scene.stand.root.join("routes").join(LIVE)
}

/// After a deployment the old is warm, and its generation lies beside the live file.
fn two_releases() -> Scene {
    let scene = Scene::quiet(quick(), "");
    scene.stand.deploy(SECOND, "").expect(0);
    scene
}

fn damaged(report: &mut Report, damage: Damage) {
    let mut scene = two_releases();
    let path = live(&scene);
    let good = fs::read(&path).expect("a live file is there");
    fs::write(&path, damage.of(good)).expect("the routes are writable");
    // Until it is read again nothing changes.
    assert_eq!(scene.stand.answers().as_deref(), Some(SECOND));
    let proxy = scene.stand.pid_of("proxy").expect("a proxy runs");
    kill(proxy, Signal::KILL);
    eventually("the proxy is dead", BACK_WAIT, || (!alive(proxy)).then_some(()));
    let served = eventually("a release answers again", BACK_WAIT, || scene.stand.answers());
    report.note(format!("{served} serves"));
    let status = scene.stand.status();
    let alerts = status["alerts"].to_string();
    assert!(alerts.contains("shop.production"), "no alert of it: {alerts}");
    let said = &status["environments"][0]["serving"][0]["version"];
    assert_eq!(*said, json!(served), "status says {said}");
    // The next deployment puts it right.
    scene.load(|_| ());
    let ran = Going::deploy(&scene.stand, "3.0.0", "", &[]).ended();
    scene.check(&served, "3.0.0", Some(&ran), Allowed::NONE);
    assert_eq!(ran.code, Some(0));
}

/// What a daemon says that was replaced long ago.
fn old_epoch() {
    let mut scene = two_releases();
    scene.stand.cutover(&["daemon", "stop"]).expect(0);
    scene.stand.cutover(&["restart", TARGET]).expect(0);
    scene.load(|_| ());
    let environment = scene.stand.environment();
    let generation = environment["generation"].as_u64().expect("a generation is in force");
    let (name, epoch) = ("shop.production", 1);
    let install = json!({
        "ask": "install", "environment": name, "generation": generation + 1,
        "expects": generation, "epoch": epoch,
    });
    // A whole, good file with the epoch of the first daemon, staged by it before it was stopped.
    let mut staged: Value =
        serde_json::from_slice(&fs::read(live(&scene)).expect("it is there")).expect("JSON");
    staged["generation"] = json!(generation + 1);
    staged["epoch"] = json!(epoch);
    let path = live(&scene).with_file_name(format!("{name}.{}.json", generation + 1));
    fs::write(&path, serde_json::to_vec(&staged).expect("JSON")).expect("writable");
    let answer = asked(&scene.stand.root.join("proxy/control.sock"), &install);
    assert_eq!((&answer["answer"], &answer["reason"]), (&json!("refused"), &json!("epoch")));
    fs::remove_file(&path).expect("it was not taken");
    let (instance, app) = scene.stand.instances("serving").remove(0);
    let socket = scene.stand.root.join("run").join(instance).join("supervise.sock");
    let answer = asked(&socket, &json!({ "ask": "stop", "epoch": epoch }));
    assert_eq!(answer["answer"], json!("refused"), "{answer}");
    assert!(alive(app));
    scene.serves(SECOND);
    scene.finish(Allowed::NONE);
}

/// One line to a socket, and the line that is answered.
fn asked(socket: &std::path::Path, ask: &Value) -> Value {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(BACK_WAIT)).expect("sockets have time-outs");
    writeln!(stream, "{ask}").expect("it takes a line");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("it answers");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
