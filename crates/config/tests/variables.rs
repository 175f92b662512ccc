//! Variables from all sources: which wins, what is said, and what is never shown.

use config::{Document, EnvFiles, EnvFilesIn, EnvReadError, EnvText, Problem, Resolved, render};
use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt};

#[derive(Default)]
struct Files(HashMap<&'static str, (&'static str, u32)>);

impl Files {
    fn with(mut self, path: &'static str, text: &'static str, mode: u32) -> Files {
        self.0.insert(path, (text, mode));
        self
    }
}

impl EnvFiles for Files {
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError> {
        let (text, mode) = self.0.get(path).ok_or(EnvReadError::Missing)?;
        Ok(EnvText { text: (*text).to_owned(), mode: *mode })
    }
}

/// `service`, `environment` and `over` are keys of the service, of the environment, and of the
/// service within the environment.
fn resolve(
    service: &str,
    environment: &str,
    over: &str,
    files: &dyn EnvFiles,
) -> Result<Resolved, Vec<Problem>> {
    let text = format!(
        "projects:\n  shop:\n    services:\n      web: {{ command: [web], {service} }}\n    \
         environments:\n      production:\n        {environment}\n        services: {{ web: {{ \
         {over} }} }}\n"
    );
    let (document, problems) = Document::read("cutover.yml", &text);
    assert_eq!(problems, [], "{text}");
    let id = "shop/production".parse().expect("an id");
    document.expect("it has no problems").resolve(&id, files, false)
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|it| format!("{}:{}:{}: {}", it.file, it.line, it.column, it.message))
        .collect()
}

#[test]
fn later_sources_win_and_repetitions_are_noted() {
    let files = Files::default().with(".env.web", "A=web-file\nB=web-file\n", 0o600).with(
        ".env",
        "B=file\nC=file\n",
        0o400,
    );
    let found = resolve(
        "env_file: .env.web, env: { C: service, D: service, E: service }",
        "env_file: .env\n        env: { D: environment }",
        "env: { E: over }",
        &files,
    )
    .expect("it resolves");
    let web = &found.spec.services[0];
    let values: Vec<(&str, &str)> =
        web.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected =
        [("A", "web-file"), ("B", "file"), ("C", "service"), ("D", "environment"), ("E", "over")];
    assert_eq!(values, expected);
    assert_eq!(web.secret_env, ["A", "B"]);
    assert_eq!(found.env_files, [".env.web", ".env"]);
    let expected = [
        ".env:1:1: `B` is also set at .env.web:2; the value here is used",
        "cutover.yml:4:57: `C` is also set at .env:2; the value here is used",
        "cutover.yml:8:16: `D` is also set at 4:69; the value here is used",
    ];
    assert_eq!(messages(&found.notes), expected);
}

#[test]
fn what_every_instance_is_given_may_be_overridden_with_a_warning() {
    let found = resolve("env: { PORT: 3000, HOST: '::' }", "env: {}", "", &Files::default());
    let notes = found.expect("it resolves").notes;
    let expected = [
        "cutover.yml:4:37: `PORT` is given to each instance; the value here is used",
        "cutover.yml:4:49: `HOST` is given to each instance; the value here is used",
    ];
    assert_eq!(messages(&notes), expected);
    assert_eq!(notes[0].severity, config::Severity::Warning);
    assert_eq!(notes[1].severity, config::Severity::Note);
}

#[test]
fn an_env_file_must_be_there_and_closed_to_others() {
    let problems = resolve("drain: 5", "env_file: .env", "", &Files::default())
        .expect_err("there is no such file");
    assert_eq!(messages(&problems), ["cutover.yml:7:19: the env file `.env` does not exist"]);

    for mode in [0o644, 0o640, 0o601, 0o100_660] {
        let files = Files::default().with(".env", "A=1\n", mode);
        let problems = resolve("drain: 5", "env_file: .env", "", &files).expect_err("it is open");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("open to other users"), "{problems:?}");
        assert_eq!(problems[0].suggestion.as_deref(), Some("run `chmod 600 .env`"));
        assert_eq!((problems[0].line, problems[0].column), (7, 19));
    }
    for mode in [0o600, 0o400, 0o100_700] {
        let files = Files::default().with(".env", "A=1\n", mode);
        assert!(resolve("drain: 5", "env_file: .env", "", &files).is_ok());
    }
}

