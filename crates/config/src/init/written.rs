//! What was found, as the text of a configuration and as lines that say where it is from.

use super::{Detected, Facts, Found, Written, health, known_name};
use model::name::Name;
use std::fmt::Write;

/// The whole configuration of one project.
pub(super) fn written(name: &Name, facts: &Facts, found: &Detected) -> Written {
    let directory = if found.directory.is_empty() { "." } else { &found.directory };
    let (inner, guesses) = project(name, facts, found, directory, &[]);
    let head = format!(
        "# Written by `cutover init` for {}.  `cutover check` reports what is wrong with it;\n\
         # `cutover schema` says of every key what it is for.\n\
         projects:\n",
        found.what,
    );
    Written { detected: found.what.to_owned(), guesses, text: head + &inner }
}

/// The lines of one project, indented as an entry of `projects`, and where they are from.
pub(super) fn project(
    name: &Name,
    facts: &Facts,
    found: &Detected,
    directory: &str,
    domains: &[String],
) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut guesses = Vec::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "  {name}:\n    source: {{ directory: {} }}", quoted_if_odd(directory));
    out.push_str("    services:\n");
    for service in &found.services {
        self::service(service, facts, &mut out, &mut guesses);
    }
    out.push_str("    environments:\n      production:\n");
    if domains.is_empty() {
        out.push_str("        # Host names; \"*\" stands for every host that nobody else names.\n");
        out.push_str("        domains: [\"*\"]\n");
        guesses.push("domains: `*`, every host: no file names one".to_owned());
    } else {
        let _ = writeln!(out, "        domains: {}", list(domains));
    }
    if !found.env.is_empty() {
        let pairs: Vec<String> =
            found.env.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let _ = writeln!(out, "        env: {{ {} }}", pairs.join(", "));
    }
    env_file(facts, &mut out, &mut guesses);
    (out, guesses)
}

fn service(found: &Found, facts: &Facts, out: &mut String, guesses: &mut Vec<String>) {
    let name = found.name.clone().unwrap_or_else(|| known_name("web"));
    let _ = writeln!(out, "      {name}:");
    let _ = writeln!(out, "        # From {}.", visible(&found.from));
    for note in &found.notes {
        let _ = writeln!(out, "        # {}", visible(note));
    }
    if found.is_static {
        out.push_str("        runtime: static\n        routes: [/]\n");
        guesses.push(format!("{name}: files, from {}", visible(&found.from)));
    } else {
        let _ = writeln!(out, "        command: {}", list(&found.command));
        let command = visible(&found.command.join(" "));
        guesses.push(format!("{name}: `{command}`, from {}", visible(&found.from)));
    }
    guesses.extend(found.notes.iter().map(|it| format!("{name}: {}", visible(it))));
    if found.routed {
        let health = health::path(facts);
        let _ = writeln!(out, "        routes: [/]");
        let _ = match &health.from {
            Some(from) => writeln!(out, "        # Named in {}.", visible(from)),
            None => writeln!(out, "        # No file names one: `/` must answer with 200."),
        };
        let _ = writeln!(out, "        health: {{ path: {} }}", health.path);
        guesses.push(match &health.from {
            Some(from) => format!("{name}: health `{}`, named in {}", health.path, visible(from)),
            None => format!("{name}: health `/`, because no file names a path for it"),
        });
    }
    for key in &found.keys {
        let _ = writeln!(out, "        {key}");
    }
    if !found.env.is_empty() {
        out.push_str("        env:\n");
        for (name, value) in &found.env {
            let _ = writeln!(out, "          {name}: {}", quoted(value));
        }
    }
    if !found.secrets.is_empty() {
        let names = found.secrets.join(", ");
        let _ = writeln!(
            out,
            "        # They look like secrets and were not copied: put them into an env file\n\
             \x20       # of mode 0600, name it by `env_file` below, and require them:\n\
             \x20       # required_env: [{names}]"
        );
        guesses.push(format!("{name}: not copied, because they look like secrets: {names}"));
    }
}

fn env_file(facts: &Facts, out: &mut String, guesses: &mut Vec<String>) {
    let file = ".env.production";
    if !facts.has(file) {
        return;
    }
    if facts.open_env_files.iter().any(|it| it == file) {
        let _ = writeln!(out, "        # Other users may read it: `chmod 600 {file}`, then:");
        let _ = writeln!(out, "        # env_file: {file}");
        guesses.push(format!("env_file: {file} is left out until `chmod 600 {file}`"));
    } else {
        let _ = writeln!(out, "        env_file: {file}");
        guesses.push(format!("env_file: {file}, which is here"));
    }
}

/// Double-quoted JSON is double-quoted YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn quoted_if_odd(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "._-/".contains(it);
    if text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|it| self::quoted(it)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Control characters end no comment and reach no terminal.
fn visible(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}
