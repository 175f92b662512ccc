//! Configurations, good and bad, and everything that is said of them.
//!
//! Beside each `NAME.yml` stands `NAME.txt`: the problems as a person sees them and, for the good
//! ones, what their environments come to.  `CUTOVER_CORPUS=write` writes them anew.

use config::{Document, EnvFiles, EnvReadError, EnvText, lint, render};
use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

struct OneFile;

impl EnvFiles for OneFile {
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError> {
        if path != ".env.production" {
            return Err(EnvReadError::Missing);
        }
        Ok(EnvText { text: "DATABASE_URL=postgres://db.example\n".to_owned(), mode: 0o600 })
    }
}

fn corpus(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let entries = fs::read_dir(directory).expect("the corpus is there");
    let mut paths: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "yml"));
    paths.sort();
    assert!(paths.len() >= 5, "the {kind} corpus has shrunk to {}", paths.len());
    paths
}

fn compare(path: &Path, found: &str, differing: &mut Vec<String>) {
    let expected_path = path.with_extension("txt");
    if env::var_os("CUTOVER_CORPUS").is_some_and(|it| it == "write") {
        fs::write(&expected_path, found).expect("the corpus can be written");
        return;
    }
    let expected = fs::read_to_string(&expected_path).unwrap_or_default();
    if expected != found {
        differing.push(format!("{}:\n{found}", expected_path.display()));
    }
}

fn text_and_name(path: &Path) -> (String, String) {
    let text = fs::read_to_string(path).expect("it is text");
    let name = path.file_name().and_then(|it| it.to_str()).expect("it has a name").to_owned();
    (text, name)
}

#[test]
fn of_bad_ones_all_problems_are_said() {
    let mut differing = Vec::new();
    for path in corpus("bad") {
        let (text, name) = text_and_name(&path);
        let (document, problems) = Document::read(&name, &text);
        assert!(config::any_error(&problems), "{name} has no error");
        assert!(problems.is_sorted_by_key(|it| (it.line, it.column)), "{name} is not in order");
        if let Some(document) = document {
            for id in document.environments() {
                assert!(document.resolve(&id, &OneFile, false).is_err(), "{name}: {id} came of it");
            }
        }
        compare(&path, &render::human(&problems), &mut differing);
    }
    assert!(differing.is_empty(), "not as expected:\n{}", differing.join("\n"));
}

#[test]
fn every_rule_has_a_case_that_breaks_it_and_one_that_does_not() {
    let mut differing = Vec::new();
    let mut cases = 0;
    for rule in lint::RULES {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/lint");
        let problems = |kind: &str| {
            let path = directory.join(format!("{}.{kind}.yml", rule.name));
            let (text, name) = text_and_name(&path);
            let (document, problems) = Document::read(&name, &text);
            let document = document.unwrap_or_else(|| panic!("{}", render::human(&problems)));
            (path, document.check(&OneFile, false))
        };
        let (path, found) = problems("bad");
        let said = render::human(&found);
        assert!(!config::any_error(&found), "{said}");
        assert!(found.iter().any(|it| it.rule == Some(rule.name)), "{}: {said}", rule.name);
        assert!(found.iter().all(|it| it.suggestion.is_some()), "{said}");
        compare(&path, &said, &mut differing);
        let (_, found) = problems("good");
        assert!(found.iter().all(|it| it.rule.is_none()), "{}", render::human(&found));
        cases += 1;
    }
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/lint"));
    assert_eq!(files.expect("it is there").count(), 3 * cases, "a case without a rule is left");
    assert!(differing.is_empty(), "not as expected:\n{}", differing.join("\n"));
}

#[test]
fn of_good_ones_it_is_said_what_they_come_to() {
    let mut differing = Vec::new();
    for path in corpus("good") {
        let (text, name) = text_and_name(&path);
        let (document, problems) = Document::read(&name, &text);
        let mut out = render::human(&problems);
        assert!(!config::any_error(&problems), "{out}");
        let document = document.expect("it has no errors");
        for id in document.environments() {
            writeln!(out, "\n{id}").expect("writing to a string");
            match document.resolve(&id, &OneFile, false) {
                Err(problems) => out.push_str(&render::human(&problems)),
                Ok(found) => {
                    out.push_str(&render::human(&found.notes));
                    let spec = serde_json::to_string_pretty(&found.spec).expect("it is JSON");
                    writeln!(out, "{:?}\n{spec}", found.source).expect("writing to a string");
                }
            }
        }
        compare(&path, &out, &mut differing);
    }
    assert!(differing.is_empty(), "not as expected:\n{}", differing.join("\n"));
}
