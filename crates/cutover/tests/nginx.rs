//! Deployments behind nginx, and a repository of its files.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use testkit::{
    app::{App, built, get_from},
    nginx::Nginx,
    ports,
    stand::{HOST, Layout, Ran, Stand, TARGET, assert_clean, kill},
};

const MOMENT: Duration = Duration::from_secs(30);
const EDITED: i32 = 5;
const REFUSED: i32 = 2;
const ROLLED_BACK: i32 = 4;
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

/// What is to be told of the address, and where it will listen.
fn front(stand: &Stand, more: &str) -> (Nginx, SocketAddr) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let folder = stand.folder.path();
    let program = serde_json::to_string(&Nginx::program(folder)).unwrap();
    let directory = folder.join("ours");
    let directory = directory.display();
    let key = format!(
        "nginx: {{ listen: [\"{address}\"], directory: {directory}, program: {program}{more} }}\n"
    );
    let echo = "    services:\n      echo:\n        command: [python3, echo.py]\n        \
                instances: 1\n        routes: [/told]\n        bake: 100ms\n        \
                drain: 2s\n        grace: 2s\n";
    let text = fs::read_to_string(stand.config()).unwrap();
    let text = text.replace("    services:\n", echo);
    fs::write(stand.config(), format!("{key}{text}")).unwrap();
    (Nginx::start(folder, ""), address)
}

fn deploy(stand: &Stand, version: &str) {
    deployed(stand, version, &[]).expect(0);
}

fn deployed(stand: &Stand, version: &str, more: &[&str]) -> Ran {
    let directory = stand.release(version, "");
    fs::write(directory.join("echo.py"), ECHO).unwrap();
    let from = directory.display().to_string();
    let words = [&["deploy", TARGET, version, "--from", &from, "--yes"], more].concat();
    stand.cutover_within(&words, Duration::from_secs(90))
}

/// The one line, written as its user would.
fn include(stand: &Stand, nginx: &Nginx) {
    let shown = stand.cutover(&["nginx", "apply", "--install-include"]).expect(0).out;
    let line = shown.lines().find_map(|it| it.strip_prefix("+    include ")).unwrap().to_owned();
    assert!(!fs::read_to_string(nginx.main_file()).unwrap().contains("include"), "it was written");
    nginx.configure(&format!("include {line}"));
}

