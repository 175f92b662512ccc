//! Node: `package.json` with a start script, or a file that is usually the program.

use super::{Detected, Facts, Found, known_name};
use crate::argv::needs_shell;
use serde_json::Value;

const PROGRAMS: [&str; 4] = ["server.js", "server.mjs", "index.js", "app.js"];

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let package: Value = match &facts.package_json {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Value::Null,
    };
    let depends = |name: &str| package["dependencies"].get(name).is_some();
    let mut notes = Vec::new();
    if package["dependencies"].as_object().is_some_and(|it| !it.is_empty()) {
        notes.push("`node_modules` must be in the directory: run `npm ci` first.".to_owned());
    }
    let start = package["scripts"]["start"].as_str();
    let (what, command) = if depends("next") {
        notes.push("Build first: `npm run build`.".to_owned());
        let words = ["node_modules/.bin/next", "start", "--port", "{port}"];
        ("a Next.js program", words.map(str::to_owned).to_vec())
    } else if let Some(script) = start {
        ("a Node program", start_command(script))
    } else {
        let program = package["main"].as_str().filter(|it| facts.has(it));
        let program = program.or_else(|| facts.first_of(&PROGRAMS))?;
        ("a Node program", vec!["node".to_owned(), program.to_owned()])
    };
    let services = vec![Found { name: known_name("web"), command, routed: true, notes }];
    Some(Detected { what, services, env: vec![("NODE_ENV", "production")] })
}

/// The script itself where it is a plain `node …`: npm stands between a program and its signals.
fn start_command(script: &str) -> Vec<String> {
    let plain = script.starts_with("node ") && needs_shell(script).is_none();
    let words = shlex::split(script).filter(|_| plain);
    words.unwrap_or_else(|| ["npm", "start"].map(str::to_owned).to_vec())
}
