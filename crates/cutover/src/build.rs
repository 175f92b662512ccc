//! Which build of this program a process runs, told by what is in its executable file: two builds
//! may say the same version.

mod roles;

pub use roles::running;

use aws_lc_rs::digest::{Context, SHA256};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Of a build's name, to be shown.
const SHOWN_CHARACTERS: usize = 12;

/// SHA-256 of what is read, in lower hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build(String);

impl Build {
    /// All of it.
    pub fn whole(&self) -> &str {
        &self.0
    }

    /// As much as tells it from others.
    pub fn short(&self) -> &str {
        &self.0[..SHOWN_CHARACTERS]
    }

    /// Of a program on disk.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Build> {
        copied(&mut File::open(path)?, &mut io::sink())
    }
}

/// Copies to the end, and tells which build that was.
///
/// # Errors
///
/// One of them fails.
pub fn copied(from: &mut impl Read, to: &mut impl io::Write) -> io::Result<Build> {
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        context.update(&chunk[..length]);
        to.write_all(&chunk[..length])?;
    }
    let digest = context.finish();
    Ok(Build(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Builds of processes; what several of them run is read once.
#[derive(Debug, Default)]
pub struct Builds {
    known: HashMap<(u64, u64, u64, i64), Build>,
}

impl Builds {
    /// Of what a process runs, also where that is not on disk any more.
    ///
    /// # Errors
    ///
    /// The process is gone, or another user's.
    pub fn of_process(&mut self, pid: u32) -> io::Result<Build> {
        self.of(Path::new(&format!("/proc/{pid}/exe")))
    }

    /// Of a file.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn of(&mut self, path: &Path) -> io::Result<Build> {
        let meta = std::fs::metadata(path)?;
        let key = (meta.dev(), meta.ino(), meta.len(), meta.mtime_nsec());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let build = Build::of_file(path)?;
        self.known.insert(key, build.clone());
        Ok(build)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_named_by_its_bytes() {
        let mut copy = Vec::new();
        let build = copied(&mut &b"abc"[..], &mut copy).unwrap();
        assert_eq!(copy, b"abc");
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((build.whole(), build.short()), (known, &known[..12]));
    }

    #[test]
    fn this_process_runs_its_file() {
        let mut builds = Builds::default();
        let ours = builds.of_process(std::process::id()).unwrap();
        assert_eq!(ours, builds.of(&std::env::current_exe().unwrap()).unwrap());
        assert_eq!(builds.known.len(), 1);
        assert!(builds.of_process(0).is_err());
    }
}
