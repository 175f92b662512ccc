//! Node: `package.json` with a start script, or a file that is usually the program.

use super::{Detected, Facts, Found, words};
use serde_json::Value;

const PROGRAMS: [&str; 4] = ["server.js", "server.mjs", "index.js", "app.js"];

/// Programs that are found by PATH; all else that a script names is one of its dependencies.
const ON_PATH: [&str; 8] = ["node", "bun", "deno", "python", "python3", "npm", "yarn", "pnpm"];

/// Scripts that lead to scripts.
const SCRIPTS_MAX: usize = 4;

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let package = package(facts)?;
    let next = package["dependencies"].get("next").is_some();
    let mut service = match script(facts, "start") {
        Some(found) if !next || !started_by_next(&found) => found,
        _ if next => Found::default(),
        _ => {
            let main = package["main"].as_str().filter(|it| facts.has(it));
            let from = if main.is_some() { "package.json: main" } else { "its name" };
            let program = main.or_else(|| facts.first_of(&PROGRAMS))?;
            let command = vec!["node".to_owned(), program.to_owned()];
            Found { command, from: format!("{program}, by {from}"), ..Found::default() }
        }
    };
    let what = if next { "a Next.js program" } else { "a Node program" };
    if service.command.is_empty() {
        service = self::next(facts);
    }
    if package["dependencies"].as_object().is_some_and(|it| !it.is_empty()) {
        service
            .notes
            .insert(0, "`node_modules` must be in the directory: run `npm ci` first.".to_owned());
    }
    service.routed = true;
    let env = vec![("NODE_ENV", "production")];
    service.env.retain(|(name, _)| name != "NODE_ENV");
    Some(Detected { what, services: vec![service], env, ..Detected::default() })
}

/// None: the file is there and is not JSON.
fn package(facts: &Facts) -> Option<Value> {
    match facts.setting("package.json") {
        Some(text) => serde_json::from_str(text).ok(),
        None => Some(Value::Null),
    }
}

/// `next start`, whose two ways are written here.
fn started_by_next(found: &Found) -> bool {
    found.command.first().is_some_and(|it| it.ends_with(".bin/next") || it == "npm")
}

fn next(facts: &Facts) -> Found {
    let settings = ["next.config.js", "next.config.mjs", "next.config.ts"];
    let standalone = settings.iter().find(|name| {
        let text = facts.setting(name).unwrap_or_default();
        let squeezed: String = text.chars().filter(|it| !it.is_whitespace()).collect();
        ["output:\"standalone\"", "output:'standalone'"].iter().any(|it| squeezed.contains(it))
    });
    let build = "Build first: `npm run build`.".to_owned();
    let Some(name) = standalone else {
        let words =
            ["node_modules/.bin/next", "start", "--hostname", "127.0.0.1", "--port", "{port}"];
        return Found {
            command: words.map(str::to_owned).to_vec(),
            from: "package.json: dependencies.next".to_owned(),
            notes: vec![build],
            ..Found::default()
        };
    };
    Found {
        command: ["node", ".next/standalone/server.js"].map(str::to_owned).to_vec(),
        from: format!("{name}: output"),
        notes: vec![
            build,
            "Then copy `public` and `.next/static` into `.next/standalone`.".to_owned(),
        ],
        env: vec![("HOSTNAME".to_owned(), "127.0.0.1".to_owned())],
        ..Found::default()
    }
}

/// What a script of `package.json` starts, without npm between.
pub(super) fn script(facts: &Facts, name: &str) -> Option<Found> {
    let package = package(facts)?;
    let mut name = name.to_owned();
    for _ in 0..SCRIPTS_MAX {
        let text = package["scripts"][&name].as_str()?;
        let from = format!("package.json: scripts.{name}");
        let Some(line) = words::line(text) else { return Some(by_npm(&name, text, from)) };
        match leads_to(&line.words) {
            Some(next) if next != name => name = next,
            Some(_) => return Some(by_npm(&name, text, from)),
            None => return Some(started(line, from)),
        }
    }
    None
}

/// The script that `npm run NAME` and its like run.
fn leads_to(words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["npm" | "yarn" | "pnpm", "run", name] | ["yarn" | "pnpm", name] => Some(name.to_owned()),
        ["npm", name @ ("start" | "test")] => Some(name.to_owned()),
        _ => None,
    }
}

fn by_npm(name: &str, text: &str, from: String) -> Found {
    let notes = vec![
        "The script needs a shell.  npm gives it one, and stands between the program and its"
            .to_owned(),
        "stop signal: better start the last program of it here.".to_owned(),
        text.to_owned(),
    ];
    let words = if name == "start" { vec!["npm", "start"] } else { vec!["npm", "run", name] };
    let command = words.into_iter().map(str::to_owned).collect();
    Found { command, from, notes, ..Found::default() }
}

fn started(line: words::Line, from: String) -> Found {
    let words::Line { env, words: mut command, port } = line;
    let mut notes = Vec::new();
    let program = command[0].clone();
    match program.as_str() {
        "nodemon" | "ts-node-dev" => {
            command[0] = "node".to_owned();
            notes.push(format!("The script starts {program}, which is for development."));
        }
        "npx" if command.len() > 1 => {
            command.remove(0);
            command[0] = format!("node_modules/.bin/{}", command[0]);
        }
        it if it.contains('/') || ON_PATH.contains(&it) => {}
        it => command[0] = format!("node_modules/.bin/{it}"),
    }
    notes.extend(port.map(|it| format!("The script fixes port {it}: here each instance has one.")));
    Found { command, env, from, notes, ..Found::default() }
}
