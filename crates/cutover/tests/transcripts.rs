//! What the program prints and exits with, as a user meets it: one clear error for each mistake,
//! and nothing changed.

use std::{fs, path::PathBuf, process::Command, process::Stdio};
use tempfile::TempDir;

/// A folder with a configuration, and the program.
struct Shop {
    folder: TempDir,
}

struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

const SHOP: &str = r#"proxy: { listen: ["127.0.0.1:0"] }
projects:
  shop:
    source: { directory: app }
    services:
      web: { command: [./app], routes: [/] }
    environments:
      staging: { domains: [staging.example], version: semver }
      production: { domains: [shop.example], version: semver }
"#;

impl Shop {
    fn new(configuration: &str) -> Shop {
        let folder = tempfile::tempdir().expect("the folder is ours");
        fs::create_dir(folder.path().join("app")).expect("the folder is ours");
        fs::write(folder.path().join("app/app"), "#!/bin/sh\n").expect("the folder is ours");
        fs::write(folder.path().join("cutover.yml"), configuration).expect("the folder is ours");
        Shop { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.arg("--root").arg(self.root()).args(words);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        let output = self.command(words).output().expect("the folder is ours");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        Ran { code: output.status.code(), out, error }
    }

    /// It ends with 1, says this, and leaves nothing behind.
    #[track_caller]
    fn refuses(&self, words: &[&str], parts: &[&str]) {
        let before = self.files();
        let ran = self.run(words);
        assert_eq!(ran.code, Some(1), "{words:?}: {}{}", ran.out, ran.error);
        for part in parts {
            assert!(ran.error.contains(part), "{words:?} does not say `{part}`: {}", ran.error);
        }
        assert!(!ran.error.contains("panicked"), "{}", ran.error);
        assert_eq!(ran.out, "", "an error is no output");
        assert_eq!(self.files(), before, "{words:?} changed something");
        assert!(!self.root().exists(), "{words:?} made the state directory");
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .expect("the folder is ours")
            .map(|it| it.expect("the folder is ours").path())
            .collect();
        files.sort();
        files
    }
}

#[test]
fn help_needs_neither_configuration_nor_controller() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&["--help"][..], &["deploy", "--help"], &["logs", "-h"], &["daemon", "--help"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(words).current_dir(folder.path()).env_clear();
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(text.contains("Usage: cutover"), "{text}");
    }
}

#[test]
fn a_version_that_is_no_name_is_refused() {
    let shop = Shop::new(SHOP);
    for version in ["../../x", "1.0;id", "", "a b", "$(id)", "..", "v/1", "latest"] {
        let words = ["deploy", "shop", "production", version];
        shop.refuses(&words, &["for a version"]);
    }
    shop.refuses(&["deploy", "production", "--", "-x"], &["for a version", "-x"]);
    shop.refuses(&["deploy", "production"], &["name the release", "VERSION"]);
    shop.refuses(&["deploy", "production", "-x"], &["unexpected argument '-x'"]);
    shop.refuses(&["deploy", "production", "1.0.0", "2.0.0"], &["`2.0.0`", "given already"]);
}

#[test]
fn a_target_that_is_not_clear_lists_the_choices() {
    let shop = Shop::new(SHOP);
    let choices = ["shop/staging", "shop/production"];
    shop.refuses(&["deploy"], &choices);
    shop.refuses(&["deploy", "shop"], &choices);
    shop.refuses(&["deploy", "prodution"], &["did you mean `production`", choices[0]]);
    shop.refuses(&["restart", "nothing"], &choices);
    shop.refuses(&["scale", "production"], &["no service is named"]);
    shop.refuses(&["scale", "production", "web=many"], &["web=many"]);
}

#[test]
fn every_problem_of_the_configuration_is_said_at_once() {
    let text = SHOP
        .replace("routes: [/]", "rutes: [/], instances: many")
        .replace("staging.example", "shop.example");
    let shop = Shop::new(&text);
    let parts = ["cutover.yml:6:", "rutes", "routes", "instances", "shop.example"];
    shop.refuses(&["deploy", "production", "1.0.0"], &parts);
    let check = shop.run(&["check"]);
    assert_eq!(check.code, Some(1));
    for part in parts {
        assert!(check.out.contains(part), "{part}: {}", check.out);
    }
    let json = shop.run(&["--json", "check"]);
    let problems: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(problems.len() >= 3 && problems.iter().all(|it| it["line"].is_u64()), "{}", json.out);
    let github = shop.run(&["check", "--github"]);
    assert!(github.out.starts_with("::error file=cutover.yml,line="), "{}", github.out);
    assert!(!shop.root().exists());
}

/// As a platform of containers has it.
const TENANTS: &str = include_str!("../../config/tests/corpus/good/tenants.yml");

