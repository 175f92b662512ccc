//! nginx, HAProxy and Caddy from Debian, with what their documentation advises for this work:
//! connections to the backend are kept, clients' addresses are told, nothing is logged.

use super::contender::{Contender, Ground, HOST, Program, addresses};
use anyhow::Result;
use std::fs;

pub fn nginx(ground: &Ground<'_>) -> Result<Box<dyn Contender>> {
    let [clear, secure] = addresses();
    let (folder, backend) = (ground.folder.display(), ground.backend);
    let (certificate, key) = (ground.certificate.display(), ground.key.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|it| format!("  {it}_temp_path {folder}/nginx-{it};\n"))
        .collect();
    let server = |host: &str| {
        format!(
            "  server {{\n    listen {clear};\n    listen {secure} ssl http2;\n    \
             server_name {host};\n    ssl_certificate {certificate};\n    \
             ssl_certificate_key {key};\n    location / {{\n      proxy_pass http://app;\n      \
             proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
             proxy_set_header Host $host;\n      \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      \
             proxy_set_header X-Forwarded-Proto $scheme;\n      \
             proxy_set_header X-Forwarded-Host $host;\n    }}\n  }}\n"
        )
    };
    let text = format!(
        "user root;\npid {folder}/nginx.pid;\nworker_processes {};\n\
         events {{\n  worker_connections 8000;\n}}\nhttp {{\n  access_log off;\n{temporary}  \
         keepalive_requests 1000000000;\n  client_max_body_size 0;\n  upstream app {{\n    \
         server {backend};\n    keepalive 256;\n    keepalive_requests 1000000000;\n  }}\n\
         {}{}}}\n",
        ground.workers,
        server(HOST),
        server("other.example"),
    );
    let file = ground.folder.join("nginx.conf");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    let errors = format!("{folder}/nginx-errors");
    let words = ["nginx", "-c", &file, "-e", &errors, "-g", "daemon off;"];
    Ok(Box::new(Program::start("nginx", ground, [clear, secure], &words)?))
}

pub fn haproxy(ground: &Ground<'_>) -> Result<Box<dyn Contender>> {
    let [clear, secure] = addresses();
    // It takes certificate and key from one file.
    let both = ground.folder.join("both.pem");
    let pem = [fs::read(&ground.certificate)?, fs::read(&ground.key)?].concat();
    fs::write(&both, pem)?;
    let text = format!(
        "global\n  maxconn 8000\n  nbthread {}\ndefaults\n  mode http\n  \
         timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout http-keep-alive 60s\n  option forwardfor\n  http-reuse always\n\
         frontend all\n  bind {clear}\n  bind {secure} ssl crt {} alpn h2,http/1.1\n  \
         http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}\n  \
         http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(Host)]\n  \
         use_backend app if {{ hdr(host),host_only -i {HOST} }}\n  \
         use_backend other if {{ hdr(host),host_only -i other.example }}\n\
         backend app\n  server one {}\nbackend other\n  server one {}\n",
        ground.workers,
        both.display(),
        ground.backend,
        ground.backend,
    );
    let file = ground.folder.join("haproxy.cfg");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    let words = ["haproxy", "-db", "-f", &file];
    Ok(Box::new(Program::start("HAProxy", ground, [clear, secure], &words)?))
}

pub fn caddy(ground: &Ground<'_>) -> Result<Box<dyn Contender>> {
    let [clear, secure] = addresses();
    let site = |host: &str| {
        format!(
            "http://{host}:{} {{\n  bind 127.0.0.1\n  reverse_proxy {}\n}}\n\
             https://{host}:{} {{\n  bind 127.0.0.1\n  tls {} {}\n  reverse_proxy {}\n}}\n",
            clear.port(),
            ground.backend,
            secure.port(),
            ground.certificate.display(),
            ground.key.display(),
            ground.backend,
        )
    };
    let text = format!(
        "{{\n  admin off\n  auto_https off\n  servers {{\n    \
         protocols h1 h2\n  }}\n}}\n{}{}",
        site(HOST),
        site("other.example")
    );
    let file = ground.folder.join("Caddyfile");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    let words = ["caddy", "run", "--adapter", "caddyfile", "--config", &file];
    Ok(Box::new(Program::start("Caddy", ground, [clear, secure], &words)?))
}
