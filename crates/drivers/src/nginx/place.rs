//! The directory on the host: generations, the link, and what was recorded.

use super::{Nginx, seal::SEAL};
use crate::file;
use model::{
    failure::{Blame, Failure},
    nginx::{NginxFile, text},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Generations that are kept: the one in force and those before it.
const GENERATIONS_KEPT: usize = 3;
/// The directories of a generation.
pub(super) const FOLDERS: [&str; 2] = ["base", "conf.d"];
/// Files of one generation, more than any configuration comes to.
const FILES_MAX: usize = 100_000;
/// A file that somebody put there may be anything; of ours none is so large.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What was recorded of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: u32,
    /// That nginx was seen to serve by; 0: none was.
    pub(super) generation: u64,
    /// The highest number that was ever given to one.
    pub(super) highest: u64,
}

const RECORD_FORMAT: u32 = 1;

/// What nginx includes on this host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The link's; None: there is none yet.
    pub generation: Option<u64>,
    /// By path, but for the one that says the generation.
    pub files: BTreeMap<String, String>,
    /// Files that are not as they were written, by path.
    pub edited: Vec<String>,
}

/// A file that is not on the host as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `conf.d/DOMAIN.conf`
    pub path: String,
    /// On the host; None: not there.
    pub host: Option<String>,
    /// By the configuration; None: not there.
    pub wanted: Option<String>,
    /// Changed on the host, not in the configuration.
    pub by_hand: bool,
}

impl Nginx {
    pub(super) fn link(&self) -> PathBuf {
        self.directory.join("current")
    }

    pub(super) fn generation_directory(&self, generation: u64) -> PathBuf {
        self.directory.join(relative(generation))
    }

    /// What the link leads to, and what of it was changed by hand.
    ///
    /// # Errors
    /// When it cannot be read, or is not ours.
    pub fn host(&self) -> Result<Host, Failure> {
        let Some(generation) = self.linked()? else { return Ok(Host::default()) };
        let directory = self.generation_directory(generation);
        let mut host = Host { generation: Some(generation), ..Host::default() };
        for folder in FOLDERS {
            self.read_folder(&directory.join(folder), folder, &mut host)?;
        }
        host.files.remove(text::GENERATION);
        let list = read_text(&directory.join(LIST))?.unwrap_or_default();
        for path in list.lines().filter(|it| *it != text::GENERATION) {
            if !host.files.contains_key(path) {
                host.edited.push(path.to_owned());
            }
        }
        for path in host.files.keys() {
            if !list.lines().any(|it| it == path) && !host.edited.contains(path) {
                host.edited.push(path.clone());
            }
        }
        host.edited.sort();
        Ok(host)
    }

