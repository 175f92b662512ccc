//! Secrets: found where the configuration says, given to instances, and seen nowhere else.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use age::{Encryptor, secrecy::ExposeSecret, x25519};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use testkit::{
    stand::{HOST, Layout, Ran, Stand, TARGET},
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);
/// Values that are planted.
const COUNT: usize = 20;

/// An application that tells everybody everything it knows.
const APP: &str = r#"
import base64, http.server, json, os, sys, time, urllib.parse
names = sorted(it for it in os.environ if it.startswith("PLANTED_"))
values = [os.environ[it] for it in names]
def say(text):
    for stream in (sys.stdout, sys.stderr):
        stream.write(text + "\n")
        stream.flush()
def tell_all():
    for name, value in zip(names, values):
        say(name + "=" + value)
        say("base64 " + base64.b64encode(value.encode()).decode())
        say("basic " + base64.b64encode(("user:" + value).encode()).decode())
        say("url " + urllib.parse.quote(value, safe=""))
        say("form " + urllib.parse.quote_plus(value))
        say(json.dumps({name: value}))
        half = len(value) // 2
        sys.stdout.write("halves " + value[:half])
        sys.stdout.flush()
        time.sleep(0.01)
        sys.stdout.write(value[half:] + "\n")
        sys.stdout.flush()
breakage = open("BREAK").read().strip() if os.path.exists("BREAK") else ""
version = open("VERSION").read().strip()
with open(os.environ["DUMP"], "w") as dump:
    json.dump(dict(zip(names, values)), dump)
tell_all()
if breakage == "crash":
    sys.exit("crashed: " + " ".join(values))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": version})
        status = 200
        if breakage == "health" and self.path == "/api/health":
            status = 500
            body = json.dumps({"status": values[0], "all": values, "raw": " ".join(values)})
        if breakage == "smoke" and self.path == "/api/version":
            body = "\n".join(values)
        self.send_response(status)
        if breakage:
            self.send_header("X-Token", values[1])
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *words):
        say("asked with " + values[2])
server = http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
server.serve_forever()
"#;

/// A hook that does so too, and fails where it is to.
const HOOK: &str = r#"
import os, sys
values = [it for name, it in sorted(os.environ.items()) if name.startswith("PLANTED_")]
print("hook", len(values), *values)
if os.path.exists("BREAK") and open("BREAK").read() == "hook":
    sys.exit("hook: " + " ".join(values))
"#;

/// A stand whose application has secrets of every kind.
struct Planted {
    stand: Stand,
    values: BTreeMap<String, String>,
    identity: PathBuf,
}

/// Each is its own, and hard to keep apart from the text around it.
fn value(at: usize) -> String {
    let mark = format!("mark{at:02}zq");
    match at % 10 {
        0 => format!("{mark} several words of {mark}"),
        1 => format!("postgres://u:p%40{mark}@db/shop?a=b&c={mark}"),
        2 => format!("\"quoted\" 'and' \\back\\ {mark}"),
        3 => format!("{{port}} {{version}} {mark} {{ \"json\": 1 }}"),
        4 => format!("äöü–€ {mark} ünï"),
        5 => format!("$HOME `id` $({mark}) ; | & < >"),
        6 => format!("=+/{mark}+/=="),
        7 => format!("  blanks around {mark}  "),
        8 => format!("{mark}\t{mark}#no comment"),
        _ => format!("-----BEGIN {mark}-----\nline one {mark}\nline two {mark}\n-----END-----"),
    }
}

fn written(path: &Path, text: &[u8]) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn line(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"\n")
}

fn encrypted(text: &str, path: &Path, identity: &Path) {
    let key = x25519::Identity::generate();
    written(identity, key.to_string().expose_secret().as_bytes());
    let recipient = key.to_public();
    let recipients = [&recipient as &dyn age::Recipient];
    let mut sealed = vec![];
    let encryptor = Encryptor::with_recipients(recipients.into_iter()).unwrap();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap();
    fs::write(path, sealed).unwrap();
}

