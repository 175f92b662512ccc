//! A user's own `ecosystem.config.js`, taken as it stands.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::{Document, EnvFiles, EnvReadError, EnvText, Resolved, render};
use model::{
    pm2::{Mode, Pm2Spec, RuntimeSpec},
    service::Millis,
};

const FILE: &str = "
// PM2's own file, in use before.
module.exports = {
  apps: [
    {
      name: 'drevo-staging', script: 'server/server.mjs', exec_mode: 'fork',
    },
    {
      name: 'drevo-production', script: 'server/server.mjs', cwd: '/home/deploy/current',
      instances: 2, wait_ready: true, listen_timeout: 8000, kill_timeout: 5000,
      max_memory_restart: '1G', out_file: 'logs/production-out.log', merge_logs: true,
      log_date_format: 'YYYY-MM-DD HH:mm:ss',
    },
  ],
};
";

struct Ecosystem(String);

impl EnvFiles for Ecosystem {
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError> {
        match path {
            "ecosystem.config.js" => Ok(EnvText { text: self.0.clone(), mode: 0o644 }),
            _ => Err(EnvReadError::Missing),
        }
    }
}

fn resolved(environment: &str, keys: &str, file: &str) -> Result<Resolved, String> {
    let text = format!(
        "projects:\n  drevo:\n    services:\n      web:\n        runtime: pm2\n        \
         command: [node, server/server.mjs]\n        routes: [/]\n        health: none\n        \
         pm2: {{ ecosystem: ecosystem.config.js{keys} }}\n    environments:\n      \
         staging: {{ domains: [s.example] }}\n      production: {{ domains: [p.example] }}\n"
    );
    let (document, problems) = Document::read("cutover.yml", &text);
    let document = document.ok_or_else(|| render::human(&problems))?;
    let id = format!("drevo/{environment}").parse().unwrap();
    let files = Ecosystem(file.to_owned());
    document.resolve(&id, &files, true).map_err(|it| render::human(&it))
}

fn asked(resolved: &Resolved) -> &Pm2Spec {
    match &resolved.spec.services[0].runtime {
        RuntimeSpec::Pm2(asked) => asked,
        other => panic!("PM2 does not run it: {other:?}"),
    }
}

#[test]
fn what_it_says_holds_where_nothing_else_is_said() {
    let production = resolved("production", "", FILE).unwrap();
    let (service, pm2) = (&production.spec.services[0], asked(&production));
    // Who asks for instances of a Node program means a cluster, as PM2 has it.
    assert_eq!((pm2.mode, pm2.workers, pm2.wait_ready), (Mode::Cluster, 2, true));
    assert_eq!(pm2.max_memory_restart_bytes, Some(1 << 30));
    assert_eq!(pm2.log_date_format.as_deref(), Some("YYYY-MM-DD HH:mm:ss"));
    assert_eq!((service.start_timeout, service.grace), (Millis(8000), Millis(5000)));
    let notes = render::human(&production.notes);
    for key in ["out_file", "cwd"] {
        let told = format!("`{key}` in ecosystem.config.js is not taken over");
        assert!(notes.contains(&told), "{key}: {notes}");
    }
    // The command says the same.
    assert!(!notes.contains("`script`"), "{notes}");

    let staging = resolved("staging", "", FILE).unwrap();
    assert_eq!((asked(&staging).mode, asked(&staging).workers), (Mode::Fork, 1));
    // The configuration's own word wins, and another app can be named.
    let own = resolved("staging", ", app: drevo-production, instances: 3", FILE).unwrap();
    assert_eq!((asked(&own).mode, asked(&own).workers), (Mode::Cluster, 3));
}

#[test]
fn what_cannot_be_taken_is_told_at_its_place() {
    let refused = |keys: &str, file: &str| resolved("production", keys, file).unwrap_err();
    let said = refused(", app: nobody", FILE);
    assert!(said.contains("`drevo-staging`, `drevo-production`"), "{said}");
    assert!(said.contains("cutover.yml:9:"), "{said}");
    let said = refused("", &FILE.replace("instances: 2", "instances: 'max'"));
    assert!(said.contains("`instances: \"max\"` in ecosystem.config.js"), "{said}");
    let said = refused("", &FILE.replace("instances: 2", "instances: os.cpus().length"));
    assert!(said.contains("ecosystem.config.js:10:"), "{said}");
    let said = refused("", &FILE.replace("instances: 2", "instances: 2, exec_mode: 'fork'"));
    assert!(said.contains("in fork mode PM2's processes cannot share a port"), "{said}");
    let said = resolved("production", "", "").unwrap_err();
    assert!(said.contains("ecosystem.config.js"), "{said}");
}

#[test]
fn what_has_its_place_elsewhere_is_told_by_name_and_without_values() {
    let file = "module.exports = { apps: [{ name: 'web', script: 'other.js', args: '--port 80', \
                watch: true, autorestart: false, max_restarts: 3, env: { API_KEY: 'hush' }, \
                env_production: { A: 'b' }, source_map_support: true, ignore_watch: null }] };";
    let notes = render::human(&resolved("production", "", file).unwrap().notes);
    let told = ["script", "args", "watch", "autorestart", "max_restarts", "env", "env_production"];
    for key in told.into_iter().chain(["source_map_support"]) {
        let told = format!("`{key}` in ecosystem.config.js is not taken over");
        assert!(notes.contains(&told), "{key}: {notes}");
    }
    assert!(!notes.contains("hush") && !notes.contains("ignore_watch"), "{notes}");
}
