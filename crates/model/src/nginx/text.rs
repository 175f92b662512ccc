//! The text of nginx's files.

use super::{Challenges, Front, Location, NginxFile, Tls, Upstream};
use std::fmt::Write;

/// What all hosts share.
pub const BASE: &str = "base/cutover.conf";
/// Says which generation a worker has read.
pub const GENERATION: &str = "base/generation.conf";
/// The host whose only page is the number of the generation.  Nobody can own it.
pub const GENERATION_HOST: &str = "generation.cutover.invalid";
/// Of that host.
pub const GENERATION_PATH: &str = "/generation";
/// The file of the hosts that nobody names; no host has this name.
const EVERY_HOST_FILE: &str = "conf.d/_.conf";
/// Idle connections that each worker keeps to one group of servers.
const KEEPALIVE_CONNECTIONS: u32 = 32;
/// Less than the proxy keeps an idle client: nothing is sent on a connection that is being closed.
const KEEPALIVE_IDLE_S: u32 = 60;
/// Nothing is sent either way: how long a WebSocket or an event stream may be silent.
const SILENCE_S: u32 = 3600;

/// Whether a word can stand in a file of nginx and mean itself: it ends no directive, opens no
/// block and names no variable.
pub fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|it| it.is_ascii_alphanumeric() || PLAIN.contains(&it))
}

const PLAIN: &[u8] = b"._/~@:!&()*+,=[]-";

