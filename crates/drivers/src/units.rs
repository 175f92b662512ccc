//! Our own long-running roles as units of the host's systemd: written, compared, removed.
//!
//! ```text
//! NAME.service            the controller
//! NAME-proxy.service      the holder of the proxy's listeners; systemd keeps copies of them
//! NAME-instances.service  ends what serves when the host goes down
//! ROOT/units.json         that it is so, for whoever would start a role by itself
//! ```
//!
//! Everything here blocks its thread.

mod systemctl;
mod text;

pub use systemctl::{Shown, is_running, systemctl, systemctl_within};
pub(crate) use text::word;

use crate::{file, layout::Layout, seal::Seal};
use model::failure::{Blame, Failure};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Where an administrator's units lie.
const DIRECTORY: &str = "/etc/systemd/system";
/// What the units are called where nobody says.
pub const NAME: &str = "cutover";
/// What leads each of them.
const SEAL: Seal = Seal {
    notice: "# Written by `cutover setup`.  What is changed here is found: \
             `systemctl edit` is the place for it.\n",
};
/// The format of `units.json`.
const FORMAT: u32 = 1;

/// The units of one state directory.
#[derive(Clone, Debug)]
pub struct Units {
    /// The state directory.
    pub root: PathBuf,
    /// This very program.
    pub program: PathBuf,
    /// What their names begin with.
    pub name: String,
}

/// One unit, as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// `cutover.service`.
    pub name: String,
    /// With its seal.
    pub text: String,
}

/// How a unit's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// There is none.
    Absent,
    /// As it shall be.
    Same,
    /// As we wrote it, of another version, program or state directory.
    Outdated,
    /// Somebody has changed what we wrote.
    Edited,
    /// It is not ours.
    Foreign,
}

/// Which role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The controller.
    Controller,
    /// The holder, and with it the proxy.
    Proxy,
    /// What ends everything when the host goes down.
    Instances,
}

/// That units run the roles of a state directory: `ROOT/units.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    name: String,
}

impl Part {
    /// All of them, in the order in which they are started.
    pub const ALL: [Part; 3] = [Part::Instances, Part::Proxy, Part::Controller];

    /// The unit, of those whose names begin so.
    pub fn unit(self, name: &str) -> String {
        match self {
            Part::Controller => format!("{name}.service"),
            Part::Proxy => format!("{name}-proxy.service"),
            Part::Instances => format!("{name}-instances.service"),
        }
    }
}

impl Units {
    /// All units as they shall be.
    ///
    /// # Errors
    ///
    /// A path cannot be named in a unit.
    pub fn files(&self) -> Result<Vec<UnitFile>, Failure> {
        let file = |part: Part| {
            let text = text::of(part, self)?;
            Ok(UnitFile { name: part.unit(&self.name), text: SEAL.over(&text) })
        };
        Part::ALL.into_iter().map(file).collect()
    }

    /// How each is on disk.
    ///
    /// # Errors
    ///
    /// One cannot be read.
    pub fn look(&self) -> Result<Vec<(UnitFile, Condition)>, Failure> {
        let look = |wanted: UnitFile| {
            let found = read(&path_of(&wanted.name))?;
            let condition = match &found {
                None => Condition::Absent,
                Some(text) if *text == wanted.text => Condition::Same,
                Some(text) if !SEAL.is_marked(text) => Condition::Foreign,
                Some(text) if !SEAL.is_intact(text) => Condition::Edited,
                Some(_) => Condition::Outdated,
            };
            Ok((wanted, condition))
        };
        self.files()?.into_iter().map(look).collect()
    }

    /// Writes those that are not as they shall be, and enables all; tells which were written.
    ///
    /// # Errors
    ///
    /// One is not ours, was changed by hand and is not to be `forced`, or systemd refuses.
    pub fn install(&self, forced: bool) -> Result<Vec<String>, Failure> {
        let found = self.look()?;
        for (file, condition) in &found {
            refuse(&file.name, *condition, forced)?;
        }
        let mut written = vec![];
        for (file, condition) in &found {
            if *condition != Condition::Same {
                let path = path_of(&file.name);
                file::write(&path, file.text.as_bytes(), file::MODE_PUBLIC)
                    .map_err(|it| file::failure("write", &path, &it))?;
                written.push(file.name.clone());
            }
        }
        if !written.is_empty() {
            systemctl(&["daemon-reload"])?;
        }
        let names: Vec<&str> = found.iter().map(|it| it.0.name.as_str()).collect();
        systemctl(&[&["enable", "--quiet", "--"], &names[..]].concat())?;
        self.record()?;
        Ok(written)
    }

