//! Releases that are built on the host: from a repository by npm and a compiler, and by small
//! scripts that fail, hang and are killed.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use testkit::{
    app::App,
    repository::Repository,
    stand::{HOST, Layout, Ran, Stand, TARGET, kill},
    time::eventually,
};

const ABORTED: i32 = 3;
/// For packages to be fetched from a registry, on a busy machine.
const DEPLOY_MAX: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(60);
/// What a machine needs to reach a registry, where it needs anything.
const REACH: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "NPM_CONFIG_REGISTRY"];

#[test]
fn a_typescript_application_is_built_from_its_repository() {
    let stand = Stand::new(Layout::default());
    let repository = Repository::of("builds/typescript", &stand.folder.path().join("repository"));
    let configured = |address: &str| {
        let build = "{ install: [npm, ci], commands: [[npm, run, build]], test: [[npm, test]] }";
        let source = of(&repository);
        configure(&stand, &source, build, "[node, dist/server.js]", &reach(address));
    };
    configured("https://one.example");
    deploy(&stand, &[]).expect(0);
    let first = logged(&stand);
    assert!(first.contains("install | added"), "{first}");
    assert!(stand.get("/").unwrap().contains("asks https://one.example"));

    // The same commit is built already.
    let plan = stand.cutover_within(&["plan", TARGET], SOON).expect(0).text();
    assert!(plan.contains("what was built for it is used again"), "{plan}");
    let again = deploy(&stand, &[]).expect(0).text();
    assert!(!again.contains("build |"), "{again}");
    assert_eq!(releases(&stand).len(), 1);

    // Another variable is another artifact; what is installed stays the same.
    configured("https://two.example");
    assert!(!logged(&stand).contains("not installed again"));
    deploy(&stand, &[]).expect(0);
    let second = logged(&stand);
    assert!(second.contains("not installed again"), "{second}");
    assert!(stand.get("/").unwrap().contains("asks https://two.example"));
    assert_eq!(releases(&stand).len(), 2);
    for verified in stand.cutover(&["releases", "verify", TARGET]).expect(0).text().lines() {
        assert!(!verified.contains("altered"), "{verified}");
    }

    repository.commit(&[("src/greeting.ts", "export const greeting: number = 'text';\n")]);
    let broken = deploy(&stand, &[]).expect(ABORTED).text();
    assert!(broken.contains("error TS2322"), "{broken}");
    assert!(broken.contains("exit code"), "{broken}");
    assert!(stand.get("/").unwrap().contains("asks https://two.example"));
    assert_eq!(releases(&stand).len(), 2);
    nothing_is_left(&stand);
    stand.down().expect(0);
}

#[test]
fn pages_of_next_are_built_from_their_repository_and_served() {
    let stand = Stand::new(Layout::default());
    let repository = Repository::of("builds/next", &stand.folder.path().join("repository"));
    let build = "{ clean: [build-cache], install: [npm, ci, --ignore-scripts], \
                 commands: [[npm, run, build]], timeout: 5m }";
    let variables = reach("https://one.example") + ", NEXT_TELEMETRY_DISABLED: \"1\"";
    let command = "[node, .next/standalone/server.js]";
    configure(&stand, &of(&repository), build, command, &variables);
    let text = fs::read_to_string(stand.config()).unwrap();
    // It listens where HOSTNAME says.
    let text = text.replace("env: { POST_LOG", "env: { HOSTNAME: 127.0.0.1, POST_LOG");
    fs::write(stand.config(), text).unwrap();
    deploy(&stand, &[]).expect(0);
    let page = stand.get("/").unwrap();
    assert!(page.contains("The shop is open: "), "{page}");
    let script = page.split("/_next/static/").nth(1).unwrap().split(['"', '\\']).next().unwrap();
    let served = stand.get(&format!("/_next/static/{script}")).unwrap();
    assert!(served.starts_with("HTTP/1.1 200"), "{script}: {served}");

    let before = releases(&stand);
    repository.commit(&[("app/greeting.js", "export function greeting(version {\n")]);
    let broken = deploy(&stand, &[]).expect(ABORTED).text();
    assert!(broken.contains("greeting.js") && broken.contains("exit code 1"), "{broken}");
    assert_eq!(
        (stand.get("/").unwrap().contains("The shop is open"), releases(&stand)),
        (true, before)
    );
    stand.down().expect(0);
}

fn of(repository: &Repository) -> String {
    format!("{{ git: {{ url: \"{}\", ref: main }} }}", repository.path.display())
}

/// Prints its variables, and makes the server.
const BUILD: &str = "env | sort > seen; cp server.in server.js";

