//! The program's file, and the one before it.

use super::refused;
use crate::{
    build::{Build, copied},
    halt::Halt,
};
use model::failure::{Blame, Failure};
use std::{
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Behind the name of the former program.
const FORMER: &str = ".previous";
/// Behind the name of one that is about to take its place.
const STAGED: &str = ".new";
/// Nobody else may write it, and all may run it.
const MODE_PROGRAM: u32 = 0o755;

/// The program as it is installed.
pub struct Installed {
    pub program: PathBuf,
}

impl Installed {
    /// The one that is asked now.
    pub fn find() -> Result<Installed, Halt> {
        let failed = |it| Failure::new(Blame::Platform, format!("find this program: {it}"));
        let program = env::current_exe().map_err(failed)?;
        if program.is_file() {
            return Ok(Installed { program });
        }
        let what = format!("upgrade: {} is not there any more", program.display());
        Err(Halt::usage(what).hint("run the program that is installed now"))
    }

    pub fn build(&self) -> Result<Build, Halt> {
        Build::of_file(&self.program).map_err(|it| refused("read", &self.program, &it))
    }

    /// What it was before.
    pub fn former(&self) -> PathBuf {
        self.beside(FORMER)
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = OsString::from(self.program.as_os_str());
        name.push(end);
        PathBuf::from(name)
    }

    /// The former program again.
    pub fn restore(&self) -> Result<(), Halt> {
        let staged = self.beside(STAGED);
        let restored = link_anew(&self.former(), &staged)
            .and_then(|()| fs::rename(&staged, &self.program))
            .and_then(|()| sync_directory(&self.program));
        restored.map_err(|it| {
            let path = self.program.display();
            let message = format!("put the former program back at {path}: {it}");
            Failure::new(Blame::Platform, message).into()
        })
    }
}

/// A program beside the installed one; removed unless it takes its place.
pub struct Staged {
    pub path: PathBuf,
    pub build: Build,
}

impl Staged {
    /// Copies `file`, and compares it with what was announced.
    pub fn copy(
        installed: &Installed,
        file: &Path,
        announced: Option<&str>,
    ) -> Result<Staged, Halt> {
        let path = installed.beside(STAGED);
        let mut from = File::open(file).map_err(|it| unusable(file, &it.to_string()))?;
        let meta = from.metadata().map_err(|it| unusable(file, &it.to_string()))?;
        if !meta.is_file() {
            return Err(unusable(file, "it is no file"));
        }
        if fs::metadata(&installed.program)
            .is_ok_and(|it| it.ino() == meta.ino() && it.dev() == meta.dev())
        {
            let what = format!("upgrade: {} is the installed program itself", file.display());
            return Err(Halt::usage(what)
                .hint("name the new one: `cutover self upgrade FILE`")
                .hint("where it was replaced already: `cutover proxy upgrade`")
                .hint("and then `cutover daemon upgrade`"));
        }
        let build = write(&mut from, &path).map_err(|it| refused("write", &path, &it))?;
        let staged = Staged { path, build };
        let announced = announced.map(|it| it.trim().to_ascii_lowercase());
        if announced.is_some_and(|it| it != staged.build.whole()) {
            let is = staged.build.whole();
            let what = format!("upgrade: the SHA-256 of {} is {is}", file.display());
            return Err(
                Halt::usage(what).hint("it is not the program that was named: fetch it again")
            );
        }
        Ok(staged)
    }

    /// Puts it in the place of the installed one, which stays as the former one.
    pub fn swap(&self, installed: &Installed) -> Result<(), Halt> {
        let former = installed.former();
        let aside = installed.beside(".aside");
        link_anew(&installed.program, &aside)
            .and_then(|()| fs::rename(&aside, &former))
            .and_then(|()| fs::rename(&self.path, &installed.program))
            .and_then(|()| sync_directory(&installed.program))
            .map_err(|it| refused("replace", &installed.program, &it))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is gone where it took its place.
        let _gone = fs::remove_file(&self.path);
    }
}

fn unusable(file: &Path, why: &str) -> Halt {
    Halt::usage(format!("upgrade: {} cannot be used: {why}", file.display()))
}

fn write(from: &mut File, path: &Path) -> io::Result<Build> {
    let _left_behind = fs::remove_file(path);
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(path)?;
    let written = copied(from, &mut to).and_then(|build| {
        to.set_permissions(Permissions::from_mode(MODE_PROGRAM))?;
        to.sync_all()?;
        Ok(build)
    });
    if written.is_err() {
        let _unfinished = fs::remove_file(path);
    }
    written
}

fn link_anew(from: &Path, to: &Path) -> io::Result<()> {
    let _left_behind = fs::remove_file(to);
    fs::hard_link(from, to)
}

fn sync_directory(of: &Path) -> io::Result<()> {
    File::open(of.parent().unwrap_or(Path::new("/")))?.sync_all()
}