    fn record(&self) -> Result<(), Failure> {
        let path = Layout::new(&self.root).units();
        let record = Record { format: FORMAT, name: self.name.clone() };
        // An instance with a user of its own passes through to its release, and can list nothing.
        file::make_directory(&self.root, MODE_ROOT)
            .map_err(|it| file::failure("make the directory", &self.root, &it))?;
        serde_json::to_vec(&record)
            .map_err(std::io::Error::from)
            .and_then(|it| file::write(&path, &it, file::MODE_PUBLIC))
            .map_err(|it| file::failure("write", &path, &it))
    }

    /// Ends our roles, and removes what `install` wrote; tells what.  What serves goes on.
    ///
    /// # Errors
    ///
    /// One was changed by hand and is not to be `forced`, or systemd refuses.
    pub fn remove(&self, forced: bool) -> Result<Vec<String>, Failure> {
        let ours: Vec<(UnitFile, Condition)> = self
            .look()?
            .into_iter()
            .filter(|it| !matches!(it.1, Condition::Absent | Condition::Foreign))
            .collect();
        for (file, condition) in &ours {
            refuse(&file.name, *condition, forced)?;
        }
        let names: Vec<&str> = ours.iter().map(|it| it.0.name.as_str()).collect();
        if !names.is_empty() {
            systemctl(&[&["disable", "--quiet", "--"], &names[..]].concat())?;
        }
        let last = Part::Instances.unit(&self.name);
        // While their files still say that only their first process is to be ended.
        for name in names.iter().filter(|it| **it != last) {
            systemctl(&["stop", "--", name])?;
        }
        for name in &names {
            let path = path_of(name);
            fs::remove_file(&path).map_err(|it| file::failure("remove", &path, &it))?;
        }
        if !names.is_empty() {
            systemctl(&["daemon-reload"])?;
        }
        // Without its file, which says that it ends all instances.
        if names.contains(&last.as_str()) && is_active(&last)? {
            systemctl(&["stop", "--", &last])?;
        }
        let path = Layout::new(&self.root).units();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(file::failure("remove", &path, &error));
            }
            _ => {}
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

const MODE_ROOT: u32 = 0o711;

/// The unit that runs a role of this state directory, where one does and systemd is there.
pub fn unit_of(layout: &Layout, part: Part) -> Option<String> {
    let record: Record = serde_json::from_slice(&fs::read(layout.units()).ok()?).ok()?;
    (record.format == FORMAT && is_running()).then(|| part.unit(&record.name))
}

/// What the units' names begin with, where there are any.
pub fn name_of(layout: &Layout) -> Option<String> {
    let record: Record = serde_json::from_slice(&fs::read(layout.units()).ok()?).ok()?;
    Some(record.name)
}

/// Whether it has been started, and not ended since.
///
/// # Errors
///
/// systemd does not answer.
pub fn is_active(unit: &str) -> Result<bool, Failure> {
    Ok(Shown::of(unit, &["ActiveState"])?.get("ActiveState") == "active")
}

/// Starts a unit, and waits until it says that it is ready.
///
/// # Errors
///
/// systemd refuses, or it does not become ready.
pub fn start(unit: &str) -> Result<(), Failure> {
    systemctl(&["start", "--", unit]).map(|_| ()).map_err(|it| explained(it, unit))
}

/// Starts it again, with what its file says now.
///
/// # Errors
///
/// As [`start`].
pub fn restart(unit: &str) -> Result<(), Failure> {
    systemctl(&["restart", "--", unit]).map(|_| ()).map_err(|it| explained(it, unit))
}

fn explained(failure: Failure, unit: &str) -> Failure {
    failure.hint(format!("see `journalctl -u {unit}`"))
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file::failure("read", path, &error)),
    }
}

fn refuse(name: &str, condition: Condition, forced: bool) -> Result<(), Failure> {
    let path = path_of(name);
    match condition {
        Condition::Foreign => {
            let message = format!("write {}: it is not ours", path.display());
            Err(Failure::new(Blame::Request, message)
                .hint("move it away, or give ours another name by `--name`"))
        }
        Condition::Edited if !forced => {
            let message = format!("write {}: somebody has changed it by hand", path.display());
            Err(Failure::new(Blame::Request, message)
                .hint(format!("bring what is wanted into `systemctl edit {name}`: that stays"))
                .hint("then go on with `--force`"))
        }
        _ => Ok(()),
    }
}
