//! The variables of one service in one environment: all sources laid over each other.
//!
//! Later wins: what every instance is given < env files < the service's `env` < the environment's
//! `env` < the service's `env` within the environment < `secrets`, in the same order. Env files are
//! read in the order service, environment, service within the environment, where the last replaces
//! the first.

use crate::{
    draft::{
        environment::EnvironmentDraft,
        secret::{SecretDraft, Secrets},
        service::ServiceDraft,
        variable::{EnvFileDraft, Variable},
    },
    env_file::{self, EnvEntry},
    problem::{Problem, Severity},
    read::{EnvFiles, EnvReadError},
    report::{Place, Placed, Report},
};
use model::name::Name;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// A name that every instance is given anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// By it an instance is known: it cannot be given.
    Identity,
    /// It may be given, and then wins.
    Injected,
}

/// Whether every instance is given this name.
pub(crate) fn reserved(name: &str) -> Option<Reserved> {
    match name {
        "PORT" | "HOST" | "PATH" | "HOME" | "LANG" => Some(Reserved::Injected),
        "NOTIFY_SOCKET" => Some(Reserved::Identity),
        _ if name.starts_with("CUTOVER_") => Some(Reserved::Identity),
        _ => None,
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let led = bytes.next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
    led && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// Whether a value only holds the place of one: `changeme`, `TODO`, `<password>`, `your-key`.
pub(crate) fn is_stand_in(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let words = ["changeme", "change-me", "change_me", "todo", "fixme", "placeholder", "secret"];
    let crossed = lower.len() >= 3 && lower.bytes().all(|it| it == b'x');
    words.contains(&lower.as_str())
        || crossed
        || (lower.starts_with('<') && lower.ends_with('>'))
        || ["your-", "your_", "replace-me", "replace_me"].iter().any(|it| lower.starts_with(it))
        || ["://user:pass@", "://user:password@", "://username:password@", "://your-"]
            .iter()
            .any(|it| lower.contains(it))
}

/// Env files that were read, each once.
pub(crate) struct FilesRead<'f> {
    source: &'f dyn EnvFiles,
    read: HashMap<String, Vec<EnvEntry>>,
    /// In the order of reading.
    pub(crate) paths: Vec<String>,
}

/// Whether a file must be closed to other users.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Secret,
    Open,
}

