//! PM2's `ecosystem.config.js`: its `apps`, as far as they are literals.

use super::{Detected, Facts, Found, literal, node, words};
use crate::{
    draft::project::as_name,
    variables::{is_variable_name, reserved},
};
use serde_json::Value;

const FILES: [&str; 3] = ["ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.json"];

/// More is no file that somebody wrote.
const APPS_MAX: usize = 64;

/// Parts of names whose values are not copied.
const SECRET_PARTS: [&str; 7] =
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "KEY", "DATABASE_URL", "CREDENTIAL"];

/// None: there is no such file.
///
/// # Errors
/// Where and why it cannot be read without running it.
pub(super) fn detect(facts: &Facts) -> Result<Option<Detected>, String> {
    let Some((file, text)) = FILES.iter().find_map(|it| Some((*it, facts.setting(it)?))) else {
        return Ok(None);
    };
    let value = literal::exported(text)
        .map_err(|it| format!("{file}:{}:{}: {}", it.line, it.column, it.why))?;
    let apps = match &value["apps"] {
        Value::Array(apps) => apps.clone(),
        Value::Object(_) => vec![value["apps"].clone()],
        _ => return Err(format!("{file}:1:1: it has no list of `apps`")),
    };
    let routed = routed(&apps);
    let mut services: Vec<Found> = Vec::new();
    let mut directory = String::new();
    for (index, app) in apps.iter().take(APPS_MAX).enumerate() {
        let Some(mut service) = service(facts, app) else {
            return Err(format!("{file}:1:1: apps[{index}] has no `script` that can be started"));
        };
        service.from = format!("{file}: apps[{index}]");
        service.routed = index == routed;
        if services.iter().any(|it| it.name == service.name) {
            return Err(format!("{file}:1:1: apps[{index}] has the name of another"));
        }
        match app["cwd"].as_str() {
            None | Some("." | "./") => {}
            Some(own) if own.starts_with('/') => {
                service.notes.push(format!("Its directory is {own}: this one is taken instead."));
            }
            Some(own) => own.trim_matches('/').clone_into(&mut directory),
        }
        services.push(service);
    }
    if services.is_empty() {
        return Err(format!("{file}:1:1: its list of `apps` is empty"));
    }
    let what = "PM2's ecosystem file";
    Ok(Some(Detected { what, services, directory, ..Detected::default() }))
}

/// Which app gets the traffic: the first with a port, else the first that is called so, else the
/// first.
fn routed(apps: &[Value]) -> usize {
    let has_port = |app: &Value| {
        let own = |key: &str| app[key].get("PORT").is_some();
        own("env") || own("env_production") || arguments(app).iter().any(|it| it.contains("port"))
    };
    let called = |app: &Value| {
        let name = app["name"].as_str().unwrap_or_default().to_lowercase();
        ["web", "app", "server", "api", "site"].iter().any(|it| name.contains(it))
    };
    apps.iter().position(has_port).or_else(|| apps.iter().position(called)).unwrap_or(0)
}

fn service(facts: &Facts, app: &Value) -> Option<Found> {
    let script = app["script"].as_str().filter(|it| !it.is_empty())?;
    let mut found = match (script, arguments(app).as_slice()) {
        ("npm" | "yarn" | "pnpm", [first, rest @ ..]) => {
            let name = if first == "run" { rest.first()? } else { first };
            node::script(facts, name).unwrap_or_else(|| Found {
                command: [script].into_iter().map(str::to_owned).chain(arguments(app)).collect(),
                ..Found::default()
            })
        }
        _ => Found { command: command(app, script), ..Found::default() },
    };
    let stem = script.rsplit('/').next().unwrap_or(script).split('.').next().unwrap_or_default();
    found.name = Some(as_name(app["name"].as_str().unwrap_or(stem))?);
    if let Some(port) = words::free_port(&mut found.command) {
        found.notes.push(format!("It fixes port {port}: here each instance is given its own."));
    }
    settings(app, &mut found);
    variables(app, &mut found);
    Some(found)
}

fn arguments(app: &Value) -> Vec<String> {
    words_of(&app["args"])
}

fn words_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => shlex::split(text).unwrap_or_default(),
        Value::Array(items) => items.iter().filter_map(word).collect(),
        _ => Vec::new(),
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(it) => Some(it.to_string()),
        _ => None,
    }
}

fn command(app: &Value, script: &str) -> Vec<String> {
    let given = ["interpreter", "exec_interpreter"].iter().find_map(|it| app[*it].as_str());
    let interpreter = match given {
        Some("none") => None,
        Some(given) => Some(given),
        None => match script.rsplit_once('.').map(|it| it.1) {
            Some("js" | "cjs" | "mjs") => Some("node"),
            Some("py") => Some("python3"),
            Some("sh") => Some("bash"),
            // As PM2 does with what it finds under `node_modules`.
            None if script.contains("node_modules/") => Some("node"),
            _ => None,
        },
    };
    let options = ["node_args", "interpreter_args"].iter().flat_map(|it| words_of(&app[*it]));
    let options: Vec<String> = options.filter(|_| interpreter.is_some()).collect();
    let script = script.strip_prefix("./").filter(|_| interpreter.is_some()).unwrap_or(script);
    let script = script.to_owned();
    interpreter
        .map(str::to_owned)
        .into_iter()
        .chain(options)
        .chain([script])
        .chain(arguments(app))
        .collect()
}

/// What PM2 calls otherwise.
fn settings(app: &Value, found: &mut Found) {
    match &app["instances"] {
        Value::Number(count) if count.as_u64().is_some_and(|it| (1..=256).contains(&it)) => {
            found.keys.push(format!("instances: {count}"));
        }
        Value::Null => {}
        other => found.notes.push(format!("PM2 runs {other} instances of it: give a number.")),
    }
    let time = |key: &str| app[key].as_u64().filter(|it| (100..=3_600_000).contains(it));
    if let Some(time) = time("kill_timeout") {
        found.keys.push(format!("grace: {time}ms"));
    }
    if let Some(time) = time("listen_timeout") {
        found.keys.push(format!("start_timeout: {time}ms"));
    }
    if app["wait_ready"] == Value::Bool(true) {
        found.notes.push("It says `ready` to PM2; here it is ready when its port accepts.".into());
    }
    if let Some(memory) = word(&app["max_memory_restart"]) {
        found.notes.push(format!(
            "PM2 restarts it beyond {memory}; `limits: {{ memory: … }}` would end it there."
        ));
    }
    if app["watch"] == Value::Bool(true) {
        found.notes.push("PM2 restarts it when files change; here a deployment does.".to_owned());
    }
}

fn variables(app: &Value, found: &mut Found) {
    let mut all = serde_json::Map::new();
    for key in ["env", "env_production"] {
        all.extend(app[key].as_object().cloned().unwrap_or_default());
    }
    for (name, value) in &all {
        let Some(value) = word(value) else { continue };
        if name == "PORT" {
            found.notes.push(format!("PORT={value} is left out: each instance is given its own."));
        } else if !is_variable_name(name) || reserved(name).is_some() {
            found.notes.push(format!("{name} is left out: each instance is given it."));
        } else if SECRET_PARTS.iter().any(|it| name.to_uppercase().contains(it)) {
            found.secrets.push(name.clone());
        } else {
            found.env.retain(|it| it.0 != *name);
            found.env.push((name.clone(), value));
        }
    }
}
