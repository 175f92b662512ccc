//! Deployments behind nginx, and a repository of its files.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};
use testkit::{
    app::{App, built},
    guard::Killed,
    ports,
    stand::{HOST, Layout, Stand, TARGET, assert_clean},
    time::eventually,
};

const MOMENT: Duration = Duration::from_secs(30);
const EDITED: i32 = 5;
/// Says what it was told of the client.
const ECHO: &str = "
import http.server, os
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Echo).serve_forever()
";

/// A master of the stand's own, which ends its workers when it is told to end.
struct Front {
    master: Killed,
    address: SocketAddr,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.master.signal(rustix::process::Signal::TERM);
        let ended = testkit::time::within(MOMENT, || self.master.exited());
        assert!(ended.is_some() || std::thread::panicking(), "nginx did not end");
    }
}

fn front(stand: &Stand) -> Front {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let folder = stand.folder.path().display();
    let program = format!("[nginx, -p, {folder}, -c, {folder}/nginx.conf, -e, {folder}/errors]");
    let key = format!(
        "nginx: {{ listen: [\"{address}\"], directory: {folder}/ours, program: {program} }}\n"
    );
    let echo = "    services:\n      echo:\n        command: [python3, echo.py]\n        \
                instances: 1\n        routes: [/told]\n        bake: 100ms\n        \
                drain: 2s\n        grace: 2s\n";
    let text = fs::read_to_string(stand.config()).unwrap();
    let text = text.replace("    services:\n", echo);
    fs::write(stand.config(), format!("{key}{text}")).unwrap();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.iter().map(|it| format!("{it}_temp_path {folder}/{it};\n")).collect();
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let main = format!(
        "{user}\npid {folder}/nginx.pid;\nworker_processes 2;\nevents {{\n}}\nhttp {{\n\
         access_log off;\n{temporary}}}\n"
    );
    fs::write(stand.folder.path().join("nginx.conf"), main).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-p", &folder.to_string(), "-c", &format!("{folder}/nginx.conf")]);
    command.args(["-e", &format!("{folder}/errors"), "-g", "daemon off;"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let master = Killed::start(&mut command).unwrap();
    eventually("nginx runs", MOMENT, || {
        let pid = fs::read_to_string(stand.folder.path().join("nginx.pid")).unwrap_or_default();
        (pid.trim() == master.pid().to_string()).then_some(())
    });
    Front { master, address }
}

fn deploy(stand: &Stand, version: &str) {
    let directory = stand.release(version, "");
    fs::write(directory.join("echo.py"), ECHO).unwrap();
    let from = directory.display().to_string();
    let words = ["deploy", TARGET, version, "--from", &from, "--yes"];
    stand.cutover_within(&words, Duration::from_secs(90)).expect(0);
}

#[test]
fn deployments_behind_nginx_lose_no_request() {
    let stand = Stand::new(Layout { app: App::Rust, bake_s: 0.5, ..Layout::default() });
    let front = front(&stand);
    deploy(&stand, "1.0.0");
    stand.cutover(&["nginx", "check"]).expect(0);
    // The line is the user's to write.
    let shown = stand.cutover(&["nginx", "apply", "--install-include"]).expect(0).out;
    let line = shown.lines().find_map(|it| it.strip_prefix("+    include ")).unwrap().to_owned();
    let main = stand.folder.path().join("nginx.conf");
    let text = fs::read_to_string(&main).unwrap();
    assert!(!text.contains("include"), "it was written: {text}");
    fs::write(&main, text.replace("http {\n", &format!("http {{\n    include {line}\n"))).unwrap();
    let said = stand.cutover(&["nginx", "apply"]).expect(0).text();
    assert!(said.contains("nginx serves by generation 1"), "{said}");

    let load = stand.load_with(|it| it.target = front.address);
    for version in ["1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"] {
        deploy(&stand, version);
    }
    load.until_more(100, MOMENT);
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert!(summary.versions.len() == 6, "{:?}", summary.versions.keys());
    println!("{} requests behind nginx, {} failed", summary.requests, summary.failed);

    // nginx's word on the client reaches the application, and a client's own does not.
    let said = echo(front.address);
    assert!(said.contains("x-forwarded-for: 127.0.0.1\r\n"), "{said}");
    assert!(said.contains(&format!("x-forwarded-host: {HOST}\r\n")), "{said}");
    assert!(!said.contains("6.6.6.6"), "{said}");
    // Straight to the proxy from an address that is trusted, the word counts.
    assert!(echo(stand.address).contains("x-forwarded-for: 6.6.6.6\r\n"));

    stand.cutover(&["nginx", "diff"]).expect(0);
    let file = stand.folder.path().join(format!("ours/current/conf.d/{HOST}.conf"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("server_tokens off;", "server_tokens on;")).unwrap();
    for verb in ["diff", "apply"] {
        let said = stand.cutover(&["nginx", verb]).expect(EDITED).text();
        assert!(said.contains("-    server_tokens on;\n+    server_tokens off;"), "{said}");
    }
    assert!(fs::read_to_string(&file).unwrap().contains("server_tokens on;"));
    stand.cutover(&["nginx", "apply", "--discard-edits"]).expect(0);
    stand.cutover(&["nginx", "diff"]).expect(0);
}

fn echo(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    let ask = format!(
        "GET /told HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: 6.6.6.6\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    // As it was sent; Python shows it with other line ends.
    text.split_once("\r\n\r\n").unwrap().1.replace('\n', "\r\n").replace("\r\r", "\r")
}

const TENANTS: &str = "nginx: {}
projects:
  shop:
    services: { web: { command: [x], routes: [/] } }
    environments: { production: { domains: [shop.example] } }
";

#[test]
fn a_repository_refuses_hand_edits_and_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let program = built("cutover", "cutover");
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = |program: &Path, words: &[&str]| -> Output {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("HOME", folder.path());
        for (name, value) in [("NAME", "a"), ("EMAIL", "a@b.example")] {
            command.env(format!("GIT_AUTHOR_{name}"), value);
            command.env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.stdin(Stdio::null()).output().unwrap()
    };
    let done = |output: Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    };
    let git = |words: &[&str]| run(Path::new("git"), words);
    let commit = || {
        done(git(&["add", "-A"]));
        let output = git(&["commit", "-q", "-m", "x"]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let cutover = |words: &[&str]| run(&program, words);
    done(git(&["init", "-q", "."]));
    fs::write(at("cutover.yml"), TENANTS).unwrap();
    done(cutover(&["nginx", "generate", "-o", "front"]));
    // Another hook is left as it is.
    let hook = at(".git/hooks/pre-commit");
    fs::create_dir_all(at(".git/hooks")).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    let refused = cutover(&["nginx", "guard", "-o", "front"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\nexit 0\n");
    fs::remove_file(&hook).unwrap();
    done(cutover(&["nginx", "guard", "-o", "front"]));
    assert_eq!(commit(), (true, String::new()));

    let file = at("front/conf.d/shop.example.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}# mine\n")).unwrap();
    let (committed, said) = commit();
    assert!(!committed && said.contains("-# mine") && said.contains("shop.example.conf"), "{said}");
    fs::write(&file, &text).unwrap();
    // The configuration goes with what comes of it.
    fs::write(at("cutover.yml"), TENANTS.replace("shop.example", "other.example")).unwrap();
    assert!(!commit().0, "the files are of the configuration before");
    done(cutover(&["nginx", "generate", "-o", "front"]));
    assert_eq!(commit(), (true, String::new()));

    for (name, text) in [(".env.production", "A=b\n"), ("key", "-----BEGIN PRIVATE KEY-----\n")] {
        fs::write(at(name), text).unwrap();
        let (committed, said) = commit();
        assert!(!committed && said.contains(name), "{said}");
        done(git(&["rm", "-q", "--cached", name]));
        fs::remove_file(at(name)).unwrap();
    }
    fs::write(at(".env.example"), "A=\n").unwrap();
    assert_eq!(commit(), (true, String::new()));
}