impl<'f> FilesRead<'f> {
    pub(crate) fn new(source: &'f dyn EnvFiles) -> FilesRead<'f> {
        FilesRead { source, read: HashMap::new(), paths: Vec::new() }
    }

    /// The text of another file that the configuration names.
    pub(crate) fn text(&self, path: &str) -> Result<String, EnvReadError> {
        self.source.read(path).map(|it| it.text)
    }

    /// The variables of one file; problems are reported when it is first read.
    pub(crate) fn entries(
        &mut self,
        path: &Placed<String>,
        kept: Kept,
        report: &mut Report,
    ) -> &[EnvEntry] {
        let name = &path.value;
        if !self.read.contains_key(name) {
            let entries = self.load(path, kept, report);
            self.read.insert(name.clone(), entries);
            if kept == Kept::Secret {
                self.paths.push(name.clone());
            }
        }
        self.read.get(name).map_or(&[], Vec::as_slice)
    }

    /// Of the files that are meant, those to be read.
    fn meant(
        &self,
        draft: &Placed<EnvFileDraft>,
        environment: &Name,
        report: &mut Report,
    ) -> Vec<Placed<String>> {
        let mut paths = draft.value.paths(environment);
        if !matches!(draft.value, EnvFileDraft::Named(_)) {
            let there = |it: &String| {
                self.read.contains_key(it)
                    || !matches!(self.source.read(it), Err(EnvReadError::Missing))
            };
            let all = paths.join("`, `");
            paths.retain(there);
            if paths.is_empty() && draft.value == EnvFileDraft::Dotenv {
                let message = format!("none of the env files `{all}` is there");
                let reported = report.error(draft.place, draft.path.clone(), message);
                reported.hint("create one of them, or name another file");
            }
        }
        paths.into_iter().map(|it| draft.with(it)).collect()
    }

    fn load(&self, path: &Placed<String>, kept: Kept, report: &mut Report) -> Vec<EnvEntry> {
        let name = &path.value;
        let found = match self.source.read(name) {
            Ok(found) => found,
            Err(error) => {
                let message = format!("the env file `{name}` {error}");
                let reported = report.error(path.place, path.path.clone(), message);
                reported.hint(match error {
                    EnvReadError::Missing => "create it beside the configuration, or name another",
                    EnvReadError::Unreadable(_) => "run as a user who may read it",
                    _ => "name a text file of `NAME=value` lines",
                });
                return Vec::new();
            }
        };
        if kept == Kept::Secret && found.mode & 0o077 != 0 {
            let mode = found.mode & 0o777;
            let message = format!("the env file `{name}` is open to other users (mode {mode:04o})");
            let reported = report.error(path.place, path.path.clone(), message);
            reported.hint(format!("run `chmod 600 {name}`"));
        }
        let (entries, problems) = env_file::parse(name, &found.text);
        for problem in problems {
            report.add_foreign(problem);
        }
        entries
    }
}

/// The values of one service, merged.
#[derive(Default)]
pub(crate) struct Merged {
    pub(crate) values: BTreeMap<String, String>,
    origins: BTreeMap<String, Origin>,
    /// Names whose values are found later.
    pub(crate) secrets: BTreeMap<String, SecretDraft>,
}

/// Where a value came from.
struct Origin {
    /// The env file; none: the configuration.
    file: Option<String>,
    place: Place,
    path: String,
}

impl Origin {
    fn report(
        &self,
        severity: Severity,
        rule: Option<&'static str>,
        message: String,
        hint: Option<&str>,
        report: &mut Report,
    ) {
        let Some(file) = &self.file else {
            let reported = match rule {
                Some(rule) => report.lint(rule, severity, self.place, &self.path, message),
                None => report.add(severity, self.place, self.path.clone(), message),
            };
            if let Some(hint) = hint {
                reported.hint(hint);
            }
            return;
        };
        report.add_foreign(Problem {
            rule,
            file: file.clone(),
            line: self.place.line,
            column: self.place.column,
            length: self.place.length,
            path: String::new(),
            severity,
            message,
            suggestion: hint.map(str::to_owned),
            excerpt: None,
        });
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}", self.place.line),
            None => self.place.fmt(f),
        }
    }
}

impl Merged {
    /// Lays all sources over each other.  Names set in two of them are reported as notes.
    pub(crate) fn of(
        base: &ServiceDraft,
        environment: &EnvironmentDraft,
        over: Option<&ServiceDraft>,
        name: &Name,
        files: &mut FilesRead<'_>,
        report: &mut Report,
    ) -> Merged {
        let mut merged = Merged::default();
        let over_files = over.and_then(|it| it.env_file.as_ref());
        let first = if over_files.is_some() { None } else { base.env_file.as_ref() };
        let layers = [first, environment.env_file.as_ref(), over_files];
        for draft in layers.into_iter().flatten().flat_map(|it| &it.value) {
            // To lay one over the other is what these files are for.
            let layered = draft.value == EnvFileDraft::Dotenv;
            let said = if layered { Said::No } else { Said::Yes };
            for path in files.meant(draft, name, report) {
                let entries = files.entries(&path, Kept::Secret, report).to_vec();
                for entry in entries {
                    merged.lay_entry(entry, &path.value, said, report);
                }
            }
        }
        merged.lay_variables(&base.env.run, report, Said::Yes);
        merged.lay_variables(&environment.env.run, report, Said::Yes);
        if let Some(over) = over {
            // To give a service another value in one environment is what this layer is for.
            merged.lay_variables(&over.env.run, report, Said::OfFiles);
        }
        let over_secrets = over.map(|it| &it.secrets);
        for secrets in [&base.secrets, &environment.secrets].into_iter().chain(over_secrets) {
            merged.lay_secrets(secrets, report);
        }
        merged.note_injected(base, over, report);
        merged
    }

