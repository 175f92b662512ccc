//! Each change is a whole deployment: nginx leads to the proxy, or straight to instances.

use super::Way;
use anyhow::{Result, ensure};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};
use testkit::{
    app::App,
    nginx::Nginx,
    ports,
    stand::{HOST, Layout, Stand},
};

struct Ours {
    name: &'static str,
    address: SocketAddr,
    stand: Stand,
    nginx: Nginx,
}

pub(super) fn install() -> Result<Box<dyn Way>> {
    behind("cutover", "proxy", vec![])
}

/// The application listens at a socket, and nginx goes there without the proxy.
pub(super) fn install_straight() -> Result<Box<dyn Way>> {
    behind("cutover, straight to sockets", "sockets", vec!["listen: socket".to_owned()])
}

fn behind(name: &'static str, to: &str, more: Vec<String>) -> Result<Box<dyn Way>> {
    let layout = Layout { app: App::Node, instances: 1, bake_s: 0.0, more, ..Layout::default() };
    let stand = Stand::new(Layout { keep_warm_s: 2.0, ..layout });
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
    let folder = stand.folder.path();
    let directory = folder.join("ours").display().to_string();
    let program = serde_json::to_string(&Nginx::program(folder))?;
    let key = format!(
        "nginx: {{ to: {to}, listen: [\"{address}\"], directory: {directory}, program: {program} \
         }}\n"
    );
    fs::write(stand.config(), key + &fs::read_to_string(stand.config())?)?;
    let nginx = Nginx::start(folder, "");
    let mut ours = Ours { name, address, stand, nginx };
    ours.change(0)?;
    ours.nginx.configure(&format!("include {directory}/current/*/*.conf;"));
    let ran = ours.stand.cutover(&["nginx", "apply"]);
    ensure!(ran.code == Some(0), "nginx was not told: {}", ran.text());
    Ok(Box::new(ours))
}

impl Way for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn host(&self) -> &'static str {
        HOST
    }

    fn change(&mut self, number: u64) -> Result<()> {
        let version = format!("1.{number}.0");
        let ran = self.stand.deploy(&version, "");
        ensure!(ran.code == Some(0), "{version} ended with {:?}: {}", ran.code, ran.text());
        Ok(())
    }
}
