//! Whatever the text is, reading it ends, does not panic and points into the text.

use config::{Document, EnvFiles, EnvReadError, EnvText, render};
use proptest::prelude::*;

const GOOD: [&str; 4] = [
    config::template::EXAMPLE,
    include_str!("corpus/good/shop.yml"),
    include_str!("corpus/good/anchors.yml"),
    include_str!("corpus/good/tenants.yml"),
];

struct NoFiles;

impl EnvFiles for NoFiles {
    fn read(&self, _path: &str) -> Result<EnvText, EnvReadError> {
        Err(EnvReadError::Missing)
    }
}

fn read_whole(text: &str) {
    let (document, problems) = Document::read("any.yml", text);
    let lines = text.matches(['\n', '\r']).count() + 1;
    for problem in &problems {
        assert!((1..=lines).contains(&(problem.line as usize)), "{problem:?} of {text:?}");
        assert!(problem.column >= 1);
    }
    assert!(document.is_some() || config::any_error(&problems), "nothing is said of {text:?}");
    let shown = render::human(&problems) + &render::github(&problems) + &render::json(&problems);
    assert!(!shown.is_empty());
    if let Some(document) = document {
        for id in document.environments() {
            let resolved = document.resolve(&id, &NoFiles, false);
            assert!(resolved.is_err() || !config::any_error(&problems));
        }
    }
}

/// A good configuration, some of whose characters are replaced, removed or doubled.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..4u8, "[-\\[\\]{}:,&*!|>'\"%@#?\t\n ax0~<]");
    (0..GOOD.len(), prop::collection::vec(edit, 1..6)).prop_map(|(which, edits)| {
        let mut text: Vec<char> = GOOD[which].chars().collect();
        for (index, kind, piece) in edits {
            if text.is_empty() {
                break;
            }
            let at = index.index(text.len());
            match kind {
                0 => text.splice(at..=at, piece.chars()).for_each(drop),
                1 => text.splice(at..at, piece.chars()).for_each(drop),
                2 => text.truncate(at.max(1)),
                _ => drop(text.remove(at)),
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_whole(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_characters_of_yaml(text in "[-\\[\\]{}:,&*!|>'\"%@#?\t\r\n a0~<.\u{feff}ü]{0,200}") {
        read_whole(&text);
    }

    #[test]
    fn mutated_configurations(text in mutated()) {
        read_whole(&text);
    }

    #[test]
    fn random_env_files(text in "[A-C0=\"'\\\\ #\t\r\nexport\0ü]{0,200}") {
        let (entries, problems) = config::env_file::parse(".env", &text);
        let lines = text.lines().count() as u32 + 1;
        prop_assert!(entries.iter().all(|it| it.line <= lines && !it.value.contains('\0')));
        prop_assert!(problems.iter().all(|it| (1..=lines).contains(&it.line)));
    }
}

const PROJECT: &str = "\
\u{20} shop-@:
    source: { directory: . }
    services:
      web:
        command: [node, server.js]
        instances: 2
        routes: [/, /api]
        health: { path: /api/health }
        smoke: [{ get: /version, json: { version: '{version}' } }]
      worker: { command: [node, worker.js], env: { A: b } }
    environments:
      staging: { domains: [staging.shop-@.example], env: { NODE_ENV: staging } }
      production: { domains: [shop-@.example], version: semver, required_env: [A] }
";

#[test]
fn a_thousand_projects_are_read() {
    let projects = (0..1000).map(|index| PROJECT.replace('@', &index.to_string()));
    let text: String = ["projects:\n".to_owned()].into_iter().chain(projects).collect();
    let begun = std::time::Instant::now();
    let (document, problems) = Document::read("thousand.yml", &text);
    let took = begun.elapsed();
    assert_eq!(problems, []);
    let environments = document.expect("it has no problems").environments();
    assert_eq!(environments.len(), 2000);
    println!("1,000 projects, {} bytes: read in {} ms", text.len(), took.as_millis());
}
