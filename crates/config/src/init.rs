//! The configuration that `init` writes, by what is found in a directory.

mod cargo;
mod container;
mod health;
pub(crate) mod literal;
mod node;
mod page;
mod pm2;
mod procfile;
mod python;
mod words;
mod written;

use crate::{document::Document, draft::project::as_name, problem::any_error, template};
use model::name::Name;

/// What is known of a directory.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The last part of its path.
    pub directory_name: String,
    /// Names of the files and directories in it.
    pub files: Vec<String>,
    /// Texts of those of [`SETTINGS`] that are there, by name.
    pub settings: Vec<(String, String)>,
    /// Names and texts of programs: searched for the path of a health check.
    pub sources: Vec<(String, String)>,
    /// Env files that other users of the machine may read.
    pub open_env_files: Vec<String>,
}

/// Files that say how a program is started.
pub const SETTINGS: [&str; 13] = [
    "package.json",
    "Procfile",
    "pyproject.toml",
    "requirements.txt",
    "manage.py",
    "Cargo.toml",
    "Dockerfile",
    "ecosystem.config.js",
    "ecosystem.config.cjs",
    "ecosystem.config.json",
    "next.config.js",
    "next.config.mjs",
    "next.config.ts",
];

impl Facts {
    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|it| it == name)
    }

    fn first_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|it| self.has(it))
    }

    /// The text of one of [`SETTINGS`].
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }
}

/// A configuration to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What was found: "a Node program", or that nothing was.
    pub detected: String,
    /// What was guessed, and from which file: one line each.
    pub guesses: Vec<String>,
    /// The whole file.
    pub text: String,
}

/// A service that was found.
#[derive(Default)]
pub(crate) struct Found {
    /// None: `web`.
    name: Option<Name>,
    command: Vec<String>,
    /// The proxy serves its files, and there is no command.
    is_static: bool,
    routed: bool,
    /// Which file says so, and where in it.
    from: String,
    /// Lines of comment above the command.
    notes: Vec<String>,
    /// Further keys, as they are written.
    keys: Vec<String>,
    env: Vec<(String, String)>,
    /// Names that hold secrets in that file, which are not copied.
    secrets: Vec<String>,
}

/// All that was found.
#[derive(Default)]
pub(crate) struct Detected {
    what: &'static str,
    services: Vec<Found>,
    env: Vec<(&'static str, &'static str)>,
    /// Relative to the configuration; empty: beside it.
    directory: String,
}

/// The configuration for a directory: of what it holds, or the annotated example.
///
/// # Errors
/// A sentence on a file that names the program and cannot be read without running it, where
/// nothing else names one.
pub fn write(facts: &Facts) -> Result<Written, String> {
    let name = as_name(&facts.directory_name).unwrap_or_else(|| known_name("app"));
    let (found, passed_over) = detect(facts);
    let mut written = match (found, &passed_over) {
        (Some(found), _) => written::written(&name, facts, &found),
        (None, Some(why)) => return Err(why.clone()),
        (None, None) => example(&name),
    };
    // What comes of an odd file must not be a configuration that is refused.
    if any_error(&Document::read("cutover.yml", &written.text).1) {
        written = example(&name);
    }
    if let Some(why) = passed_over {
        written.guesses.push(format!("passed over: {why}"));
    }
    Ok(written)
}

/// The lines of one project, indented as an entry of `projects`: what `directory` holds, with these
/// host names.
///
/// # Errors
/// A sentence on why nothing is known of the directory.
pub fn project(
    facts: &Facts,
    name: &Name,
    directory: &str,
    domains: &[String],
) -> Result<Written, String> {
    let (found, passed_over) = detect(facts);
    let Some(found) = found else {
        return Err(
            passed_over.unwrap_or_else(|| "no file in it says what is to be run".to_owned())
        );
    };
    let within = match found.directory.as_str() {
        "" => directory.to_owned(),
        within => format!("{}/{within}", directory.trim_end_matches('/')),
    };
    let (text, mut guesses) = written::project(name, facts, &found, &within, domains);
    guesses.extend(passed_over.map(|why| format!("passed over: {why}")));
    Ok(Written { detected: found.what.to_owned(), guesses, text })
}

/// What a directory holds, and why a file was passed over.
fn detect(facts: &Facts) -> (Option<Detected>, Option<String>) {
    let (processes, passed_over) = match pm2::detect(facts) {
        Ok(found) => (found, None),
        Err(why) => (None, Some(why)),
    };
    let found = processes
        .or_else(|| procfile::detect(facts))
        .or_else(|| node::detect(facts))
        .or_else(|| python::detect(facts))
        .or_else(|| cargo::detect(facts))
        .or_else(|| container::detect(facts))
        .or_else(|| page::detect(facts));
    (found, passed_over)
}

fn example(name: &Name) -> Written {
    Written {
        detected: "nothing that is known: this is the annotated example".to_owned(),
        guesses: Vec::new(),
        text: template::example_for(name),
    }
}

/// A name that stands in this crate.
pub(crate) fn known_name(text: &'static str) -> Name {
    text.parse().expect("names written in this crate are lower-case words")
}
