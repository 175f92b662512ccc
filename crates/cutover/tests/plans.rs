//! Plans that are saved and done as reviewed; releases that are prepared, and started later.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use serde_json::Value;
use std::{fs, time::Duration};
use testkit::{
    stand::{Layout, Ran, Stand, TARGET},
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("no object: {}", ran.text()))
}

fn id(kept: &Value) -> String {
    kept["saved"]["id"].as_str().unwrap_or_else(|| panic!("nothing kept: {kept}")).to_owned()
}

#[test]
fn a_saved_plan_is_done_as_it_was_reviewed_or_refused_by_what_changed() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let from = stand.release("1.1.0", "");
    fs::write(from.join("page.txt"), "reviewed").unwrap();
    let directory = from.display().to_string();
    let words = ["--json", "plan", TARGET, "1.1.0", "--from", &directory, "--save"];
    let planned = json(&stand.cutover(&words).expect(0));
    let added = &planned["changes"]["files"]["added"];
    assert_eq!((&added["count"], &added["names"][0]), (&1.into(), &"page.txt".into()), "{added}");
    let plan = id(&planned);
    assert!(stand.cutover(&["status"]).expect(0).out.contains(&plan));
    fs::write(from.join("page.txt"), "written since").unwrap();
    stand.cutover(&["deploy", "--plan", &plan, "--yes"]).expect(0);
    let placed = stand.root.join("projects/shop/production/releases/1.1.0/page.txt");
    assert_eq!(fs::read_to_string(placed).unwrap(), "reviewed");
    let is_kept = || stand.cutover(&["status"]).out.contains(&plan);
    eventually("the plan is used up", MOMENT, || (!is_kept()).then_some(()));
    stand.cutover(&["deploy", "--plan", &plan, "--yes"]).expect(1);

    let directory = stand.release("1.2.0", "").display().to_string();
    let words = ["--json", "plan", TARGET, "1.2.0", "--from", &directory, "--save"];
    let plan = id(&json(&stand.cutover(&words).expect(0)));
    stand.cutover(&["restart", TARGET]).expect(0);
    let configuration = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), configuration.replace("bake: 200ms", "bake: 300ms")).unwrap();
    let refused = stand.cutover(&["deploy", "--plan", &plan, "--yes"]).expect(2);
    for part in ["routes: generation", "instances: -shop", "configuration: web.bake", "1.1.0"] {
        assert!(refused.error.contains(part), "{part}: {}", refused.text());
    }
    assert_eq!(stand.serving(), ["1.1.0"]);
}

#[test]
fn a_prepared_release_is_started_later_and_kept_until_then() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let directory = stand.release("2.0.0", "").display().to_string();
    let words = ["--json", "deploy", TARGET, "2.0.0", "--from", &directory, "--prepare"];
    let prepared = id(&json(&stand.cutover(&words).expect(0)));
    assert_eq!(stand.serving(), ["1.0.0"]);
    let environment = stand.root.join("projects/shop/production");
    assert!(environment.join("releases/2.0.0").is_dir());
    let pruned = stand.cutover(&["releases", "prune", TARGET, "--keep", "0"]).expect(0);
    assert!(pruned.out.contains("prepared"), "{}", pruned.text());
    assert!(environment.join("releases/2.0.0").is_dir());
    stand.cutover(&["deploy", "--plan", &prepared, "--yes"]).expect(1);
    // What serves by then is another: it is planned anew.
    stand.cutover(&["restart", TARGET]).expect(0);
    stand.cutover(&["deploy", "--prepared", &prepared, "--yes"]).expect(0);
    assert_eq!(stand.serving(), ["2.0.0"]);
    let shown = json(&stand.cutover(&["--json", "show", "latest"]).expect(0));
    let points = shown["checklist"].as_array().unwrap();
    let answer = |point: &str| {
        let found = points.iter().find(|it| it["point"] == point);
        found.unwrap_or_else(|| panic!("no {point}: {points:?}"))["answer"].clone()
    };
    assert_eq!(answer("routes lead to the new"), "yes");
    assert_eq!(answer("a backup was made and verified"), "not_asked");

    // What is frozen is refused before anything is sent.
    stand.cutover(&["freeze", TARGET, "--reason", "holidays"]).expect(0);
    let refused = stand.deploy("3.0.0", "").expect(2);
    assert!(!refused.text().contains("upload"), "{}", refused.text());
    assert!(refused.error.contains("holidays"), "{}", refused.text());
}
