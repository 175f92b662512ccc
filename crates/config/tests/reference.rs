//! The page of the book on the configuration is as the tables say.  `CUTOVER_GOLDEN=write` writes
//! it anew.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{env, fs, path::Path};

#[test]
fn the_page_on_the_configuration_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = config::schema::reference();
    if env::var_os("CUTOVER_GOLDEN").is_some_and(|it| it == "write") {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "run this test with CUTOVER_GOLDEN=write, and read the difference");
}

#[test]
fn the_page_says_of_every_key_and_every_rule() {
    let page = config::schema::reference();
    let schema = config::schema::schema();
    let shapes = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for (key, rules) in shapes.flat_map(|it| it["properties"].as_object().unwrap()) {
        let about = rules["description"].as_str().unwrap();
        let said = |line: &str| line.starts_with(&format!("| `{key}` |")) && line.contains(about);
        assert!(page.lines().any(said), "{key}: {about}");
    }
    for rule in config::lint::RULES {
        assert!(page.contains(&format!("| `{}` | {} |", rule.name, rule.about)), "{}", rule.name);
    }
}