#[test]
fn a_projects_file_of_a_platform_is_read_as_it_stands() {
    let shop = Shop::new(SHOP);
    let folder = shop.folder.path();
    fs::write(folder.join("projects.yml"), TENANTS).unwrap();
    let both = shop.run(&["check"]);
    assert!(both.error.contains("projects.yml is here too, and is not read"), "{}", both.error);
    fs::remove_file(folder.join("cutover.yml")).unwrap();
    let alone = shop.run(&["check"]);
    assert_eq!(alone.code, Some(0), "{}", alone.out);
    assert!(alone.out.contains("projects.yml") && !alone.out.contains("warning"), "{}", alone.out);
    for environment in ["production", "staging"] {
        let words = ["deploy", environment];
        shop.refuses(&words, &["runtime `docker`", "projects.yml:7:7", "projects.yml:11:7"]);
    }
    let claims = format!("{TENANTS}{}", TENANTS.replace("projects:\n  filter-ical:", "  other:"));
    fs::write(folder.join("projects.yml"), claims).unwrap();
    let places = [":4:19: ", ":5:16: ", ":16:19: ", ":17:16: ", "claimed by `other/staging` too"];
    shop.refuses(&["deploy", "filter-ical", "staging"], &places);
}

#[test]
fn a_strict_check_fails_for_warnings() {
    let shop = Shop::new(&SHOP.replace("command: [./app]", "command: npm start"));
    let check = shop.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.out);
    assert!(check.out.contains("cutover.yml:6:23: warning: `npm` stands between"), "{}", check.out);
    assert_eq!(shop.run(&["check", "--strict"]).code, Some(1));
    let fixed = SHOP.replace("routes: [/]", "routes: [/], health: { path: / }");
    fs::write(shop.folder.path().join("cutover.yml"), fixed).unwrap();
    assert_eq!(shop.run(&["check", "--strict"]).code, Some(0));
}

#[test]
fn an_alias_is_a_verb_with_its_arguments_and_hides_none() {
    let shop =
        Shop::new(&format!("aliases: {{ release: deploy production, hi: version }}\n{SHOP}"));
    shop.refuses(&["release", "latest"], &["take \"latest\" for a version"]);
    assert!(shop.run(&["hi"]).out.starts_with("cutover "));
    let help = shop.run(&["--help"]);
    assert!(help.out.contains("  release             deploy production\n"), "{}", help.out);
    let check = shop.run(&["check"]);
    assert!(
        check.out.contains("`cutover release` is `cutover deploy production`"),
        "{}",
        check.out
    );
    let hides = format!("aliases: {{ status: deploy, a: b, b: ship it }}\n{SHOP}");
    fs::write(shop.folder.path().join("cutover.yml"), hides).unwrap();
    let check = shop.run(&["check"]);
    for part in [
        "1:12: `status` is a verb, which an alias must not hide",
        "1:31: `a` begins with `b`, which is another alias",
        "1:37: `b` begins with `ship`, which is no verb",
    ] {
        assert!(check.out.contains(part), "{part}: {}", check.out);
    }
}

