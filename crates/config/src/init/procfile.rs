//! `Procfile`: one `name: command` a line.

use super::{Detected, Facts, Found};
use crate::{argv::needs_shell, draft::project::as_name};

/// Lines that become services; a longer file is no Procfile.
const SERVICES_MAX: usize = 32;

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let mut services: Vec<Found> = Vec::new();
    for line in facts.procfile.as_ref()?.lines().take(SERVICES_MAX) {
        let Some((name, command)) = line.split_once(':') else { continue };
        if line.trim_start().starts_with('#') || name.trim() == "release" {
            continue;
        }
        let Some(name) = as_name(name.trim()) else { continue };
        let taken = services.iter().any(|it| it.name == name);
        if let Some(found) = service(name, command.trim()).filter(|_| !taken) {
            services.push(found);
        }
    }
    let what = "a Procfile";
    (!services.is_empty()).then_some(Detected { what, services, env: Vec::new() })
}

fn service(name: model::name::Name, line: &str) -> Option<Found> {
    let routed = name.as_str() == "web";
    let filled = line.replace("${PORT}", "{port}").replace("$PORT", "{port}");
    let words = shlex::split(&filled).filter(|it| !it.is_empty() && needs_shell(&filled).is_none());
    if let Some(command) = words {
        return Some(Found { name, command, routed, notes: Vec::new() });
    }
    if line.is_empty() {
        return None;
    }
    let shown: String = line.chars().filter(|it| !it.is_control()).collect();
    let notes = vec![
        "This line needs a shell, which commands are never given to: put it in the script.".into(),
        shown,
    ];
    let command = vec![format!("./bin/start-{name}")];
    Some(Found { name, command, routed, notes })
}