#[test]
fn required_names_are_set_and_mean_something() {
    let text = "OK=value\nEMPTY=\nBLANK='  '\nCHANGE=changeme\nLATER=TODO\nHOLE=<password>\n\
                CROSSED=xxxx\nYOURS=your-api-key\n";
    let files = Files::default().with(".env", text, 0o600);
    let environment = "env_file: .env\n        required_env: [OK, EMPTY, BLANK, CHANGE, LATER, \
                       HOLE, CROSSED, YOURS, GONE]";
    let problems = resolve("drain: 5", environment, "", &files).expect_err("most are wrong");
    let said: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    let expected = [
        "`EMPTY` is required and is empty",
        "`BLANK` is required and is empty",
        "`CHANGE` is required and holds only a stand-in",
        "`LATER` is required and holds only a stand-in",
        "`HOLE` is required and holds only a stand-in",
        "`CROSSED` is required and holds only a stand-in",
        "`YOURS` is required and holds only a stand-in",
        "`GONE` is required and is not set",
    ];
    assert_eq!(said, expected);
    assert!(problems.iter().all(|it| it.suggestion.as_deref() == Some("set it in `.env`")));
    let shown = render::human(&problems) + &render::json(&problems);
    for value in ["changeme", "<password>", "your-api-key", "xxxx"] {
        assert!(!shown.contains(value), "{value} is shown: {shown}");
    }
}

#[test]
fn an_example_file_names_what_is_required() {
    let files = Files::default()
        .with(".env.example", "# names\nA=\nB=your-key\n", 0o644)
        .with(".env", "A=1\n", 0o600);
    let environment = "env_file: .env\n        required_env: example";
    let problems = resolve("drain: 5", environment, "", &files).expect_err("B is not set");
    assert_eq!(messages(&problems), ["cutover.yml:8:23: `B` is required and is not set"]);
    let found = resolve("env: { B: here }", environment, "", &files).expect("both are set");
    assert_eq!(found.required_env, ["A", "B"]);
    assert_eq!(found.env_files, [".env"]);
    let problems = resolve("drain: 5", "required_env: example", "", &Files::default());
    let problems = problems.expect_err("there is no example");
    assert!(problems[0].message.contains("`.env.example` does not exist"), "{problems:?}");
}