#[test]
fn projects_come_and_go_and_comments_stay() {
    let shop = Shop::new(&SHOP.replace("  shop:", "  # Ours.\n  shop:"));
    let file = shop.folder.path().join("cutover.yml");
    let before = fs::read_to_string(&file).unwrap();
    fs::create_dir(shop.folder.path().join("blog")).unwrap();
    let add = ["project", "add", "blog", "--source", "blog", "--domain", "blog.example"];
    shop.refuses(&add, &["no file in it says what is to be run"]);
    fs::write(shop.folder.path().join("blog/server.js"), "get('/health')").unwrap();
    let added = shop.run(&add);
    assert_eq!(added.code, Some(0), "{}", added.error);
    assert!(added.out.contains("web: `node server.js`"), "{}", added.out);
    assert!(fs::read_to_string(&file).unwrap().starts_with(&before));
    let list = shop.run(&["project", "list"]);
    assert!(list.out.contains("blog: web\n  production: blog.example\n"), "{}", list.out);
    let json = shop.run(&["--json", "project", "list"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json[1]["environments"][0]["domains"][0], "blog.example");
    assert_eq!(shop.run(&["check"]).code, Some(0));
    shop.refuses(&add, &["there is a project `blog` already"]);
    let claimed = ["project", "add", "news", "--source", "blog", "--domain", "shop.example"];
    shop.refuses(&claimed, &["`shop.example/` belongs to `shop/production` already"]);
    assert_eq!(shop.run(&["project", "remove", "blog"]).code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    shop.refuses(&["project", "remove", "blog"], &["there is no project `blog`", "project list"]);
    shop.refuses(&["project", "remove", "shop"], &["`shop` is its only project"]);
    assert!(!shop.root().exists());
}

#[test]
fn init_says_what_it_guessed_and_from_where() {
    let folder = tempfile::tempdir().unwrap();
    let package = r#"{ "scripts": { "start": "node app.js" } }"#;
    fs::write(folder.path().join("package.json"), package).unwrap();
    fs::write(folder.path().join("app.js"), "\nget('/api/health')").unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.arg("--root").arg(folder.path().join("state")).args(words);
        let output = command.current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = run(&["init"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("  web: `node app.js`, from package.json: scripts.start\n"), "{said}");
    assert!(said.contains("  web: health `/api/health`, named in app.js:2\n"), "{said}");
    assert_eq!(run(&["check", "--strict"]).0, Some(0));
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    let shop = Shop::new(&SHOP.replace("    environments:", "    services: {}\n    environments:"));
    shop.refuses(&["deploy", "production", "1.0.0"], &["services", "cutover.yml:"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let shop = Shop::new(SHOP);
    shop.refuses(&["-f", "none.yml", "deploy", "production"], &["none.yml", "cutover init"]);
    shop.refuses(&["-f", "app", "deploy", "production"], &["app", "is not a file"]);
    shop.refuses(&["deploy", "production", "--from", "no/such"], &["no/such"]);
    shop.refuses(&["deploy", "production", "--from", "cutover.yml"], &["cutover.yml"]);
    shop.refuses(&["deploy", "production", "--from=--output=x"], &["--output=x"]);
    fs::remove_dir_all(shop.folder.path().join("app")).unwrap();
    shop.refuses(&["deploy", "production", "1.0.0"], &["there is no such directory", "--from"]);
    fs::remove_file(shop.folder.path().join("cutover.yml")).unwrap();
    shop.refuses(&["deploy", "production"], &["cutover.yml", "cutover init", "-f FILE"]);
    shop.refuses(&["rollback", "production"], &["nothing is deployed", "-f FILE"]);
    shop.refuses(&["check"], &["cutover init"]);
}

#[test]
fn a_required_variable_that_is_not_set_is_named() {
    let env = "version: semver, env_file: .env.production, required_env: [DATABASE_URL] }";
    let shop = Shop::new(&SHOP.replace(
        "domains: [shop.example], version: semver }",
        &format!("domains: [shop.example], {env}"),
    ));
    shop.refuses(&["deploy", "production", "1.0.0"], &[".env.production", "does not exist"]);
    fs::write(shop.folder.path().join(".env.production"), "OTHER=secret-value\n").unwrap();
    let ran = shop.run(&["deploy", "production", "1.0.0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("DATABASE_URL"), "{}", ran.error);
    assert!(!ran.error.contains("secret-value"), "a secret is shown: {}", ran.error);
}

#[test]
fn options_in_the_wrong_place_say_where_they_belong() {
    let shop = Shop::new(SHOP);
    shop.refuses(&["status", "--json"], &["`--json` stands before the verb"]);
    shop.refuses(&["rolback"], &["rollback"]);
}

#[test]
fn what_reads_starts_nothing() {
    let shop = Shop::new(SHOP);
    let status = shop.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.error);
    assert!(status.out.contains("controller not running"), "{}", status.out);
    let json: serde_json::Value =
        serde_json::from_str(&shop.run(&["--json", "status"]).out).unwrap();
    assert!(json["controller"].is_null() && json["environments"].as_array().unwrap().is_empty());
    for words in [&["history", "production"][..], &["ps"], &["logs", "production"]] {
        assert_eq!(shop.run(words).code, Some(0), "{words:?}");
    }
    assert_eq!(shop.run(&["show", "production"]).code, Some(1));
    assert_eq!(shop.run(&["daemon", "status"]).code, Some(7));
    assert_eq!(shop.run(&["proxy", "status"]).code, Some(7));
    assert_eq!(shop.run(&["down", "--yes"]).code, Some(0));
    assert!(!shop.root().exists(), "reading made the state directory");
}

#[test]
fn init_writes_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.arg("--root").arg(folder.path().join("state")).arg("init");
        command.current_dir(folder.path()).output().unwrap()
    };
    assert_eq!(run().status.code(), Some(0));
    let written = fs::read(folder.path().join("cutover.yml")).unwrap();
    let again = run();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    assert_eq!(fs::read(folder.path().join("cutover.yml")).unwrap(), written);
}

#[test]
fn what_is_destructive_asks_or_is_refused() {
    let shop = Shop::new(SHOP);
    fs::create_dir(shop.root()).unwrap();
    for words in [&["down"][..], &["down", "--all"], &["down", "production"], &["proxy", "stop"]] {
        let ran = shop.run(words);
        assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.error);
        assert!(ran.error.contains("--yes"), "{}", ran.error);
    }
    assert_eq!(fs::read_dir(shop.root()).unwrap().count(), 0, "something was begun");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let shop = Shop::new(SHOP);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = shop.command(&["status"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
