//! The guide's commands, typed in its order on a running installation.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{fs, time::Duration};
use testkit::{
    app::App,
    book::{Typed, commands, page},
    stand::{Layout, Stand, kill},
    time::eventually,
};

const MOMENT: Duration = Duration::from_secs(30);

#[test]
fn the_guide_can_be_typed() {
    let stand = Stand::new(Layout { app: App::Node, bake_s: 0.5, ..Layout::default() });
    let text = fs::read_to_string(stand.config()).unwrap();
    // The application has a folder of its own beside what the test writes.
    let text = text.replace("{ directory: . }", "{ directory: app }");
    fs::write(stand.config(), text).unwrap();
    let folder = stand.folder.path().join("app");
    App::Node.release(&folder, "1.1.0", "").unwrap();
    stand.cutover(&["deploy", "production", "1.1.0"]).expect(0);
    App::Node.release(&folder, "1.2.0", "").unwrap();

    let typed = commands(&page("guide.md"));
    for Typed { place, words } in &typed {
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        println!("{place}: cutover {}", words.join(" "));
        if words.contains(&"-f") {
            follows(&stand, &words);
            continue;
        }
        stand.cutover_within(&words, MOMENT * 2).expect(0);
    }
    assert!(typed.iter().any(|it| it.words.iter().any(|word| word == "rollback")));
}

/// A command that goes on until it is told to end.
fn follows(stand: &Stand, words: &[&str]) {
    let (mut going, out, error) = stand.start(words);
    let said = || fs::read_to_string(&out).is_ok_and(|it| !it.is_empty());
    let text = || fs::read_to_string(&error).unwrap_or_default();
    eventually(&format!("it shows something; {}", text()), MOMENT, || said().then_some(()));
    assert_eq!(going.exited(), None, "{}", text());
    kill(going.pid(), rustix::process::Signal::INT);
    going.ended(MOMENT);
}