#[test]
fn no_problem_shows_a_value_of_an_env_file() {
    let text = "A=\"hunter2\" trailing-hunter2\nhunter2 hunter2\nCUTOVER_X=hunter2\n\
                N=\"hunter2\0\"\nA=hunter2\nQ='hunter2\nO=\"hunter2";
    let files = Files::default().with(".env", text, 0o600);
    let problems = resolve("drain: 5", "env_file: .env", "", &files).expect_err("it is broken");
    let places: Vec<(u32, u32)> = problems.iter().map(|it| (it.line, it.column)).collect();
    assert_eq!(places, [(1, 13), (2, 1), (3, 1), (4, 1), (5, 1), (6, 3), (7, 3)], "{problems:?}");
    assert!(problems.iter().all(|it| it.file == ".env" && it.excerpt.is_none()));
    let shown = render::human(&problems) + &render::json(&problems) + &render::github(&problems);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn env_files_are_read_as_they_are_written() {
    let text = "\u{feff}# comment\r\n\r\nPLAIN=a b # comment\nHASH=a#b\nexport EXPORTED=yes\n\
                \tSPACED = x \nEMPTY=\nDOUBLE=\"a\\n\\\"b\\\" $HOME \\\\ \\d\" # comment\n\
                SINGLE='a\\n\"b\" #c'\nKEY=\"-----BEGIN\nmiddle\r\nEND-----\"\nLAST=1";
    let (entries, problems) = config::env_file::parse(".env", text);
    assert_eq!(problems, []);
    let found: Vec<(&str, &str, u32, u32)> = entries
        .iter()
        .map(|it| (it.name.as_str(), it.value.as_str(), it.line, it.column))
        .collect();
    let expected = [
        ("PLAIN", "a b", 3, 1),
        ("HASH", "a#b", 4, 1),
        ("EXPORTED", "yes", 5, 8),
        ("SPACED", "x", 6, 2),
        ("EMPTY", "", 7, 1),
        ("DOUBLE", "a\n\"b\" $HOME \\ \\d", 8, 1),
        ("SINGLE", "a\\n\"b\" #c", 9, 1),
        ("KEY", "-----BEGIN\nmiddle\nEND-----", 10, 1),
        ("LAST", "1", 13, 1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn of_a_name_set_twice_in_one_file_the_last_counts() {
    let (entries, problems) = config::env_file::parse(".env", "A=1\nB=2\nA=3\n");
    let found: Vec<(&str, &str)> =
        entries.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
    assert_eq!(found, [("B", "2"), ("A", "3")]);
    assert_eq!(messages(&problems), [".env:3:1: `A` is set twice: line 1 is overridden here"]);
}

#[test]
fn env_files_are_read_from_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = EnvFilesIn::new(directory.path());
    let path = directory.path().join(".env");
    fs::write(&path, "A=1\n").expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let found =
        files.read(".env").map_err(|it| it.to_string()).map(|it| (it.text, it.mode & 0o777));
    assert_eq!(found, Ok(("A=1\n".to_owned(), 0o640)));
    let failed = |name: &str| files.read(name).err();
    assert_eq!(failed("none"), Some(EnvReadError::Missing));
    assert_eq!(failed(".env/none"), Some(EnvReadError::Missing));
    assert_eq!(failed("."), Some(EnvReadError::NotAFile));
    fs::write(directory.path().join("bytes"), b"A=\xff\n").expect("it is written");
    assert_eq!(failed("bytes"), Some(EnvReadError::NotText));
    let large = vec![b'#'; config::read::ENV_FILE_BYTES_MAX + 1];
    fs::write(directory.path().join("large"), large).expect("it is written");
    assert_eq!(failed("large"), Some(EnvReadError::TooLarge));
}

#[test]
fn configurations_are_read_from_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(config::read::find_config(directory.path()), None);
    let path = directory.path().join("cutover.yml");
    let missing = config::read::read_config(&path).expect_err("there is none");
    assert!(missing.suggestion.as_ref().is_some_and(|it| it.contains("cutover init")));
    fs::write(&path, b"projects:\n  gr\xc3\xbc\xff: {}\n").expect("it is written");
    let problem = config::read::read_config(&path).expect_err("it is not text");
    assert_eq!((problem.line, problem.column), (2, 6));
    fs::write(&path, "projects: {}\n").expect("it is written");
    assert_eq!(config::read::read_config(&path).as_deref(), Ok("projects: {}\n"));
    assert_eq!(config::read::find_config(directory.path()), Some(path));
}

#[test]
fn an_env_file_without_end_is_not_read_to_its_end() {
    let many: String = (0..20_000).map(|it| format!("A{it}=\n")).collect();
    let (entries, problems) = config::env_file::parse(".env", &many);
    assert_eq!(entries.len(), 10_000);
    assert_eq!((problems.len(), problems[0].line), (1, 10_001));
    let (_, problems) = config::env_file::parse(".env", &"no\n".repeat(20_000));
    assert_eq!(problems.len(), 101);
}

#[test]
fn dotenv_files_are_laid_over_each_other_in_their_order() {
    let files = Files::default()
        .with(".env", "A=env\nB=env\nC=env\n", 0o600)
        .with(".env.local", "B=local\nC=local\n", 0o600)
        .with(".env.production", "C=production\n", 0o600);
    let found = resolve("", "env_file: dotenv", "", &files).expect("it resolves");
    let web = &found.spec.services[0];
    let values: Vec<&str> = web.env.values().map(String::as_str).collect();
    assert_eq!(values, ["env", "local", "production"]);
    assert_eq!(found.env_files, [".env", ".env.local", ".env.production"]);
    assert_eq!(messages(&found.notes), Vec::<String>::new());
    let only = Files::default().with(".env.production", "A=b\n", 0o600);
    let found = resolve("env_file: dotenv", "", "", &only).expect("it resolves");
    assert_eq!(found.env_files, [".env.production"]);
    let none = resolve("", "env_file: dotenv", "", &Files::default()).expect_err("none is there");
    assert_eq!(
        none[0].message,
        "none of the env files `.env`, `.env.local`, `.env.production` is there"
    );
    let open = Files::default().with(".env", "A=b\n", 0o644);
    let open = resolve("", "env_file: dotenv", "", &open).expect_err("it is open");
    assert!(open[0].message.contains("is open to other users"), "{open:?}");
}

#[test]
fn variables_of_the_build_are_no_instances() {
    let found =
        resolve("env: { run: { A: b }, C: d }", "env: { run: { A: e } }", "", &Files::default());
    let found = found.expect("it resolves");
    let values: Vec<(&str, &str)> =
        found.spec.services[0].env.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    assert_eq!(values, [("A", "e"), ("C", "d")]);
    let refused = resolve("env: { build: { VITE_API: x } }", "", "", &Files::default());
    let refused = refused.expect_err("nothing is built");
    assert_eq!(
        messages(&refused),
        ["cutover.yml:4:46: `VITE_API` is for the build, and nothing is built"]
    );
    // A variable may be called so.
    let found = resolve("env: { build: 17 }", "", "", &Files::default()).expect("it resolves");
    assert_eq!(found.spec.services[0].env["build"], "17");
    let text = "projects: { a: { services: { web: { command: [x], env: { A: { b: c } } } }, \
                environments: { production: } } }";
    let (_, problems) = Document::read("cutover.yml", text);
    assert_eq!(problems[0].message, "`A` must be text, not a mapping");
}

#[test]
fn stand_ins_within_addresses_are_known() {
    for (value, fits) in [
        ("postgresql://user:pass@host:5432/dbname", false),
        ("https://your-domain.com", false),
        ("your-secret-key-here", false),
        ("<password>", false),
        ("xxx", false),
        ("postgres://shop:k3y@db.example/shop", true),
    ] {
        let service = format!("env: {{ A: {value:?} }}, required_env: [A]");
        assert_eq!(resolve(&service, "", "", &Files::default()).is_ok(), fits, "{value}");
    }
}
