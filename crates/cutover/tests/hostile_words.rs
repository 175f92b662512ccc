//! Words that a shell would run, or a program would take for an option, in every place of a
//! configuration and a command line that has a word of the user's: none of them is run.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rusqlite::Connection;
use std::{fs, path::Path};
use testkit::stand::{HOST, Layout, Stand, TARGET};

/// For a canary at this path.
fn words(at: &str) -> [String; 9] {
    [
        format!(";touch {at}"),
        format!("$(touch {at})"),
        format!("`touch {at}`"),
        format!("| touch {at}"),
        format!("1.0.0\ntouch {at}"),
        format!("-oProxyCommand=touch {at}"),
        format!("--upload-pack=touch {at}"),
        format!("ext::sh -c touch% {at}"),
        "-rf".to_owned(),
    ]
}

#[test]
fn words_of_a_user_are_never_run() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    let canary = stand.folder.path().join("canary");
    let words = words(&canary.display().to_string());
    stand.deploy("1.0.0", "").expect(0);
    let from = stand.release("2.0.0", "").display().to_string();
    let plain = fs::read_to_string(stand.config()).unwrap();
    for word in &words {
        let fails = |what: &str, words: &[&str]| {
            let ran = stand.cutover(words);
            assert!(matches!(ran.code, Some(1 | 2)), "{what} {word:?}: {}", ran.text());
            assert!(!canary.exists(), "{what} {word:?} was run");
        };
        fails("a version", &["deploy", TARGET, "--yes", "--from", &from, "--", word]);
        fails("a source", &["deploy", TARGET, "3.0.0", "--yes", &format!("--from={word}")]);
        fails("a version to go back to", &["rollback", TARGET, &format!("--to={word}")]);
        fails("a release", &["migrate", "status", TARGET, &format!("--release={word}")]);
        fails("a backup", &["backup", "verify", TARGET, "--", word]);
        let quoted = serde_json::to_string(word).unwrap();
        let repository = stand.folder.path().display();
        for (what, source) in [
            ("a branch", format!("{{ git: {{ url: \"{repository}\", ref: {quoted} }} }}")),
            ("a repository", format!("{{ git: {{ url: {quoted}, ref: main }} }}")),
            ("a directory", format!("{{ directory: {quoted} }}")),
        ] {
            let text = plain.replace("source: { directory: . }", &format!("source: {source}"));
            assert_ne!(text, plain);
            fs::write(stand.config(), text).unwrap();
            fails(what, &["deploy", TARGET, "3.0.0", "--yes"]);
        }
    }
    assert_eq!(stand.answers().as_deref(), Some("1.0.0"));
    paths_are_paths(&stand, &plain, &words, &canary);
    stand.down().expect(0);
}

/// Paths of databases and directories that are backed up, arguments of a build and of a migration:
/// whatever they are called, they are what they say.
fn paths_are_paths(stand: &Stand, plain: &str, words: &[String], canary: &Path) {
    let root = stand.folder.path().join("data");
    let (mut databases, mut files, mut arguments) = (vec![], vec![], vec![]);
    for (at, word) in words.iter().enumerate() {
        let directory = root.join(format!("{at}")).join(word.trim_start_matches('/'));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("it's \"a\" database; $(x).db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
        let quoted = |it: &Path| serde_json::to_string(it.to_str().unwrap()).unwrap();
        // A newline is in no path that is configured.
        if !word.contains('\n') {
            databases.push(format!("d{at}: {{ kind: sqlite, path: {} }}", quoted(&path)));
            files.push(quoted(&directory));
        }
        arguments.push(serde_json::to_string(word).unwrap());
    }
    let arguments = arguments.join(", ");
    let backup = format!(
        "production: {{ backup: {{ databases: {{ {} }}, files: [{}] }}, domains: [{HOST}]",
        databases.join(", "),
        files.join(", ")
    );
    let text = plain.replace(&format!("production: {{ domains: [{HOST}]"), &backup);
    let build = format!("build: {{ commands: [[printf, \"%s\", {arguments}]] }}\n    services:");
    let text = text.replace("services:", &build);
    let migrate = format!("migrate: {{ command: [printf, \"%s\", {arguments}] }}\n        smoke:");
    let text = text.replace("smoke:", &migrate);
    fs::write(stand.config(), text).unwrap();
    let ran = stand.deploy("2.0.0", "").expect(0);
    assert!(!canary.exists(), "{}", ran.text());
    let listed = stand.cutover(&["--json", "backup", "list", TARGET]).expect(0).out;
    assert!(listed.contains("d0") && listed.contains("d8"), "{listed}");
    stand.cutover(&["backup", "verify", TARGET, "latest"]).expect(0);
    assert!(!canary.exists());
}