/// All files but the one that says the generation, in the order of their paths.
pub fn files(front: &Front) -> Vec<NginxFile> {
    let mut files = vec![NginxFile { path: BASE.to_owned(), text: base(front) }];
    for (host, locations) in &front.hosts {
        files.push(NginxFile { path: path(host), text: site(front, host, locations) });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The file that says the generation to who asks on this machine.
pub fn generation(front: &Front, generation: u64) -> NginxFile {
    let mut text = "server {\n".to_owned();
    listen(&mut text, &front.listen, "");
    line(&mut text, 1, &format!("server_name {GENERATION_HOST};"));
    line(&mut text, 1, "server_tokens off;");
    line(&mut text, 1, "access_log off;");
    line(&mut text, 1, "keepalive_timeout 0;");
    line(&mut text, 1, &format!("location = {GENERATION_PATH} {{"));
    line(&mut text, 2, "default_type text/plain;");
    line(&mut text, 2, &format!("return 200 \"{generation} $pid\";"));
    line(&mut text, 1, "}");
    line(&mut text, 1, "location / {");
    line(&mut text, 2, "return 404;");
    line(&mut text, 1, "}");
    text.push_str("}\n");
    NginxFile { path: GENERATION.to_owned(), text }
}

fn path(host: &str) -> String {
    match host {
        "*" => EVERY_HOST_FILE.to_owned(),
        host => format!("conf.d/{host}.conf"),
    }
}

/// A header that an application does not set, and what stands for it then.
const HEADERS: [(&str, &str, &str); 3] = [
    ("X-Content-Type-Options", "x_content_type_options", "nosniff"),
    ("X-Frame-Options", "x_frame_options", "SAMEORIGIN"),
    ("Referrer-Policy", "referrer_policy", "strict-origin-when-cross-origin"),
];

/// Only where TLS is ended.
const TRANSPORT: (&str, &str, &str) =
    ("Strict-Transport-Security", "strict_transport_security", "max-age=31536000");

fn headers(tls: bool) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    HEADERS.into_iter().chain(tls.then_some(TRANSPORT))
}

fn base(front: &Front) -> String {
    let mut text = String::new();
    line(&mut text, 0, "map $http_upgrade $cutover_connection {");
    line(&mut text, 1, "default upgrade;");
    line(&mut text, 1, "\"\" \"\";");
    line(&mut text, 0, "}");
    for (_, variable, value) in headers(front.tls.is_some()) {
        line(&mut text, 0, &format!("map $upstream_http_{variable} $cutover_{variable} {{"));
        line(&mut text, 1, "default \"\";");
        line(&mut text, 1, &format!("\"\" \"{value}\";"));
        line(&mut text, 0, "}");
    }
    for (name, upstream) in &front.upstreams {
        group(&mut text, name, upstream);
    }
    if let Some(Challenges::Address(address)) = &front.challenges {
        let upstream = Upstream { servers: vec![address.clone()], standby: None, keepalive: false };
        group(&mut text, CHALLENGES, &upstream);
    }
    if front.answers_others {
        others(&mut text, front);
    }
    text
}

/// Hosts that nobody names are answered by nobody's application.
fn others(text: &mut String, front: &Front) {
    if !front.hosts.contains_key("*") {
        line(text, 0, "server {");
        listen(text, &front.listen, " default_server");
        opening(text, front, "_");
        line(text, 1, "location / {");
        line(text, 2, "return 404;");
        line(text, 1, "}");
        line(text, 0, "}");
    }
    if let Some(tls) = &front.tls {
        line(text, 0, "server {");
        listen(text, &tls.listen, " ssl http2 default_server");
        line(text, 1, "server_name _;");
        line(text, 1, "server_tokens off;");
        encryption(text);
        line(text, 1, "ssl_reject_handshake on;");
        line(text, 1, "location / {");
        line(text, 2, "return 421;");
        line(text, 1, "}");
        line(text, 0, "}");
    }
}

/// The group of who answers challenges; a project's has dots in its name.
const CHALLENGES: &str = "cutover_challenges";

fn group(text: &mut String, name: &str, upstream: &Upstream) {
    line(text, 0, &format!("upstream {name} {{"));
    for server in &upstream.servers {
        // Where a link leads is another's a moment later, and with one server there is nobody else
        // to ask: a pause would be an outage.
        let patience = match &upstream.standby {
            Some(_) if !server.starts_with("unix:") => "max_fails=1 fail_timeout=1s",
            _ => "max_fails=0",
        };
        line(text, 1, &format!("server {server} {patience};"));
    }
    if let Some(standby) = &upstream.standby {
        let linked = upstream.servers.iter().any(|it| it.starts_with("unix:"));
        let patience = if linked { " max_fails=0" } else { "" };
        line(text, 1, &format!("server {standby}{patience} backup;"));
    }
    if upstream.keepalive {
        line(text, 1, &format!("keepalive {KEEPALIVE_CONNECTIONS};"));
        line(text, 1, &format!("keepalive_timeout {KEEPALIVE_IDLE_S}s;"));
    }
    line(text, 0, "}");
}

fn site(front: &Front, host: &str, locations: &[Location]) -> String {
    let mut text = String::new();
    let name = if host == "*" { "_" } else { host };
    let flag = if host == "*" && front.answers_others { " default_server" } else { "" };
    // Without a name there is no certificate.
    let tls = front.tls.as_ref().filter(|_| host != "*");
    line(&mut text, 0, "server {");
    listen(&mut text, &front.listen, flag);
    opening(&mut text, front, name);
    match tls {
        Some(tls) => {
            line(&mut text, 1, "location / {");
            let port = port(tls);
            line(&mut text, 2, &format!("return 308 https://{name}{port}$request_uri;"));
            line(&mut text, 1, "}");
        }
        None => serving(&mut text, front, locations, false),
    }
    line(&mut text, 0, "}");
    if let Some(tls) = tls {
        line(&mut text, 0, "server {");
        listen(&mut text, &tls.listen, " ssl http2");
        opening(&mut text, front, name);
        certificate(&mut text, tls, host);
        serving(&mut text, front, locations, true);
        line(&mut text, 0, "}");
    }
    text
}

/// Of TLS, as a URL says it: nothing where it is the usual one.
fn port(tls: &Tls) -> String {
    let ports = tls.listen.iter().filter_map(|it| it.rsplit_once(':')).map(|(_, port)| port);
    let mut unusual = ports.filter(|it| *it != "443");
    match unusual.next() {
        Some(port) if tls.listen.iter().all(|it| !it.ends_with(":443")) => format!(":{port}"),
        _ => String::new(),
    }
}

fn opening(text: &mut String, front: &Front, name: &str) {
    line(text, 1, &format!("server_name {name};"));
    line(text, 1, "server_tokens off;");
    let Some(challenges) = &front.challenges else { return };
    line(text, 1, "location ^~ /.well-known/acme-challenge/ {");
    line(text, 2, "default_type text/plain;");
    match challenges {
        Challenges::Directory(directory) => line(text, 2, &format!("root {directory};")),
        Challenges::Address(_) => {
            line(text, 2, "proxy_set_header Host $host;");
            line(text, 2, &format!("proxy_pass http://{CHALLENGES};"));
        }
    }
    line(text, 1, "}");
}

fn certificate(text: &mut String, tls: &Tls, host: &str) {
    let of = |template: &str| template.replace("{domain}", host);
    line(text, 1, &format!("ssl_certificate {};", of(&tls.certificate)));
    line(text, 1, &format!("ssl_certificate_key {};", of(&tls.key)));
    encryption(text);
    line(text, 1, "ssl_session_timeout 1d;");
    line(text, 1, "ssl_session_tickets off;");
}

/// Of TLS 1.2, those that keep a secret also when the key is lost later.
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

fn encryption(text: &mut String) {
    line(text, 1, "ssl_protocols TLSv1.2 TLSv1.3;");
    line(text, 1, &format!("ssl_ciphers {};", CIPHERS.join(":")));
}

fn serving(text: &mut String, front: &Front, locations: &[Location], tls: bool) {
    line(text, 1, &format!("client_max_body_size {};", front.body_bytes_max));
    for (name, variable, _) in headers(tls) {
        line(text, 1, &format!("add_header {name} $cutover_{variable} always;"));
    }
    line(text, 1, "proxy_http_version 1.1;");
    line(text, 1, "proxy_set_header Host $host;");
    line(text, 1, "proxy_set_header Upgrade $http_upgrade;");
    line(text, 1, "proxy_set_header Connection $cutover_connection;");
    line(text, 1, "proxy_set_header X-Real-IP $remote_addr;");
    line(text, 1, "proxy_set_header X-Forwarded-For $remote_addr;");
    line(text, 1, "proxy_set_header X-Forwarded-Proto $scheme;");
    line(text, 1, "proxy_set_header X-Forwarded-Host $host;");
    line(text, 1, "proxy_set_header X-Forwarded-Port $server_port;");
    line(text, 1, "proxy_set_header Forwarded \"\";");
    line(text, 1, &format!("proxy_read_timeout {SILENCE_S}s;"));
    line(text, 1, &format!("proxy_send_timeout {SILENCE_S}s;"));
    // An event stream is nothing if it is kept back.
    line(text, 1, "proxy_buffering off;");
    for location in locations {
        let pass = format!("proxy_pass http://{};", location.upstream);
        let prefixes = match location.path.as_str() {
            "" => vec!["/".to_owned()],
            // `/api` and what is below it: `/apiary` is neither.
            path => vec![format!("= {path}"), format!("{path}/")],
        };
        for prefix in prefixes {
            line(text, 1, &format!("location {prefix} {{"));
            line(text, 2, &pass);
            line(text, 1, "}");
        }
    }
    if !locations.iter().any(|it| it.path.is_empty()) {
        line(text, 1, "location / {");
        line(text, 2, "return 404;");
        line(text, 1, "}");
    }
}

fn listen(text: &mut String, addresses: &[String], flags: &str) {
    for address in addresses {
        line(text, 1, &format!("listen {address}{flags};"));
    }
}

fn line(text: &mut String, depth: usize, words: &str) {
    let indent = 4 * depth;
    // Writing to a text cannot fail.
    let _written = writeln!(text, "{:indent$}{words}", "");
}
