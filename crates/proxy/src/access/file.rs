//! One file for each environment, and a few of those before it.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of one file, before another is begun.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files of one environment that are kept besides.
pub(super) const KEPT_MAX: u32 = 4;
/// Files that are open; those of others are closed, and opened again.
const OPEN_MAX: usize = 64;

/// The files that are written to.
#[derive(Debug)]
pub(super) struct File {
    directory: PathBuf,
    open: HashMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    writer: BufWriter<fs::File>,
    bytes: u64,
}

impl File {
    /// None is open.
    pub(super) fn none(directory: PathBuf) -> File {
        File { directory, open: HashMap::new() }
    }

    /// Writes at the end of the environment's file.
    pub(super) fn append(&mut self, environment: &str, line: &[u8]) -> io::Result<()> {
        let path = self.directory.join(format!("{environment}.log"));
        let full = |it: &Open| it.bytes >= FILE_BYTES_MAX;
        if self.open.get(environment).is_some_and(full) {
            self.open.remove(environment);
            turn(&path)?;
        }
        if !self.open.contains_key(environment) {
            if self.open.len() >= OPEN_MAX {
                self.open.clear();
            }
            self.open.insert(environment.to_owned(), open(&self.directory, &path)?);
        }
        let Some(file) = self.open.get_mut(environment) else { return Ok(()) };
        file.bytes += line.len() as u64;
        file.writer.write_all(line)
    }

    /// Gives the system what was written.  A file that it does not take is opened anew.
    pub(super) fn flush(&mut self) {
        self.open.retain(|_, it| it.writer.flush().is_ok());
    }
}

fn open(directory: &Path, path: &Path) -> io::Result<Open> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Open { writer: BufWriter::new(file), bytes })
}

/// `x.log` becomes `x.log.1`, that `x.log.2` and so on; the last one goes.
fn turn(path: &Path) -> io::Result<()> {
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    for number in (1..KEPT_MAX).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_turned_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::none(folder.path().join("access"));
        let line = vec![b'x'; usize::try_from(FILE_BYTES_MAX).unwrap()];
        for _ in 0..KEPT_MAX + 4 {
            file.append("a.b", &line).unwrap();
        }
        file.append("c.d", b"hello\n").unwrap();
        file.flush();
        let mut names: Vec<String> = fs::read_dir(folder.path().join("access"))
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["a.b.log", "a.b.log.1", "a.b.log.2", "a.b.log.3", "a.b.log.4", "c.d.log"]
        );
    }
}
