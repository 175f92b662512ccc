//! Values of secrets, found on this side just before they are sent.

mod age_file;
mod run;

use crate::{configuration::Configuration, halt::Halt, session::Session, source::Content};
use age_file::AgeFiles;
use config::{
    EnvFiles, EnvFilesIn, EnvText, Problem, Resolved,
    secret::{NotFound, Reference, SECRET_BYTES_MAX, SecretSource},
};
use drivers::releases::left_out::is_below_left_out;
use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Follows all references of an environment.
///
/// # Errors
///
/// All that lead to no value, or would become part of the release.
pub async fn fill(
    session: &Session,
    configuration: &Configuration,
    resolved: Resolved,
    content: &Content,
    identity: Option<&Path>,
) -> Result<Resolved, Halt> {
    let released = released(configuration, &resolved, content);
    if !released.is_empty() {
        return Err(Halt::Problems(released));
    }
    let mut found = BTreeMap::new();
    let directory = configuration.directory();
    for reference in resolved.references.distinct() {
        if let Reference::Command(command) = reference {
            let program = command.first().map(String::as_str).unwrap_or_default();
            let running = run::output(command, &directory);
            let value = session.ui.waiting(&format!("a secret from `{program}`"), running).await;
            found.insert(reference.clone(), value);
        }
    }
    let files = configuration.env_files();
    let age_files = AgeFiles::new(identity);
    let mut source = Source { found, files, age_files };
    resolved.with_secrets(&mut source).map_err(Halt::Problems)
}

/// Files of secrets that lie in what is released, where everybody may read them.
fn released(configuration: &Configuration, resolved: &Resolved, content: &Content) -> Vec<Problem> {
    let Content::Directory(directory) = content else { return vec![] };
    let Ok(directory) = fs::canonicalize(directory) else { return vec![] };
    let is_released = |reference: &Reference| {
        let Reference::File(file) = reference else { return false };
        let path = fs::canonicalize(configuration.directory().join(file)).ok();
        let inside = path.as_ref().and_then(|it| it.strip_prefix(&directory).ok());
        inside.is_some_and(|it| !is_below_left_out(it.as_os_str().as_bytes()))
    };
    resolved.references.problems(
        is_released,
        "would be a part of the release: its file lies in the source's directory",
        "move the file elsewhere, or give it a name that begins with `.env.`",
    )
}

struct Source {
    /// What commands came to.
    found: BTreeMap<Reference, Result<String, NotFound>>,
    files: EnvFilesIn,
    age_files: AgeFiles,
}

impl SecretSource for Source {
    fn find(&mut self, reference: &Reference) -> Result<String, NotFound> {
        match reference {
            Reference::Command(_) => self.found.remove(reference).unwrap_or_else(|| {
                Err(not_found("its command was not run", "report this as a bug"))
            }),
            Reference::Environment(name) => env::var(name).map_err(|error| match error {
                env::VarError::NotPresent => not_found(
                    format!("the variable {name} is not set"),
                    format!("export {name} before you run `cutover`"),
                ),
                env::VarError::NotUnicode(_) => {
                    not_found(format!("the variable {name} is not UTF-8"), "encode it as base64")
                }
            }),
            Reference::File(file) => {
                let text = closed(&self.files, file)?.text;
                let value = without_line_end(&text);
                if value.len() > SECRET_BYTES_MAX {
                    return Err(too_large());
                }
                Ok(value.to_owned())
            }
            Reference::Age { file, key } => self.age_files.value(&self.files, file, key),
        }
    }
}

fn not_found(why: impl Into<String>, hint: impl Into<String>) -> NotFound {
    NotFound { why: why.into(), hint: hint.into() }
}

fn too_large() -> NotFound {
    not_found(
        format!("it is larger than {} KiB", SECRET_BYTES_MAX >> 10),
        "give the application a file of its own",
    )
}

/// A file that no other user may read.
fn closed(files: &EnvFilesIn, file: &str) -> Result<EnvText, NotFound> {
    let found = files.read(file).map_err(|error| {
        not_found(format!("the file `{file}` {error}"), "name a file that you may read")
    })?;
    if found.mode & 0o077 != 0 {
        let mode = found.mode & 0o777;
        return Err(not_found(
            format!("the file `{file}` is open to other users (mode {mode:04o})"),
            format!("run `chmod 600 {file}`"),
        ));
    }
    Ok(found)
}

/// Programs and editors end a text with a line's end, which is no part of the value.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Where identities lie when nobody says.
fn default_identity(config: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The specification of these variables says that a relative path is to be ignored.
    let absolute = |it: PathBuf| Some(it).filter(|it| it.is_absolute());
    let config = config.and_then(absolute);
    let config = config.or_else(|| home.and_then(absolute).map(|it| it.join(".config")));
    config.map(|it| it.join("cutover/identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_no_part_of_a_value() {
        for (text, value) in [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
            assert_eq!(without_line_end(text), value);
        }
    }

    #[test]
    fn identities_are_where_configuration_usually_lies() {
        let path = |it: &str| Some(PathBuf::from(it));
        assert_eq!(default_identity(path("/c"), path("/h")), path("/c/cutover/identity"));
        assert_eq!(default_identity(path("c"), path("/h")), path("/h/.config/cutover/identity"));
        assert_eq!(default_identity(None, None), None);
    }
}
