//! The configuration that `init` writes, by what is found in a directory.

mod cargo;
mod node;
mod procfile;
mod python;

use crate::{draft::project::as_name, template};
use model::name::Name;
use std::fmt::Write;

/// What is known of a directory.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The last part of its path.
    pub directory_name: String,
    /// Names of the files and directories in it.
    pub files: Vec<String>,
    /// The text of `package.json`, if there is one.
    pub package_json: Option<String>,
    /// The text of `Procfile`, if there is one.
    pub procfile: Option<String>,
    /// The text of `pyproject.toml`, if there is one.
    pub pyproject: Option<String>,
    /// The text of `requirements.txt`, if there is one.
    pub requirements: Option<String>,
    /// The text of `Cargo.toml`, if there is one.
    pub cargo_toml: Option<String>,
    /// Texts of [`SOURCES`] that are there: searched for the path of a health check.
    pub sources: Vec<String>,
}

/// Files in which a small program usually names its paths.
pub const SOURCES: [&str; 8] = [
    "server.js",
    "index.js",
    "app.js",
    "server.mjs",
    "app.py",
    "main.py",
    "src/main.rs",
    "src/index.js",
];

impl Facts {
    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|it| it == name)
    }

    fn first_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|it| self.has(it))
    }
}

/// A configuration to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What was found: "a Node program", or that nothing was.
    pub detected: String,
    /// The whole file.
    pub text: String,
}

/// A service that was found.
pub(crate) struct Found {
    name: Name,
    command: Vec<String>,
    routed: bool,
    /// Lines of comment above the command.
    notes: Vec<String>,
}

/// All that was found.
pub(crate) struct Detected {
    what: &'static str,
    services: Vec<Found>,
    env: Vec<(&'static str, &'static str)>,
}

/// The configuration for a directory: of what it holds, or the annotated example.
pub fn write(facts: &Facts) -> Written {
    let name = as_name(&facts.directory_name).unwrap_or_else(|| known_name("app"));
    let found = procfile::detect(facts)
        .or_else(|| node::detect(facts))
        .or_else(|| python::detect(facts))
        .or_else(|| cargo::detect(facts));
    match found {
        Some(found) => {
            Written { detected: found.what.to_owned(), text: text(&name, facts, &found) }
        }
        None => Written {
            detected: "nothing that is known: this is the annotated example".to_owned(),
            text: template::example_for(&name),
        },
    }
}

/// A name that stands in this crate.
pub(crate) fn known_name(text: &'static str) -> Name {
    text.parse().expect("names written in this crate are lower-case words")
}

fn text(project: &Name, facts: &Facts, found: &Detected) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "# Written by `cutover init` for {}.  `cutover check` reports what is wrong with it.\n\
         projects:\n  {project}:\n    source: {{ directory: . }}\n    services:\n",
        found.what
    );
    for service in &found.services {
        let _ = writeln!(out, "      {}:", service.name);
        for note in &service.notes {
            let _ = writeln!(out, "        # {note}");
        }
        let _ = writeln!(out, "        command: {}", list(&service.command));
        if service.routed {
            let path = health_path(facts);
            let _ = writeln!(out, "        routes: [/]\n        health: {{ path: {path} }}");
        }
    }
    out.push_str("    environments:\n      production:\n");
    out.push_str("        # Host names; \"*\" stands for every host that nobody else names.\n");
    out.push_str("        domains: [\"*\"]\n");
    if !found.env.is_empty() {
        let pairs: Vec<String> =
            found.env.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let _ = writeln!(out, "        env: {{ {} }}", pairs.join(", "));
    }
    if let Some(file) = facts.first_of(&[".env.production"]) {
        let _ = writeln!(out, "        env_file: {file}");
    }
    out
}

/// Double-quoted JSON is double-quoted YAML too.
fn list(words: &[String]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|it| serde_json::Value::from(it.as_str()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

fn health_path(facts: &Facts) -> &'static str {
    let named = |path: &&str| {
        let quoted = ["\"", "'", "`"].map(|quote| format!("{quote}{path}{quote}"));
        facts.sources.iter().any(|text| quoted.iter().any(|it| text.contains(it.as_str())))
    };
    ["/api/health", "/health", "/healthz"].into_iter().find(named).unwrap_or("/")
}
