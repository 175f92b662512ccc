//! Secrets in files that `age` encrypted.

use super::{closed, default_identity, not_found};
use age::{Decryptor, IdentityFile, armor::ArmoredReader};
use config::{
    EnvFilesIn,
    env_file::{self, EnvEntry},
    read::ENV_FILE_BYTES_MAX,
    secret::NotFound,
};
use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// Encrypted files, each opened once.
pub(super) struct AgeFiles {
    identity: Option<PathBuf>,
    opened: BTreeMap<String, Result<Vec<EnvEntry>, NotFound>>,
}

impl AgeFiles {
    /// `identity` is what the caller named.
    pub(super) fn new(identity: Option<&Path>) -> AgeFiles {
        let directory = |name: &str| env::var_os(name).map(PathBuf::from);
        let usual = || default_identity(directory("XDG_CONFIG_HOME"), directory("HOME"));
        let identity = identity.map(Path::to_owned).or_else(usual);
        AgeFiles { identity, opened: BTreeMap::new() }
    }

    /// The value of `key` in `file`, which is relative to the configuration.
    pub(super) fn value(
        &mut self,
        files: &EnvFilesIn,
        file: &str,
        key: &str,
    ) -> Result<String, NotFound> {
        if !self.opened.contains_key(file) {
            let entries = self.open(&files.path(file), file);
            self.opened.insert(file.to_owned(), entries);
        }
        let entries = self.opened[file].as_ref().map_err(Clone::clone)?;
        let found = entries.iter().find(|it| it.name == key).map(|it| it.value.clone());
        found.ok_or_else(|| {
            not_found(
                format!("`{file}` has no `{key}`"),
                format!("add a line `{key}=…` to it, or name another `key`"),
            )
        })
    }

    fn open(&self, path: &Path, file: &str) -> Result<Vec<EnvEntry>, NotFound> {
        let identities = self.identities()?;
        let sealed = File::open(path).map_err(|error| {
            not_found(format!("the file `{file}` cannot be opened: {error}"), "name another")
        })?;
        let unopened = |error: &dyn std::fmt::Display| {
            not_found(
                format!("`{file}` cannot be decrypted: {error}"),
                "name an identity that it was encrypted for, with `--identity FILE`",
            )
        };
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(BufReader::new(sealed)))
            .map_err(|error| unopened(&error))?;
        let opened = decryptor
            .decrypt(identities.iter().map(|it| &**it as &dyn age::Identity))
            .map_err(|error| unopened(&error))?;
        let mut text = String::new();
        let limit = ENV_FILE_BYTES_MAX as u64 + 1;
        opened.take(limit).read_to_string(&mut text).map_err(|error| unopened(&error))?;
        if text.len() > ENV_FILE_BYTES_MAX {
            return Err(unopened(&"it is larger than 1 MiB"));
        }
        let (entries, problems) = env_file::parse(file, &text);
        match problems.iter().find(|it| it.is_error()) {
            // What it says is where and what, never a value.
            Some(problem) => Err(not_found(
                format!("within `{file}`, line {}: {}", problem.line, problem.message),
                "it must hold lines of `NAME=value`",
            )),
            None => Ok(entries),
        }
    }

    fn identities(&self) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, NotFound> {
        const HINT: &str = "make one with `age-keygen`, and name it with `--identity FILE`";
        let Some(path) = &self.identity else {
            return Err(not_found("there is no identity to open it with", HINT));
        };
        let shown = path.display().to_string();
        let here = env::current_dir().unwrap_or_default();
        let text = closed(&EnvFilesIn::new(here), &shown)
            .map_err(|it| not_found(format!("the identity: {}", it.why), HINT))?
            .text;
        IdentityFile::from_buffer(text.as_bytes())
            .map_err(|error| not_found(error.to_string(), HINT))?
            .into_identities()
            .map_err(|error| not_found(format!("the identity `{shown}`: {error}"), HINT))
    }
}