#[test]
fn deployments_behind_nginx_lose_no_request() {
    let stand = Stand::new(Layout { app: App::Rust, bake_s: 0.5, ..Layout::default() });
    let (nginx, address) = front(&stand, "");
    deploy(&stand, "1.0.0");
    stand.cutover(&["nginx", "check"]).expect(0);
    include(&stand, &nginx);
    let said = stand.cutover(&["nginx", "apply"]).expect(0).text();
    assert!(said.contains("nginx serves by generation 1"), "{said}");

    let load = stand.load_with(|it| it.target = address);
    for version in ["1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"] {
        deploy(&stand, version);
    }
    load.until_more(100, MOMENT);
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert!(summary.versions.len() == 6, "{:?}", summary.versions.keys());
    println!("{} requests behind nginx, {} failed", summary.requests, summary.failed);
    // Each of the five was also asked through nginx, whether the new release answers.
    assert!(nginx.asked("\"cutover\"") >= 5, "{}", nginx.asked("\"cutover\""));

    // nginx's word on the client reaches the application, and a client's own does not.
    let said = echo(address);
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

/// Of each request, the servers that nginx asked for it.
const UPSTREAMS: &str = "log_format upstreams \"$upstream_addr\";\n";

#[test]
fn deployments_straight_to_sockets_lose_no_request() {
    let more = vec!["listen: socket".to_owned()];
    let layout =
        Layout { app: App::Node, bake_s: 0.2, keep_warm_s: 0.0, more, ..Layout::default() };
    let stand = Stand::new(layout);
    let (nginx, address) = front(&stand, ", to: sockets");
    deploy(&stand, "1.0.0");
    let line = format!("include {}/ours/current/*/*.conf;", stand.folder.path().display());
    let upstreams = stand.folder.path().join("upstreams");
    let log = format!("{UPSTREAMS}access_log {} upstreams;", upstreams.display());
    nginx.configure(&format!("{log}\n{line}"));
    let said = stand.cutover(&["nginx", "apply"]).expect(0).text();
    assert!(said.contains("nginx goes straight to `web`"), "{said}");

    let load = stand.load_with(|it| {
        // nginx ends no stream politely.
        (it.target, it.websocket_clients, it.event_clients) = (address, 0, 0);
    });
    for version in ["1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"] {
        deploy(&stand, version);
    }
    load.until_more(100, MOMENT);
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert!(summary.versions.len() == 6, "{:?}", summary.versions.keys());
    let text = fs::read_to_string(&upstreams).unwrap();
    let straight = text.lines().filter(|it| it.starts_with("unix:") && !it.contains(", ")).count();
    let all = text.lines().count();
    println!("{} requests, {straight} of {all} straight", summary.requests);
    assert!(straight * 10 > all * 9, "nginx went by the proxy: {straight} of {all}");

    // Nobody behind a link: the proxy stands behind it, and says so in its own words.
    stand.cutover(&["maintenance", "on", TARGET]).expect(0);
    assert!(get_from(address, HOST, "/api/version").unwrap().starts_with("HTTP/1.1 503"));
    stand.cutover(&["maintenance", "off", TARGET]).expect(0);
    assert!(get_from(address, HOST, "/api/version").unwrap().contains("1.5.0"));

    // What that costs is said before; and one that is killed is asked for elsewhere.
    let from = stand.release("1.6.0", "").display().to_string();
    let said = stand.cutover(&["plan", TARGET, "1.6.0", "--from", &from]).expect(0).text();
    assert!(said.contains("nginx goes straight to web"), "{said}");
    let all = stand.instances("serving");
    let (_, pid) = all.iter().find(|(id, _)| id.contains(".web.1.")).unwrap();
    kill(*pid, Signal::KILL);
    for _ in 0..10 {
        assert!(get_from(address, HOST, "/api/version").unwrap().contains("1.5.0"));
    }
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

#[test]
fn a_deployment_looks_at_nginx_first() {
    let quick = Layout { app: App::Rust, bake_s: 0.1, instances: 1, ..Layout::default() };
    let stand = Stand::new(quick);
    let at = |name: &str| stand.folder.path().join(name).display().to_string();
    let (key, certificate) = (at("key.pem"), at("certificate.pem"));
    let mut made = Command::new("openssl");
    made.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]);
    made.args([&format!("/CN={HOST}"), "-keyout", &key, "-out", &certificate]);
    assert!(made.stdin(Stdio::null()).output().unwrap().status.success());
    let listen = format!("127.0.0.1:{}", ports::free());
    let tls =
        format!(", tls: {{ listen: [\"{listen}\"], certificate: {certificate}, key: {key} }}");
    let (mut nginx, _) = front(&stand, &tls);
    // It does not stand in front yet, so that nothing is asked of it.
    deploy(&stand, "1.0.0");
    include(&stand, &nginx);
    stand.cutover(&["nginx", "apply"]).expect(0);

    // By TLS, which in clear would only be pointed to: it was asked there who answers.
    deploy(&stand, "1.1.0");
    assert_eq!(nginx.asked("\"cutover\""), 2, "once for each of two services");

    let file = stand.folder.path().join(format!("ours/current/conf.d/{HOST}.conf"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}# mine\n")).unwrap();
    let said = deployed(&stand, "1.2.0", &[]).expect(REFUSED).text();
    assert!(said.contains(&format!("conf.d/{HOST}.conf changed by hand")), "{said}");
    assert!(said.contains("cutover nginx diff"), "{said}");
    assert!(fs::read_to_string(&file).unwrap().ends_with("# mine\n"));
    assert_eq!(stand.serving(), ["1.1.0"]);
    // A way back waits for nobody, and who knows better goes on.
    stand.cutover(&["rollback", TARGET]).expect(0);
    deployed(&stand, "1.2.0", &["--force"]).expect(0);
    stand.cutover(&["nginx", "apply", "--discard-edits"]).expect(0);

    let main = fs::read_to_string(nginx.main_file()).unwrap();
    fs::write(nginx.main_file(), format!("{main}\nnonsense;\n")).unwrap();
    let said = deployed(&stand, "1.3.0", &[]).expect(REFUSED).text();
    assert!(said.contains("nonsense"), "{said}");
    fs::write(nginx.main_file(), main).unwrap();
    nginx.end();
    let said = deployed(&stand, "1.3.0", &[]).expect(REFUSED).text();
    assert!(said.contains("reached through nginx"), "{said}");
    assert_eq!(stand.serving(), ["1.2.0"]);
    nginx.run();
    deploy(&stand, "1.3.0");

    // All of it is in order, and the host is answered by a block of the user's own: the release
    // would be in force and reached by nobody.
    let own = format!(
        "http {{\nserver {{\nlisten {listen} ssl;\nserver_name {HOST};\nssl_certificate \
         {certificate};\nssl_certificate_key {key};\nreturn 200 theirs;\n}}\n"
    );
    let main = fs::read_to_string(nginx.main_file()).unwrap();
    fs::write(nginx.main_file(), main.replacen("http {\n", &own, 1)).unwrap();
    nginx.end();
    nginx.run();
    let said = deployed(&stand, "1.4.0", &[]).expect(ROLLED_BACK).text();
    assert!(said.contains("came from none of our releases"), "{said}");
    assert!(said.contains("nginx stands in front"), "{said}");
    assert_eq!(stand.serving(), ["1.3.0"]);
}

const TENANTS: &str = "nginx: {}
projects:
  shop:
    services: { web: { command: [x], routes: [/] } }
    environments: { production: { domains: [shop.example] } }
";

#[test]
fn a_thousand_tenants_have_no_known_mistake_in_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut text = "proxy: { listen: [\"127.0.0.1:8080\"] }\nnginx:\n  acme: /var/www/acme\n  \
                    tls: { certificate: \"/c/{domain}.pem\", key: \"/c/{domain}.key\" }\n\
                    projects:\n"
        .to_owned();
    for number in 0..1000 {
        text += &format!(
            "  t{number}:\n    services: {{ web: {{ command: [x], routes: [/] }} }}\n    \
             environments: {{ production: {{ domains: [t{number}.example] }} }}\n"
        );
    }
    fs::write(at("cutover.yml"), text).unwrap();
    let mut command = Command::new(built("cutover", "cutover"));
    command.args(["nginx", "generate", "-o", "out"]).current_dir(folder.path());
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    println!("read, generated and written in {:?}", began.elapsed());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let main = |more: &str| {
        let out = at("out");
        let include = format!("include {out}/base/*.conf;\ninclude {out}/conf.d/*.conf;\n{more}");
        fs::write(at("nginx.conf"), format!("events {{\n}}\nhttp {{\n{include}}}\n")).unwrap();
        testkit::gixy::findings(&folder.path().join("nginx.conf"))
    };
    let found = main("");
    assert!(found.is_none(), "{found:?}");
    // It does look: a mistake beside them is found.
    fs::remove_dir_all(at("out/conf.d")).unwrap();
    let open = "server {\nserver_name x;\nlocation / {\nproxy_pass http://$http_host$uri;\n}\n}\n";
    assert!(main(open).is_some_and(|it| it.contains("ssrf")));
}

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
