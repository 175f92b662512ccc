//! Secrets by reference: named in the configuration, found where it says, just before they are
//! needed.

use crate::{
    problem::{Problem, Severity, any_error, sort},
    report::{Place, Report},
    resolve::Resolved,
    variables::is_stand_in,
};
use model::name::Name;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// The largest value, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// Where a value is found.  It holds none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// On the standard output of this program with these arguments.
    Command(Vec<String>),
    /// In this variable of whoever asks.
    Environment(String),
    /// In this file, as the configuration names it.
    File(String),
    /// In an encrypted file of `NAME=value` lines.
    Age {
        /// The file, as the configuration names it.
        file: String,
        /// Which of its names.
        key: String,
    },
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Command(command) => write!(f, "command {}", command.join(" ")),
            Reference::Environment(name) => write!(f, "variable {name}"),
            Reference::File(file) => write!(f, "file {file}"),
            Reference::Age { file, key } => write!(f, "age {file}, key {key}"),
        }
    }
}

/// A secret variable and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretOrigin {
    /// Of the variable.
    pub name: String,
    /// Which is given it.
    pub service: Name,
    /// In words.
    pub from: String,
    /// Where that is said.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
}

/// Finds values.
pub trait SecretSource {
    /// The value.
    ///
    /// # Errors
    /// Why there is none, and what to try.
    fn find(&mut self, reference: &Reference) -> Result<String, NotFound>;
}

/// Why a value was not found.  It must not hold anything of what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// Goes on from "`NAME` cannot be read: ".
    pub why: String,
    /// What to try.
    pub hint: String,
}

/// A reference of one service, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Referred {
    pub(crate) service: Name,
    pub(crate) name: String,
    pub(crate) reference: Reference,
    pub(crate) place: Place,
    pub(crate) path: String,
}

/// All references of one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct References {
    pub(crate) file: String,
    pub(crate) source: Arc<str>,
    pub(crate) all: Vec<Referred>,
}

impl References {
    /// Each of them, once.
    pub fn distinct(&self) -> BTreeSet<&Reference> {
        self.all.iter().map(|it| &it.reference).collect()
    }

    /// A problem at each place where one of `references` stands.
    pub fn problems(
        &self,
        about: impl Fn(&Reference) -> bool,
        message: &str,
        hint: &str,
    ) -> Vec<Problem> {
        let mut report = Report::new(&self.file, self.source.clone());
        for it in self.all.iter().filter(|it| about(&it.reference)) {
            let message = format!("`{}` {message}", it.name);
            report.error(it.place, it.path.clone(), message).hint(hint);
        }
        report.finish()
    }
}

impl Resolved {
    /// The same, with the values that are only referred to.  They win over all others.
    ///
    /// # Errors
    /// A problem for each reference that leads to no value.
    pub fn with_secrets(mut self, source: &mut dyn SecretSource) -> Result<Resolved, Vec<Problem>> {
        let mut found = BTreeMap::new();
        for reference in self.references.distinct() {
            found.insert(reference.clone(), source.find(reference));
        }
        let mut report = Report::new(&self.references.file, self.references.source.clone());
        for it in &self.references.all {
            let value = match &found[&it.reference] {
                Ok(value) => value,
                Err(NotFound { why, hint }) => {
                    let message = format!("`{}` cannot be read: {why}", it.name);
                    report.error(it.place, it.path.clone(), message).hint(hint);
                    continue;
                }
            };
            if let Some(trouble) = trouble(value, self.required_env.contains(&it.name)) {
                let message = format!("`{}` {trouble}, from {}", it.name, it.reference);
                report.error(it.place, it.path.clone(), message).hint("look at what it holds");
                continue;
            }
            let services = &mut self.spec.services;
            for service in services.iter_mut().filter(|service| service.name == it.service) {
                service.env.insert(it.name.clone(), value.clone());
                service.secret_env.push(it.name.clone());
                service.secret_env.sort();
                service.secret_env.dedup();
            }
        }
        let mut problems = report.finish();
        sort(&mut problems);
        if any_error(&problems) { Err(problems) } else { Ok(self) }
    }
}

fn trouble(value: &str, required: bool) -> Option<&'static str> {
    if value.trim().is_empty() {
        return Some("is empty");
    }
    if value.len() > SECRET_BYTES_MAX {
        return Some("is larger than 64 KiB");
    }
    if value.contains('\0') {
        return Some("contains a NUL character");
    }
    (required && is_stand_in(value)).then_some("is required and holds only a stand-in")
}

/// What `check` says of a reference: it follows none.
pub(crate) fn note(references: &References) -> Vec<Problem> {
    let mut report = Report::new(&references.file, references.source.clone());
    for it in &references.all {
        let message = format!("`{}` comes from {}; `check` does not look", it.name, it.reference);
        report.add(Severity::Note, it.place, it.path.clone(), message);
    }
    report.finish()
}