impl Planted {
    fn new() -> Planted {
        let stand = Stand::new(Layout::default());
        let folder = stand.folder.path();
        let values: BTreeMap<String, String> =
            (0..COUNT).map(|at| (format!("PLANTED_{at:02}"), value(at))).collect();
        let identity = folder.join("identity");
        let (mut env_file, mut sealed, mut references) = (String::new(), String::new(), vec![]);
        for (at, (name, value)) in values.iter().enumerate() {
            let file = folder.join(format!("secret-{at}"));
            match at % 5 {
                0 => env_file.push_str(&line(name, value)),
                1 => sealed.push_str(&line(name, value)),
                2 => {
                    written(&file, format!("{value}\n").as_bytes());
                    references.push(format!("{name}: {{ file: {} }}", file.display()));
                }
                3 => {
                    written(&file, format!("{value}\n").as_bytes());
                    references.push(format!("{name}: {{ command: [cat, {}] }}", file.display()));
                }
                _ => references.push(format!("{name}: {{ environment: CI_{name} }}")),
            }
            if at % 5 == 1 {
                references.push(format!("{name}: {{ age: secrets.age }}"));
            }
        }
        written(&folder.join(".env.production"), env_file.as_bytes());
        encrypted(&sealed, &folder.join("secrets.age"), &identity);
        let configuration = format!(
            r#"proxy: {{ listen: ["{}"] }}
projects:
  shop:
    source: {{ directory: . }}
    services:
      web:
        command: [python3, server.py]
        instances: 1
        routes: [/]
        health: {{ path: /api/health, interval: 100ms, tries: 2 }}
        smoke: [{{ get: /api/version, json: {{ version: "{{version}}" }} }}]
        bake: 300ms
        drain: 1s
        start_timeout: 20s
        keep_warm: 0
        grace: 2s
        env: {{ DUMP: "{}" }}
    environments:
      production:
        domains: [{HOST}]
        version: semver
        disk_free: 64M
        env_file: .env.production
        hooks: {{ after: {{ stage: [{{ command: [python3, hook.py] }}] }} }}
        secrets: {{ {} }}
"#,
            stand.address,
            folder.join("dump").display(),
            references.join(", "),
        );
        fs::write(stand.config(), configuration).unwrap();
        Planted { stand, values, identity }
    }

