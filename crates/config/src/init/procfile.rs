//! `Procfile`: one `name: command` a line.

use super::{Detected, Facts, Found, words};
use crate::draft::project::as_name;

/// Lines that become services; a longer file is no Procfile.
const SERVICES_MAX: usize = 32;

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let mut services: Vec<Found> = Vec::new();
    for (index, line) in facts.setting("Procfile")?.lines().take(SERVICES_MAX).enumerate() {
        let Some((name, command)) = line.split_once(':') else { continue };
        if line.trim_start().starts_with('#') || name.trim() == "release" {
            continue;
        }
        let Some(name) = as_name(name.trim()) else { continue };
        let taken = services.iter().any(|it| it.name.as_ref() == Some(&name));
        let from = format!("Procfile, line {}", index + 1);
        services.extend(service(name, command.trim(), from).filter(|_| !taken));
    }
    let found = !services.is_empty();
    found.then(|| Detected { what: "a Procfile", services, ..Detected::default() })
}

fn service(name: model::name::Name, line: &str, from: String) -> Option<Found> {
    let routed = name.as_str() == "web";
    if let Some(line) = words::line(line) {
        let command = line.words;
        let name = Some(name);
        return Some(Found { name, command, routed, from, env: line.env, ..Found::default() });
    }
    if line.is_empty() {
        return None;
    }
    let notes = vec![
        "This line needs a shell, which commands are never given to: put it in the script.".into(),
        line.to_owned(),
    ];
    let command = vec![format!("./bin/start-{name}")];
    Some(Found { name: Some(name), command, routed, from, notes, ..Found::default() })
}
