//! nginx before something, and two copies of an application that it may lead to.

use anyhow::Result;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use testkit::{
    app::{App, Running},
    nginx::Nginx,
    ports,
};

/// What is asked of the group of servers that `servers` names.
pub fn start(folder: &Path, servers: &str) -> (Nginx, SocketAddr) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let inside = format!(
        "upstream app {{\n{servers}\n}}\nserver {{\nlisten {address};\nclient_max_body_size 0;\n\
         location / {{\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\n\
         proxy_set_header Host $host;\nproxy_pass http://app;\n}}\n}}"
    );
    (Nginx::start(folder, &inside), address)
}

/// A copy of the application in a folder of its own.
pub fn copy(folder: &Path, version: &str, extra: &[(&str, &str)]) -> Result<Running> {
    let directory = folder.join(version);
    App::Node.release(&directory, version, "")?;
    Ok(Running::start(App::Node, &directory, extra))
}