    fn release(&self, version: &str, breakage: &str) -> String {
        let directory = self.stand.folder.path().join(format!("v{version}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("server.py"), APP).unwrap();
        fs::write(directory.join("hook.py"), HOOK).unwrap();
        fs::write(directory.join("VERSION"), version).unwrap();
        if !breakage.is_empty() {
            fs::write(directory.join("BREAK"), breakage).unwrap();
        }
        directory.display().to_string()
    }

    /// A verb as whoever has the variables and the identity runs it.
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.stand.command(words);
        for (name, value) in &self.values {
            command.env(format!("CI_{name}"), value);
        }
        ran(&mut command, self.stand.folder.path())
    }

    fn deploy(&self, version: &str, breakage: &str, more: &[&str]) -> Ran {
        let from = self.release(version, breakage);
        let identity = self.identity.display().to_string();
        let words = ["deploy", TARGET, version, "--from", &from, "--identity", &identity];
        self.run(&[&words, more].concat())
    }

    /// What of the values must be found nowhere: their marks, also as base64 writes them.
    fn traces(&self) -> Vec<(String, String)> {
        let mut traces: Vec<(String, String)> =
            (0..COUNT).map(|at| (format!("value {at}"), format!("mark{at:02}zq"))).collect();
        // As base64 writes a mark at each of the three places in a group.
        for at in 0..COUNT {
            for (before, skip) in [("", 0), ("x", 2), ("xx", 3)] {
                let text = format!("{before}mark{at:02}zq");
                let decided = text.len() * 8 / 6;
                let letters = base64(text.as_bytes())[skip..decided].to_vec();
                let letters = String::from_utf8(letters).unwrap();
                traces.push((format!("base64 of value {at}"), letters));
            }
        }
        traces
    }

    fn assert_hidden(&self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for (name, trace) in self.traces() {
            if let Some((before, _)) = text.split_once(&trace) {
                let from = before.char_indices().rev().nth(80).map_or(0, |(at, _)| at);
                panic!("{what} holds {name} after …{}", &before[from..]);
            }
        }
    }
}

fn ran(command: &mut Command, folder: &Path) -> Ran {
    let began = std::time::Instant::now();
    // Files, not pipes: a controller that it starts must not keep the reader waiting.
    let (out, error) = (folder.join("out"), folder.join("error"));
    let file = |path: &Path| fs::File::create(path).unwrap();
    let status = command.stdout(file(&out)).stderr(file(&error)).status().unwrap();
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let took = began.elapsed();
    Ran { code: status.code(), out: read(&out), error: read(&error), took }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |it| usize::from(it >> (7 - at % 8) & 1));
    let letter = |at: usize| (0..6).fold(0, |sum, it| sum * 2 + bit(at * 6 + it));
    (0..(bytes.len() * 8).div_ceil(6)).map(|at| LETTERS[letter(at)]).collect()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn asked(socket: &Path, path: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: cutover\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn twenty_planted_values_are_given_to_instances_and_found_nowhere_else() {
    let planted = Planted::new();
    let stand = &planted.stand;
    let hidden = |what: &str, ran: &Ran| planted.assert_hidden(what, ran.text().as_bytes());

    let first = planted.deploy("1.0.0", "", &[]).expect(0);
    hidden("deploy", &first);
    let dump = fs::read_to_string(stand.folder.path().join("dump")).unwrap();
    let given: BTreeMap<String, String> = serde_json::from_str(&dump).unwrap();
    assert_eq!(given, planted.values, "the instance has the values as they are");

    for (version, breakage) in
        [("1.0.1", "health"), ("1.0.2", "smoke"), ("1.0.3", "crash"), ("1.0.4", "hook")]
    {
        let failed = planted.deploy(version, breakage, &[]).expect(3);
        assert!(failed.error.contains("[secret PLANTED_"), "{}", failed.text());
        hidden(breakage, &failed);
        hidden("show", &planted.run(&["show", TARGET]).expect(0));
        hidden("show as JSON", &planted.run(&["--json", "show", TARGET]).expect(0));
    }
    let reason = format!("since {} leaked", planted.values["PLANTED_06"]);
    let from = planted.release("1.1.0", "");
    let identity = planted.identity.display().to_string();
    let words = ["--json", "deploy", TARGET, "1.1.0", "--from", &from, "--identity", &identity];
    hidden(
        "deploy as JSON",
        &planted.run(&[&words[..], &["--reason", &reason]].concat()).expect(0),
    );
    hidden(
        "plan",
        &planted.run(&["plan", TARGET, "1.2.0", "--from", &from, "--identity", &identity]),
    );

    for verb in ["ps", "status", "show", "history", "logs", "attach"] {
        hidden(verb, &planted.run(&[verb, TARGET]));
        hidden(verb, &planted.run(&["--json", verb, TARGET]));
    }
    let logs = planted.run(&["logs", TARGET, "-n", "5000"]).expect(0);
    assert!(logs.out.matches("[secret PLANTED_").count() >= COUNT * 7, "{}", logs.text());
    hidden("logs", &logs);

    let socket = stand.root.join("daemon.sock");
    let history = planted.run(&["--json", "history", TARGET]).expect(0);
    let history: Vec<Value> = serde_json::from_str(&history.out).unwrap();
    for path in history.iter().map(|it| it["id"].as_str().unwrap()) {
        for path in [format!("/v1/deployments/{path}"), format!("/v1/deployments/{path}/events")] {
            planted.assert_hidden(&path, &asked(&socket, &path));
        }
    }
    for path in ["/v1/status", "/v1/logs/shop/production?lines=9000", "/v1/logs/shop/none/x"] {
        planted.assert_hidden(path, &asked(&socket, path));
    }
    nothing_in_arguments(&planted);
    nothing_beside_instances(&planted);
    commands_hide_them(&planted);
    every_verb_hides_them(&planted);
    bundle_hides_them(&planted, "with");
    stand.cutover(&["daemon", "stop"]).expect(0);
    bundle_hides_them(&planted, "without");
    hidden("logs without a controller", &planted.run(&["logs", TARGET, "-n", "5000"]).expect(0));
    nothing_on_disk(&planted);
}

/// What is run once says all it knows; nobody is shown a value.
fn commands_hide_them(planted: &Planted) {
    let script = "import json, os; print(json.dumps(dict(os.environ))); \
                  [print(k, v) for k, v in os.environ.items()]";
    let ran = planted.run(&["run", TARGET, "--", "python3", "-c", script]).expect(0);
    assert!(ran.out.matches("[secret PLANTED_").count() >= COUNT, "{}", ran.text());
    planted.assert_hidden("run", ran.text().as_bytes());
    let word = &planted.values["PLANTED_06"];
    let ran = planted.run(&["run", TARGET, "--", "echo", word]).expect(1);
    planted.assert_hidden("a refused command", ran.text().as_bytes());
    let words = ["run", TARGET, "--detach", "--", "python3", "-c", script];
    planted.run(&words).expect(0);
    let identity = planted.identity.display().to_string();
    for words in [
        &["run", "--list"][..],
        &["--json", "run", "--list"],
        &["env", TARGET],
        &["--json", "env", TARGET],
        &["env", TARGET, "get", "PLANTED_00"],
        &["env", TARGET, "diff", "--identity", &identity],
        &["top", TARGET],
    ] {
        let ran = planted.run(words).expect(0);
        planted.assert_hidden(&words.join(" "), ran.text().as_bytes());
    }
    let words = ["env", TARGET, "get", "PLANTED_00", "--reveal", "--identity", &identity];
    let ran = planted.run(&words).expect(0);
    assert_eq!(ran.out.trim_end_matches('\n'), planted.values["PLANTED_00"], "but where asked for");
}

fn bundle_hides_them(planted: &Planted, name: &str) {
    let path = planted.stand.folder.path().join(format!("{name}.tar.gz"));
    let shown = path.display().to_string();
    planted.run(&["support-bundle", "--output", &shown]).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    planted.run(&["support-bundle", "--output", &shown]).expect(1);
    let folder = planted.stand.folder.path().join(format!("unpacked-{name}"));
    fs::create_dir(&folder).unwrap();
    let status = Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(&folder).status();
    assert!(status.unwrap().success());
    let mut all = vec![];
    files(&folder, &mut all);
    let names: Vec<String> = all.iter().map(|it| it.display().to_string()).collect();
    for part in [
        "facts.json",
        "status.json",
        "config/cutover.yml",
        "journal/shop.production.json",
        "routes/shop.production.json",
        "logs/daemon.log",
        "production-combined.log",
        "/deployments/deploy_",
        "supervise.log",
    ] {
        assert!(names.iter().any(|it| it.contains(part)), "no {part} in {names:?}");
    }
    for (path, name) in all.iter().zip(&names) {
        planted.assert_hidden(name, &fs::read(path).unwrap());
    }
}

fn nothing_in_arguments(planted: &Planted) {
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = fs::read(entry.path().join("cmdline")) {
            seen += 1;
            planted.assert_hidden("a command line", &line);
        }
    }
    assert!(seen > 3, "only {seen} processes were seen");
}

/// Nobody but an instance has a value in its environment, and nobody leaves one in a core file.
fn nothing_beside_instances(planted: &Planted) {
    let ours = planted.stand.processes();
    assert!(ours.len() >= 4, "daemon, holder, proxy and a supervise run: {ours:?}");
    let instances = planted.stand.instances("serving");
    assert!(!instances.is_empty());
    for pid in ours.iter().map(|it| it.0).chain(instances.iter().map(|it| it.1)) {
        let Ok(limits) = fs::read_to_string(format!("/proc/{pid}/limits")) else { continue };
        let core = limits.lines().find(|it| it.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{pid}: {core}");
    }
    for (pid, words) in ours {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        planted.assert_hidden(&format!("the environment of {words:?}"), &environment);
    }
}

fn every_verb_hides_them(planted: &Planted) {
    let identity = planted.identity.display().to_string();
    let secret = &planted.values["PLANTED_06"];
    let hidden = |words: &[&str]| {
        planted.assert_hidden(&words.join(" "), planted.run(words).text().as_bytes());
    };
    for words in [
        &["deploy", TARGET, "--env-only", "--identity", &identity][..],
        &["restart", TARGET, "--reason", secret],
        &["scale", TARGET, "web=2"],
        &["stop", TARGET],
        &["--json", "start", TARGET],
        &["lock", TARGET, "--reason", secret],
    ] {
        hidden(words);
    }
    for words in [
        &["check"][..],
        &["secrets", "list"],
        &["health", TARGET],
        &["releases"],
        &["releases", "show", TARGET, "1.1.0"],
        &["releases", "diff", TARGET, "1.0.0", "1.1.0"],
        &["releases", "verify"],
        &["rollback", TARGET, "--list"],
        &["project", "list"],
        &["doctor"],
        &["cleanup", "--emergency", "--dry-run"],
        &["history", TARGET],
        &["lock", TARGET],
    ] {
        hidden(words);
        hidden(&[&["--json"], words].concat());
    }
    hidden(&["unlock", TARGET, "--reason", secret]);
}

#[test]
fn what_is_set_or_named_by_hand_is_shown_nowhere() {
    let planted = Planted::new();
    planted.deploy("1.0.0", "", &[]).expect(0);
    // The value comes over stdin: words are seen by whoever lists processes.
    let mut command = planted.stand.command(&["env", TARGET, "set", "PLANTED_00"]);
    let (typed, folder) = ("typed mark00zq anew", planted.stand.folder.path());
    fs::write(folder.join("typed"), format!("{typed}\n")).unwrap();
    command.stdin(fs::File::open(folder.join("typed")).unwrap());
    let set = ran(&mut command, folder);
    planted.assert_hidden("env set", set.text().as_bytes());
    let at_once = planted.run(&["env", TARGET, "set", "PLANTED_05=typed mark05zq"]);
    planted.assert_hidden("env set", at_once.text().as_bytes());

    let text = fs::read_to_string(planted.stand.config()).unwrap();
    let source = "{ git: \"https://ann:mark00zq@127.0.0.1:1/shop.git\" }";
    fs::write(planted.stand.config(), text.replace("{ directory: . }", source)).unwrap();
    for words in [&["check"][..], &["plan", TARGET, "2.0.0"], &["deploy", TARGET, "2.0.0"]] {
        let refused = planted.run(words).expect(1);
        assert!(refused.text().contains("holds a password or a token"), "{}", refused.text());
        planted.assert_hidden("a url", refused.text().as_bytes());
    }
    planted.stand.cutover(&["daemon", "stop"]).expect(0);
    nothing_on_disk(&planted);
}

/// But where instances are started from, which nobody else may read.
fn nothing_on_disk(planted: &Planted) {
    let mut all = vec![];
    files(&planted.stand.root, &mut all);
    let mut kept = 0;
    for path in all {
        let Ok(bytes) = fs::read(&path) else { continue };
        let name = path.strip_prefix(&planted.stand.root).unwrap().display().to_string();
        let is_record = name.contains("/records/") && name.ends_with(".json");
        let is_spec = (name.starts_with("run/") || name.starts_with("one-off/run/"))
            && name.ends_with("/spec.json");
        if is_record || is_spec {
            kept += 1;
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
            continue;
        }
        planted.assert_hidden(&name, &bytes);
    }
    assert!(kept >= 2, "only {kept} files hold what instances are started with");
}

#[test]
fn lines_that_are_followed_are_masked_too() {
    let planted = Planted::new();
    planted.deploy("1.0.0", "", &[]).expect(0);
    let (_follower, out, _) = planted.stand.start(&["logs", TARGET, "-f", "-n", "1"]);
    let text = || fs::read_to_string(&out).unwrap();
    let line = "asked with [secret PLANTED_02]";
    eventually("a line is followed", MOMENT, || {
        // Each request makes the application say one of its secrets.
        let _ = planted.stand.get("/");
        text().contains(line).then_some(())
    });
    planted.assert_hidden("followed logs", text().as_bytes());
}

#[test]
fn a_reference_that_leads_nowhere_says_where_it_stands_and_shows_nothing() {
    let stand = Stand::new(Layout::default());
    let folder = stand.folder.path();
    let marker = folder.join("was-run");
    fs::create_dir(folder.join("v1")).unwrap();
    written(&folder.join("open"), b"hunter2-open");
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    written(&folder.join("v1/inside"), b"hunter2-inside");
    let with = |secrets: &str| {
        let text = format!(
            "projects:\n  shop:\n    services:\n      web: {{ command: [web] }}\n    \
             environments:\n      production:\n        version: any\n        secrets:\n          \
             {secrets}\n"
        );
        fs::write(stand.config(), text).unwrap();
    };
    let from = folder.join("v1").display().to_string();
    let script = format!("open({:?}, 'w'); print('hunter' + '2-printed'); exit(3)", marker);
    for (secrets, why) in [
        ("A: { environment: NOT_SET_ANYWHERE }", "the variable NOT_SET_ANYWHERE is not set"),
        ("A: { file: open }", "is open to other users (mode 0644)"),
        ("A: { file: gone }", "the file `gone` does not exist"),
        ("A: { command: [no-such-program-here] }", "`no-such-program-here` could not be run"),
        (
            &format!("A: {{ command: [python3, -c, {script:?}] }}"),
            "`python3` ended with exit code 3",
        ),
        ("A: { age: secrets.age }", "identity"),
        ("A: { file: v1/inside }", "would be a part of the release"),
        ("A: hunter2-written", "`A` must say where its value is found"),
    ] {
        with(secrets);
        let ran = stand.cutover(&["plan", TARGET, "1", "--from", &from]).expect(1);
        let text = ran.text();
        assert!(text.contains("cutover.yml:9:11: ") && text.contains(why), "{secrets}: {text}");
        assert!(!text.contains("hunter2"), "{secrets}: {text}");
    }
    assert!(marker.exists(), "it was run");
    fs::remove_file(&marker).unwrap();

    with(&format!("A: {{ command: [python3, -c, {script:?}] }}"));
    let ran = stand.cutover(&["check"]).expect(0);
    assert!(ran.out.contains("`A` comes from command python3"), "{}", ran.text());
    let ran = stand.cutover(&["secrets", "list"]).expect(0);
    for part in ["shop/production", "web", "A", "command python3", "cutover.yml:9"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.text());
    }
    let ran = stand.cutover(&["--json", "secrets", "list", TARGET]).expect(0);
    let listed: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(listed[0]["name"], "A");
    assert!(!marker.exists(), "neither follows a reference");
}
