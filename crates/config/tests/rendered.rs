//! Problems as they are shown.

use config::{Document, render};

const TEXT: &str =
    "projects:\n  shop:\n    servces: {}\n    environments:\n      p: { domains: [a.b] }\n";

#[test]
fn to_a_person() {
    let (_, problems) = Document::read("cutover.yml", TEXT);
    let expected = "\
cutover.yml:3:5: unknown key `servces`
  3 |     servces: {}
    |     ^^^^^^^
    = did you mean `services`?
";
    assert_eq!(render::human(&problems), expected);
}

#[test]
fn to_a_program() {
    let (_, problems) = Document::read("cutover.yml", TEXT);
    let found: serde_json::Value =
        serde_json::from_str(&render::json(&problems)).expect("it is JSON");
    let expected = serde_json::json!([{
        "file": "cutover.yml",
        "line": 3,
        "column": 5,
        "path": "projects.shop.servces",
        "severity": "error",
        "message": "unknown key `servces`",
        "suggestion": "did you mean `services`?",
    }]);
    assert_eq!(found, expected);
    assert_eq!(render::json(&[]), "[]");
}

#[test]
fn to_github() {
    let (_, problems) = Document::read("deploy/a,b:c.yml", TEXT);
    let expected = "::error file=deploy/a%2Cb%3Ac.yml,line=3,col=5::unknown key `servces` (did you \
                    mean `services`?)\n";
    assert_eq!(render::github(&problems), expected);
    let (_, problems) = Document::read("c.yml", "projects: { \"a%\\nb\": 1 }\n");
    let found = render::github(&problems);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("a%25%0Ab"), "{found}");
}

#[test]
fn control_characters_do_not_reach_a_terminal() {
    let (_, problems) = Document::read("c.yml", "projects: { \"a\\e[31m\": 1 }\n\"\u{9b}\": 2\n");
    assert!(!problems.is_empty());
    let shown = render::human(&problems);
    assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let padding = "a".repeat(500);
    let text = format!("x-a: {padding}\nx-b: {{ {padding}: 1, {padding}: 2, z: 3 }}\n");
    let (_, problems) = Document::read("c.yml", &text);
    let shown = render::human(&problems);
    assert!(shown.contains("given twice"), "{shown}");
    assert!(shown.lines().all(|it| it.chars().count() <= 700), "{shown}");
    let source = shown.lines().find(|it| it.starts_with("  2 |")).expect("it is shown");
    assert!(source.chars().count() < 140 && source.contains('…'), "{source}");
}
