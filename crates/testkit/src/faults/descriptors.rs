//! Descriptors: which an application is born with, and what happens when the proxy has none left.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    app::App,
    stand::{Layout, Stand},
    time::eventually,
};
use std::{fs, net::TcpStream, path::PathBuf, time::Duration};

/// A first thing that a program does: it writes down what descriptors it was born with.
const WITNESS: &str = r#"import os, runpy
born = {}
for name in os.listdir("/proc/self/fd"):
    try:
        born[name] = os.readlink("/proc/self/fd/" + name)
    except OSError:
        pass  # The descriptor that listed them.
with open(os.path.join("BORN", os.environ["PORT"]), "w") as file:
    file.write("\n".join(sorted(k + " " + v for k, v in born.items())))
runpy.run_path("real.py", run_name="__main__")
"#;
const DESCRIPTORS_MAX: u32 = 512;
const IDLE_CONNECTIONS: usize = 700;
const WAIT: Duration = Duration::from_secs(20);

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("python", |report| {
        let mut scene = Scene::new(Layout { app: App::Python, ..quick() });
        let release = scene.stand.release(SECOND, "");
        let born = scene.stand.folder.path().join("born");
        fs::create_dir(&born).expect("the folder is writable");
        fs::rename(release.join("server.py"), release.join("real.py")).expect("it is there");
        let witness = WITNESS.replace("BORN", &born.display().to_string());
        fs::write(release.join("server.py"), witness).expect("the release is writable");
        let from = release.display().to_string();
        let words = ["--json", "deploy", "shop/production", SECOND, "--from", &from];
        let ran = Going::start(&scene.stand, &words).ended();
        assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
        let said: Vec<PathBuf> =
            fs::read_dir(&born).expect("it is there").flatten().map(|it| it.path()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        for path in said {
            let text = fs::read_to_string(path).expect("it is there");
            let numbers: Vec<&str> =
                text.lines().filter_map(|it| Some(it.split_once(' ')?.0)).collect();
            assert_eq!(numbers, ["0", "1", "2"], "{text}");
            report.note(text.replace('\n', ", "));
        }
    });
    report
}

/// More connections than the proxy has descriptors.
pub(super) fn exhausted(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("idle connections", |report| {
        let limit = format!("--nofile={DESCRIPTORS_MAX}:{DESCRIPTORS_MAX}");
        let mut stand = Stand::new(quick());
        stand.through = ["prlimit", limit.as_str(), "--"].map(str::to_owned).to_vec();
        let scene = Scene::on(stand, "");
        let proxy = scene.stand.pid_of("proxy").expect("a proxy runs");
        let mut held: Vec<TcpStream> = Vec::new();
        for _ in 0..IDLE_CONNECTIONS {
            let stream = TcpStream::connect_timeout(&scene.stand.address, WAIT);
            held.push(stream.expect("it is taken, if only to be refused"));
        }
        // One more is told to come again, or is closed; it does not hang, and nothing dies.
        let answer = scene.stand.get("/").unwrap_or_default();
        let told = answer.is_empty() || answer.starts_with("HTTP/1.1 503");
        assert!(told, "{answer}");
        let status = scene.stand.status();
        assert_eq!(status["proxy"]["pid"], u64::from(proxy), "the proxy does not answer");
        report.note(format!("{} connections counted", status["proxy"]["connections"]));
        drop(held);
        eventually("it serves again", WAIT, || scene.stand.answers());
        assert_eq!(scene.stand.pid_of("proxy"), Some(proxy));
        scene.serves(FIRST);
    });
    report
}