    fn lay_entry(&mut self, entry: EnvEntry, file: &str, said: Said, report: &mut Report) {
        let place = Place { line: entry.line, column: entry.column, length: 1 };
        let origin = Origin { file: Some(file.to_owned()), place, path: String::new() };
        self.lay(entry.name, entry.value, origin, said, report);
    }

    fn lay_variables(
        &mut self,
        variables: &BTreeMap<String, Variable>,
        report: &mut Report,
        said: Said,
    ) {
        for (name, variable) in variables {
            let origin = Origin { file: None, place: variable.place, path: variable.path.clone() };
            self.lay(name.clone(), variable.value.clone(), origin, said, report);
        }
    }

    fn lay_secrets(&mut self, secrets: &Secrets, report: &mut Report) {
        for (name, secret) in &secrets.0 {
            let origin = Origin { file: None, place: secret.place, path: secret.path.clone() };
            // One reference over another is what the layers are for.
            let again = self.secrets.insert(name.clone(), secret.clone()).is_some();
            let said = if again { Said::OfFiles } else { Said::Yes };
            self.lay(name.clone(), String::new(), origin, said, report);
            self.values.remove(name);
        }
    }

    fn lay(
        &mut self,
        name: String,
        value: String,
        origin: Origin,
        said: Said,
        report: &mut Report,
    ) {
        let earlier = self.origins.remove(&name);
        if let Some(earlier) = earlier.filter(|it| match said {
            Said::Yes => true,
            Said::OfFiles => it.file.is_some(),
            Said::No => false,
        }) {
            let message = format!("`{name}` is also set at {earlier}; the value here is used");
            origin.report(Severity::Note, None, message, None, report);
        }
        self.origins.insert(name.clone(), origin);
        self.values.insert(name, value);
    }

    fn note_injected(&self, base: &ServiceDraft, over: Option<&ServiceDraft>, report: &mut Report) {
        let fixed_port = over.and_then(|it| it.port.as_ref()).or(base.port.as_ref()).is_some();
        for (name, origin) in &self.origins {
            if reserved(name) != Some(Reserved::Injected) || (name == "PORT" && fixed_port) {
                continue;
            }
            let message = format!("`{name}` is given to each instance; the value here is used");
            let (severity, rule, hint) = match name.as_str() {
                "PORT" => (
                    Severity::Warning,
                    Some("port-variable"),
                    Some("remove it: instances of old and new need different ports"),
                ),
                _ => (Severity::Note, None, None),
            };
            origin.report(severity, rule, message, hint, report);
        }
    }

    /// Reports what a rule found at the place where the name is set.
    pub(crate) fn lint(
        &self,
        name: &str,
        rule: &'static str,
        severity: Severity,
        message: String,
        hint: &str,
        report: &mut Report,
    ) {
        if let Some(origin) = self.origins.get(name) {
            origin.report(severity, Some(rule), message, Some(hint), report);
        }
    }

    /// Names whose value came from an env file: which, and on which line.
    pub(crate) fn in_files(&self) -> impl Iterator<Item = (&String, &String, u32)> {
        let all = self.origins.iter();
        all.filter_map(|(name, it)| Some((name, it.file.as_ref()?, it.place.line)))
    }

    /// Names whose value came from an env file.
    pub(crate) fn secret_names(&self) -> Vec<String> {
        let secret = self.origins.iter().filter(|(_, it)| it.file.is_some());
        secret.map(|(name, _)| name.clone()).collect()
    }
}

/// Which repetitions are worth a note.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    OfFiles,
    No,
}
