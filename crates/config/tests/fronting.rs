//! What nginx is told of a configuration, and what cannot be told.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::{Document, EnvFiles, EnvReadError, EnvText, Fronting, Problem, render};
use model::nginx::text::files;
use std::{fmt::Write, path::Path, time::Instant};

fn fronting(text: &str) -> Result<Fronting, Vec<Problem>> {
    let (document, problems) = Document::read("cutover.yml", text);
    document.ok_or(problems)?.fronting(true, "/var/lib/cutover/links")
}

fn accepted(text: &str) -> Fronting {
    fronting(text).unwrap_or_else(|it| panic!("{}", render::human(&it)))
}

fn refused(text: &str) -> String {
    render::human(&fronting(text).expect_err("it was accepted"))
}

fn tenants() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/good/tenants.yml");
    std::fs::read_to_string(path).unwrap()
}

fn named(fronting: &Fronting) -> Vec<String> {
    files(&fronting.front).into_iter().map(|it| it.path).collect()
}

#[test]
fn a_projects_file_as_it_stands_leads_to_the_proxy() {
    let found = accepted(&tenants());
    let expected =
        ["base/cutover.conf", "conf.d/filter-ical.de.conf", "conf.d/staging.filter-ical.de.conf"];
    assert_eq!(named(&found), expected);
    let all = files(&found.front);
    assert!(
        all[0].text.contains("upstream filter-ical.production {\n    server "),
        "{}",
        all[0].text
    );
    assert!(all[1].text.contains("proxy_pass http://filter-ical.production;"), "{}", all[1].text);
    assert_eq!(found.notes.len(), 1, "where the proxy listens is not said: {:?}", found.notes);
    assert_eq!(found.directory, "/etc/nginx/cutover");
    assert_eq!(all, files(&accepted(&tenants()).front));
}

#[test]
fn containers_may_be_led_to_by_their_names() {
    let found = accepted(&format!("nginx: {{ to: services }}\n{}", tenants()));
    let upstreams: Vec<&str> =
        found.front.upstreams.values().map(|it| it.servers[0].as_str()).collect();
    assert_eq!(
        upstreams,
        [
            "filter-ical-backend-production:3000",
            "filter-ical-frontend-production:80",
            "filter-ical-backend-staging:3000",
            "filter-ical-frontend-staging:80",
        ]
    );
    let text = &files(&found.front)[1].text;
    for location in
        ["location = /api {", "location /api/ {", "location /domains/ {", "location / {"]
    {
        assert!(text.contains(location), "{location} is not in {text}");
    }
    let api = text.find("location = /api {").unwrap();
    let rest = &text[api..api + 120];
    assert!(rest.contains("proxy_pass http://filter-ical.production.backend;"), "{rest}");
}

const SHOP: &str = "
projects:
  shop:
    services: { web: { command: [x], routes: [/] } }
    environments: { production: { domains: [shop.example] } }
";

struct NoFiles;

impl EnvFiles for NoFiles {
    fn read(&self, _path: &str) -> Result<EnvText, EnvReadError> {
        Err(EnvReadError::Missing)
    }
}

