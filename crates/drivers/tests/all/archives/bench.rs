//! Sends archives, and looks at what that leaves behind.

use crate::world::{World, ulid};
use drivers::releases::{Received, archive::Format};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub struct Bench {
    pub world: World,
    around: BTreeSet<PathBuf>,
    aside: TempDir,
}

pub fn deployment() -> DeploymentId {
    DeploymentId(ulid("1"))
}

impl Bench {
    pub fn new() -> Bench {
        let world = World::new();
        let around = all_below(&Bench::neighbourhood(&world));
        Bench { world, around, aside: tempfile::tempdir().unwrap() }
    }

    /// A directory that no archive can reach.
    pub fn aside(&self, name: &str) -> PathBuf {
        let path = self.aside.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// All that an archive might reach by `..`.
    fn neighbourhood(world: &World) -> PathBuf {
        world.layout.root().parent().unwrap().to_owned()
    }

    pub fn send(&self, format: Format, bytes: &[u8]) -> Result<Received, Failure> {
        let releases = &self.world.local.releases;
        releases.receive_archive(&self.world.environment, &deployment(), format, bytes)
    }

    /// Where what was taken lies.
    pub fn place(&self) -> PathBuf {
        self.world.layout.upload(&self.world.environment, &deployment())
    }

    /// Sends, and expects to be refused by words that name it.
    pub fn refused(&self, what: &str, format: Format, bytes: &[u8], words: &str) {
        let failure = match self.send(format, bytes) {
            Ok(received) => panic!("{what}: taken as {received:?}"),
            Err(failure) => failure,
        };
        assert_eq!(failure.blame, Blame::Request, "{what}: {failure:?}");
        assert!(failure.message.contains(words), "{what}: {failure:?}");
        let starts =
            ["take what was sent: ", "take the archive: ", "make a release of what was sent: "];
        assert!(starts.iter().any(|it| failure.message.starts_with(it)), "{what}: {failure:?}");
        assert!(!failure.hints.is_empty(), "{what}: {failure:?}");
        assert!(failure.message.len() < 400, "{what}: {failure:?}");
        self.nothing_is_left(what);
    }

    /// Neither in the incoming directory nor anywhere around it.
    pub fn nothing_is_left(&self, what: &str) {
        let incoming = self.world.layout.incoming(&self.world.environment);
        let left: Vec<PathBuf> = all_below(&incoming).into_iter().collect();
        assert!(left.is_empty(), "{what}: {left:?} is left");
        self.nothing_is_outside(what);
    }

    /// Nothing was made but for the incoming directory and those it lies in.
    pub fn nothing_is_outside(&self, what: &str) {
        let incoming = self.world.layout.incoming(&self.world.environment);
        let now = all_below(&Bench::neighbourhood(&self.world));
        let made = now.difference(&self.around);
        let outside: Vec<&PathBuf> = made
            .filter(|path| !path.starts_with(&incoming) && !incoming.starts_with(path))
            .collect();
        assert!(outside.is_empty(), "{what}: {outside:?} is outside");
    }
}

fn all_below(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