    fn read_folder(&self, directory: &Path, folder: &str, host: &mut Host) -> Result<(), Failure> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("read", directory, &error)),
        };
        for entry in entries.take(FILES_MAX) {
            let entry = entry.map_err(|error| failed("read", directory, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // nginx includes nothing else.
            if !name.ends_with(".conf") || name.starts_with('.') {
                continue;
            }
            let text = read_text(&entry.path())?.unwrap_or_default();
            let path = format!("{folder}/{name}");
            if !SEAL.is_intact(&text) {
                host.edited.push(path.clone());
            }
            host.files.insert(path, text);
        }
        Ok(())
    }

    /// What differs between the host and the configuration, in the order of paths.
    ///
    /// # Errors
    /// As [`Nginx::host`].
    pub fn differences(&self, host: &Host) -> Vec<Difference> {
        let wanted: BTreeMap<String, String> =
            self.files().into_iter().map(|it| (it.path, it.text)).collect();
        let mut paths: Vec<&String> = wanted.keys().chain(host.files.keys()).collect();
        paths.extend(&host.edited);
        paths.sort();
        paths.dedup();
        let of = |path: &String| {
            let by_hand = host.edited.contains(path);
            let (on_host, wanted) = (host.files.get(path), wanted.get(path));
            (on_host != wanted || by_hand).then(|| Difference {
                path: path.clone(),
                host: on_host.cloned(),
                wanted: wanted.cloned(),
                by_hand,
            })
        };
        paths.into_iter().filter_map(of).collect()
    }

    pub(super) fn linked(&self) -> Result<Option<u64>, Failure> {
        let link = self.link();
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(not_ours(&link).evidence(error.to_string())),
        };
        let name = target.to_str().and_then(|it| it.strip_prefix("generations/"));
        let number = name.and_then(|it| it.parse().ok());
        number.map(Some).ok_or_else(|| not_ours(&link).evidence(target.display().to_string()))
    }

    /// Points the link at a generation; None takes it away.
    pub(super) fn point(&self, generation: Option<u64>) -> Result<(), Failure> {
        let link = self.link();
        let done = match generation {
            Some(generation) => file::swap_link(&link, &relative(generation)),
            None => file::remove(&link),
        };
        done.map_err(|error| failed("change", &link, &error))
    }

    pub(super) fn record(&self) -> Result<Record, Failure> {
        let path = self.directory.join("applied.json");
        let Some(text) = read_text(&path)? else { return Ok(Record::default()) };
        let record: Record = serde_json::from_str(&text).map_err(|error| {
            Failure::new(Blame::Platform, format!("read {}: {error}", path.display()))
                .hint("remove it: what the link leads to is then taken for what is in force")
        })?;
        Ok(record)
    }

    pub(super) fn write_record(&self, generation: u64, highest: u64) -> Result<(), Failure> {
        let path = self.directory.join("applied.json");
        let record = Record { format: RECORD_FORMAT, generation, highest };
        let bytes = serde_json::to_vec(&record)
            .map_err(|error| Failure::new(Blame::Us, format!("write a record: {error}")))?;
        file::write(&path, &bytes, file::MODE_PUBLIC).map_err(|it| failed("write", &path, &it))
    }

    /// The highest number that any generation has, or had.
    pub(super) fn highest(&self, record: &Record) -> Result<u64, Failure> {
        let found = self.generations()?.last().copied().unwrap_or(0);
        Ok(found.max(record.highest))
    }

    /// Writes a generation whole; durable when it returns.
    pub(super) fn write_generation(
        &self,
        directory: &Path,
        files: &[NginxFile],
    ) -> Result<(), Failure> {
        file::remove_tree(directory).map_err(|error| failed("remove", directory, &error))?;
        for folder in FOLDERS {
            let path = directory.join(folder);
            file::make_directory(&path, file::MODE_PUBLIC_DIRECTORY)
                .map_err(|error| failed("make", &path, &error))?;
        }
        let mut list = String::new();
        for it in files {
            let path = directory.join(&it.path);
            fs::write(&path, &it.text).map_err(|error| failed("write", &path, &error))?;
            list.push_str(&it.path);
            list.push('\n');
        }
        let path = directory.join(LIST);
        fs::write(&path, list).map_err(|error| failed("write", &path, &error))?;
        // One call for a thousand files.
        let synced = fs::File::open(directory)
            .and_then(|it| rustix::fs::syncfs(&it).map_err(io::Error::from));
        synced.map_err(|error| failed("write", directory, &error))
    }

    pub(super) fn remove_generation(&self, generation: u64) {
        let path = self.generation_directory(generation);
        if let Err(error) = file::remove_tree(&path) {
            tracing::warn!(%error, path = %path.display(), "a generation could not be removed");
        }
    }

    /// Removes all but the last few, never the one in force.
    pub(super) fn prune(&self, in_force: u64) -> Result<(), Failure> {
        let mut old: Vec<u64> =
            self.generations()?.into_iter().filter(|it| *it != in_force).collect();
        old.truncate(old.len().saturating_sub(GENERATIONS_KEPT - 1));
        old.iter().for_each(|it| self.remove_generation(*it));
        Ok(())
    }

    fn generations(&self) -> Result<Vec<u64>, Failure> {
        let path = self.directory.join("generations");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
        let mut all: Vec<u64> = names.filter_map(|it| it.parse().ok()).collect();
        all.sort_unstable();
        Ok(all)
    }
}

/// What was written into a generation, so that a file that is gone is missed.
const LIST: &str = "files";

fn relative(generation: u64) -> PathBuf {
    PathBuf::from(format!("generations/{generation:06}"))
}

pub(super) fn read_text(path: &Path) -> Result<Option<String>, Failure> {
    let size = fs::metadata(path).map_or(0, |it| it.len());
    if size > FILE_BYTES_MAX {
        let shown = path.display();
        return Err(Failure::new(Blame::Platform, format!("read {shown}: it has {size} bytes")));
    }
    let bytes = file::read(path).map_err(|error| failed("read", path, &error))?;
    Ok(bytes.map(|it| String::from_utf8_lossy(&it).into_owned()))
}

fn not_ours(link: &Path) -> Failure {
    let shown = link.display();
    Failure::new(Blame::Request, format!("use {shown}: it is not a link of ours"))
        .hint("move it away, or set `nginx.directory` to another directory")
}

pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let shown = path.to_string_lossy();
    let failure =
        Failure::new(Blame::Platform, format!("{doing} {}: {error}", shown.escape_debug()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            failure.hint("run as root, or set `nginx.directory` to a directory of your own")
        }
        _ => failure,
    }
}
