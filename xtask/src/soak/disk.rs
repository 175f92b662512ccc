//! What deployments leave on the disk.

use anyhow::{Context, Result};
use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt, path::Path};

const BLOCK_BYTES: u64 = 512;

/// One look a deployment.
#[derive(Debug, Default)]
pub struct Disk {
    looks: Vec<Look>,
}

/// The state directory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// All of it, a file with several names once.
    pub bytes: u64,
    /// Of that, releases.
    pub release_bytes: u64,
    /// Releases that are kept.
    pub releases: usize,
}

impl Look {
    /// Journal, logs, routes and all else that is no release.
    pub fn other_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.release_bytes)
    }
}

impl Disk {
    /// Adds up what is there.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn look(&mut self, root: &Path) -> Result<()> {
        let releases = root.join("projects/shop/production/releases");
        let kept = fs::read_dir(&releases).with_context(|| releases.display().to_string())?;
        let mut seen = HashSet::new();
        let release_bytes = bytes(&releases, &mut seen)?;
        let bytes = release_bytes + bytes(root, &mut seen)?;
        self.looks.push(Look { bytes, release_bytes, releases: kept.count() });
        Ok(())
    }

    /// The most that was ever kept.
    pub fn releases_max(&self) -> usize {
        self.looks.iter().map(|it| it.releases).max().unwrap_or(0)
    }

    /// After the first, after a tenth, and after the last deployment.
    pub fn milestones(&self) -> Vec<(usize, Look)> {
        let last = self.looks.len().saturating_sub(1);
        let mut at = vec![0, last / 10, last];
        at.dedup();
        at.into_iter().filter_map(|it| Some((it + 1, *self.looks.get(it)?))).collect()
    }

    /// By how much all that is no release grew per deployment over the last half.
    pub fn growth_bytes(&self) -> u64 {
        let half = self.looks.len() / 2;
        let (Some(middle), Some(last)) = (self.looks.get(half), self.looks.last()) else {
            return 0;
        };
        let over = (self.looks.len() - half).max(1) as u64;
        last.other_bytes().saturating_sub(middle.other_bytes()) / over
    }
}

/// Blocks of what `seen` does not hold yet.  A file that goes away meanwhile has none.
fn bytes(path: &Path, seen: &mut HashSet<(u64, u64)>) -> Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if !seen.insert((metadata.dev(), metadata.ino())) && !metadata.is_dir() {
        return Ok(0);
    }
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * BLOCK_BYTES);
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    entries.filter_map(Result::ok).try_fold(0, |sum, it| Ok(sum + bytes(&it.path(), seen)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_file_with_two_names_once() {
        let folder = tempfile::tempdir().unwrap();
        let releases = folder.path().join("projects/shop/production/releases");
        fs::create_dir_all(releases.join("1.0.0")).unwrap();
        fs::write(releases.join("1.0.0/a"), vec![1; 8192]).unwrap();
        let mut disk = Disk::default();
        disk.look(folder.path()).unwrap();
        fs::hard_link(releases.join("1.0.0/a"), releases.join("1.0.0/b")).unwrap();
        disk.look(folder.path()).unwrap();
        let all = disk.milestones();
        assert_eq!(all[0].1, all[1].1);
        assert!(all[0].1.release_bytes >= 8192, "{all:?}");
        assert_eq!((disk.releases_max(), disk.growth_bytes()), (1, 0));
    }
}