const AT_SOCKETS: &str = "
proxy: { listen: [\"127.0.0.1:8080\"] }
nginx: { to: sockets }
projects:
  shop:
    services:
      web: { command: [x], routes: [/], listen: socket, instances: 2 }
      api: { command: [y], routes: [/api] }
    environments: { production: { domains: [shop.example] } }
";

#[test]
fn sockets_are_led_to_by_links_and_all_else_by_the_proxy() {
    let found = accepted(AT_SOCKETS);
    assert!(found.notes[0].message.contains("not counted by release"), "{:?}", found.notes);
    let all = files(&found.front);
    let group = "upstream shop.production.web {
    server unix:/var/lib/cutover/links/shop.production/web.1 max_fails=0;
    server unix:/var/lib/cutover/links/shop.production/web.2 max_fails=0;
    server 127.0.0.1:8080 max_fails=0 backup;
}
";
    assert!(all[0].text.contains(group), "{}", all[0].text);
    let site = &all[1].text;
    for (location, upstream) in [("/", "shop.production.web"), ("= /api", "shop.production")] {
        let line = format!("location {location} {{\n        proxy_pass http://{upstream};");
        assert!(site.contains(&line), "{line} is not in {site}");
    }
    // How many links there are is the release's to know.
    let (document, _) = Document::read("cutover.yml", AT_SOCKETS);
    let id = "shop/production".parse().unwrap();
    let spec = document.unwrap().resolve(&id, &NoFiles, true).unwrap().spec;
    let links = |at: usize| spec.services[at].socket.map(|it| it.links);
    assert_eq!((links(0), links(1)), (Some(Some(2)), None));

    let (document, _) = Document::read("cutover.yml", AT_SOCKETS);
    let far = format!("/{}", "x".repeat(100));
    let said = render::human(&document.unwrap().fronting(true, &far).unwrap_err());
    assert!(said.contains("and a socket's path 107"), "{said}");
}

#[test]
fn a_socket_goes_with_processes_of_ours() {
    let said = |keys: &str| {
        let text = AT_SOCKETS.replace("listen: socket, instances: 2", keys);
        refused(&text.replace("to: sockets", "to: proxy"))
    };
    let both = said("listen: socket, port: 3000, strategy: recreate");
    assert!(both.contains("cutover.yml:7:") && both.contains("not at both"), "{both}");
    for runtime in ["pm2", "systemd"] {
        let text = said(&format!("listen: socket, runtime: {runtime}"));
        assert!(text.contains("goes with `runtime: process`"), "{text}");
    }
}

#[test]
fn tls_is_ended_where_certificates_are_named() {
    let tls = "nginx:
  acme: /var/www/acme
  tls: { certificate: '/certs/{domain}/chain.pem', key: '/certs/{domain}/key.pem' }
";
    let text = files(&accepted(&format!("{tls}{SHOP}")).front)[1].text.clone();
    for line in [
        "listen 0.0.0.0:80;",
        "return 308 https://shop.example$request_uri;",
        "listen 0.0.0.0:443 ssl http2;",
        "ssl_certificate /certs/shop.example/chain.pem;",
        "ssl_certificate_key /certs/shop.example/key.pem;",
        "location ^~ /.well-known/acme-challenge/ {",
        "root /var/www/acme;",
        "add_header Strict-Transport-Security $cutover_strict_transport_security always;",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn words_that_would_be_more_than_words_are_refused_where_they_stand() {
    let host = SHOP.replace("shop.example", "\"a.de; } server {\"");
    let said = refused(&host);
    assert!(said.contains("cutover.yml:5:45: `a.de; } server {` is not a host name"), "{said}");
    for path in ["/; proxy_pass http://evil", "/;x", "/a{b", "/$host", "/a\\\\b", "/a'b", "/#"] {
        let text = SHOP.replace("[/]", &format!("[\"{path}\"], port: 3000, strategy: recreate"));
        let said = refused(&format!("nginx: {{ to: services }}{text}"));
        let shown = path.replace("\\\\", "\\");
        assert!(said.starts_with("cutover.yml:4:"), "{path}: {said}");
        assert!(said.contains(&shown), "{path}: {said}");
    }
    for (key, value) in [
        ("acme", "/var/www; } server {"),
        ("acme", "/var/../etc"),
        ("directory", "/etc/nginx/\\n}"),
        ("tls", "{ certificate: \"/a;b\", key: /k }"),
        ("standby", "evil.example"),
        ("listen", "80; }"),
    ] {
        let value = if key == "tls" { value.to_owned() } else { format!("\"{value}\"") };
        let said = refused(&format!("nginx: {{ {key}: {value} }}\n{SHOP}"));
        assert!(said.starts_with("cutover.yml:1:"), "{key}: {said}");
    }
}

#[test]
fn what_cannot_be_led_to_is_said() {
    let said = refused(&format!("nginx: {{ to: services }}{SHOP}"));
    assert!(said.contains("nginx cannot lead to `web`: each release has another port"), "{said}");
    let said = refused(&format!("proxy: {{ listen: [\"0.0.0.0:80\"] }}\nnginx: {{}}{SHOP}"));
    assert!(said.contains("so the proxy cannot at 0.0.0.0:80"), "{said}");
    let said = refused(&format!("proxy: {{ listen: [\"127.0.0.1:0\"] }}\nnginx: {{}}{SHOP}"));
    assert!(said.contains("the port is not fixed"), "{said}");
}

#[test]
fn who_is_in_front_on_this_machine_is_trusted() {
    let trusted = |text: &str| Document::read("cutover.yml", text).0.unwrap().trusted();
    assert_eq!(trusted(SHOP), None);
    let here = Some(vec!["127.0.0.1".to_owned(), "::1".to_owned()]);
    assert_eq!(trusted(&format!("nginx: {{}}{SHOP}")), here);
    let said = trusted(&format!("proxy: {{ trusted: [10.0.0.0/8] }}{SHOP}"));
    assert_eq!(said, Some(vec!["10.0.0.0/8".to_owned()]));
    assert_eq!(trusted(&format!("nginx: {{}}\nproxy: {{ trusted: [] }}{SHOP}")), Some(vec![]));
}

#[test]
fn a_thousand_tenants_take_no_time() {
    let mut text = "nginx: {}\nprojects:\n".to_owned();
    for number in 0..1000 {
        write!(
            text,
            "  t{number}:\n    domains: {{ production: t{number}.example }}\n    containers:\n\
             \x20     api: {{ name: t{number}, port: 3000, api_locations: [/api, /admin] }}\n      \
             web: {{ name: w{number}, port: 80 }}\n"
        )
        .unwrap();
    }
    let (document, _) = Document::read("projects.yml", &text);
    let document = document.unwrap();
    let began = Instant::now();
    let fronting = document.fronting(true, "/var/lib/cutover/links").unwrap();
    let all = files(&fronting.front);
    println!("{} files of 1,000 tenants: {:?}", all.len(), began.elapsed());
    assert_eq!(all.len(), 1001);
    assert!(began.elapsed().as_millis() < 3000, "300 ms are the goal where nobody else works");
}