#[test]
fn builds_that_fail_hang_or_are_killed_leave_the_old() {
    let stand = Stand::new(Layout { app: App::Node, ..Layout::default() });
    let source = stand.release("1.0.0", "");
    fs::rename(source.join("server.js"), source.join("server.in")).unwrap();
    let shell = |script: &str| format!("{{ commands: [{{ shell: {script:?} }}], timeout: 120s }}");
    let configured = |build: &str| {
        let source = format!("{{ directory: {:?} }}", source.display().to_string());
        configure(&stand, &source, build, "[node, server.js]", "BUILD_ONLY: \"yes\"");
    };
    configured(&shell(BUILD));
    deploy(&stand, &["1.0.0"]).expect(0);
    let seen = fs::read_to_string(releases(&stand)[0].join("seen")).unwrap();
    let names: Vec<&str> = seen.lines().filter_map(|it| it.split('=').next()).collect();
    let besides = |it: &&str| !["CUTOVER_INSTANCE", "PWD", "_", "SHLVL", "OLDPWD"].contains(it);
    let names: Vec<&str> = names.into_iter().filter(besides).collect();
    let mut expected = vec!["BUILD_ONLY", "HOME", "LANG", "PATH"];
    expected.extend(names.iter().filter(|it| it.starts_with("CUTOVER_")));
    expected.sort_unstable();
    assert_eq!(names, expected, "{seen}");

    for (version, build, says) in [
        ("2.0.0", shell("echo it breaks; exit 7"), "exit code 7"),
        (
            "3.0.0",
            shell("sleep 6001.1 & sleep 6001.2").replace("120s", "2s"),
            "within the limit of 2 s",
        ),
        ("4.0.0", "{ commands: [./none] }".to_owned(), "could not be executed"),
        ("5.0.0", "{ commands: [[cp, server.in, server.js]], test: [[false]] }".into(), "test"),
    ] {
        configured(&build);
        let ran = deploy(&stand, &[version]).expect(ABORTED).text();
        assert!(ran.contains(says), "{version}: {ran}");
        assert_eq!(stand.serving(), ["1.0.0"]);
        nothing_is_left(&stand);
    }

    // Aborted: all that it started is ended.
    configured(&shell("sleep 6001.3 & while true; do echo it waits; sleep 1; done"));
    let (mut deploying, out, _) = stand.start(&["deploy", TARGET, "6.0.0", "--yes"]);
    waits(&out);
    stand.cutover(&["abort", TARGET]).expect(0);
    assert_eq!(deploying.ended(SOON).code(), Some(ABORTED));
    nothing_is_left(&stand);

    // The controller is killed: the next one waits for the same command.
    configured(&shell(&format!(
        "echo >> begun; for i in 1 2 3 4 5; do echo it waits; sleep 1; done; {BUILD}"
    )));
    let (_deploying, out, _) = stand.start(&["deploy", TARGET, "7.0.0", "--yes"]);
    waits(&out);
    kill(stand.pid_of("daemon").unwrap(), Signal::KILL);
    stand.cutover(&["daemon", "start"]).expect(0);
    eventually("the build went on", SOON, || (stand.serving() == ["7.0.0"]).then_some(()));
    let begun = releases(&stand).into_iter().map(|it| it.join("begun")).find(|it| it.exists());
    assert_eq!(fs::read_to_string(begun.unwrap()).unwrap().lines().count(), 1);
    stand.down().expect(0);
}

fn waits(out: &Path) {
    let waits = || fs::read_to_string(out).unwrap().contains("it waits").then_some(());
    eventually("the build runs", SOON, waits);
}

fn configure(stand: &Stand, source: &str, build: &str, command: &str, variables: &str) {
    let text = format!(
        r#"proxy: {{ listen: ["{}"] }}
projects:
  shop:
    source: {source}
    requires: {{ node: ">=18" }}
    build: {build}
    services:
      web:
        command: {command}
        instances: 1
        routes: [/]
        health: {{ path: /api/health }}
        bake: 0s
        drain: 1s
        grace: 2s
        keep_warm: 0s
        env: {{ POST_LOG: "{}" }}
    environments:
      production:
        domains: [{HOST}]
        version: any
        disk_free: 64M
        env: {{ build: {{ {variables} }} }}
"#,
        stand.address,
        stand.post_log.display()
    );
    let text = if source.contains("git:") {
        text.replace("version: any", "version: timestamp")
    } else {
        text
    };
    fs::write(stand.config(), text).unwrap();
}

fn reach(address: &str) -> String {
    let mut all = vec![format!("API_BASE_URL: {address:?}")];
    let set = REACH.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    all.extend(set.map(|(name, value)| format!("{name}: {value:?}")));
    all.join(", ")
}

fn deploy(stand: &Stand, words: &[&str]) -> Ran {
    stand.cutover_within(&[&["deploy", TARGET], words, &["--yes"]].concat(), DEPLOY_MAX)
}

/// What all deployments said: who watches late misses the first words.
fn logged(stand: &Stand) -> String {
    let logs = fs::read_dir(stand.root.join("projects/shop/production/logs/deployments")).unwrap();
    let texts =
        logs.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some_and(|it| it == "log"));
    texts.map(|it| fs::read_to_string(it).unwrap()).collect()
}

fn releases(stand: &Stand) -> Vec<PathBuf> {
    let all = fs::read_dir(stand.root.join("projects/shop/production/releases")).unwrap();
    all.map(|it| it.unwrap().path()).collect()
}

/// Of a build that did not come to its end.
fn nothing_is_left(stand: &Stand) {
    let is_left = |it: &PathBuf| !it.join("server.js").exists() && !it.join("dist").exists();
    assert_eq!(releases(stand).into_iter().filter(is_left).count(), 0);
    assert!(!stand.root.join("projects/shop/production/.build-home").exists());
    assert_eq!(sleeping(), Vec::<String>::new());
}

/// The processes that builds of these tests leave running, where nobody ends them.
fn sleeping() -> Vec<String> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().into_string().ok());
    let words = pids.filter_map(|it| fs::read_to_string(format!("/proc/{it}/cmdline")).ok());
    words.filter(|it| it.starts_with("sleep\u{0}6001.")).collect()
}
