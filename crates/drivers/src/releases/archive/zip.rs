//! Reads a zip archive, strictly: every byte of it has one meaning, or it is refused.
//!
//! The entries follow each other from the first byte on with nothing between them, then comes the
//! directory of them, then the end; and an entry's own head says what the directory says.

mod contents;
mod directory;
mod end;
mod extra;
mod fields;
mod local;

use super::super::{
    growth::Growth,
    placer::{Head, Placer, What},
    refusal::{refused, unread},
};
use contents::Contents;
use directory::{Entry, Kind};
use end::End;
use model::failure::Failure;
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    rc::Rc,
};

/// Places all entries of the archive.
pub(super) fn unpack(
    file: &File,
    growth: &Rc<Growth>,
    placer: &mut Placer<'_>,
) -> Result<(), Failure> {
    let end = End::find(file)?;
    let entries = directory::read(file, &end)?;
    for (index, entry) in entries.iter().enumerate() {
        let next = entries.get(index + 1).map_or(end.directory_at, |it| it.at);
        let data_at = local::check(file, entry, next)?;
        let contents = Contents::new(file, entry, data_at);
        place(entry, contents, growth, placer)?;
    }
    Ok(())
}

fn place(
    entry: &Entry,
    mut contents: Contents<'_>,
    growth: &Rc<Growth>,
    placer: &mut Placer<'_>,
) -> Result<(), Failure> {
    let broken = |error: io::Error| unread(&entry.path, &error);
    growth.take(0).and_then(|()| growth.give(entry.bytes)).map_err(broken)?;
    let (path, mode) = (entry.path.clone(), entry.mode);
    let (what, mut rest) = match entry.kind {
        Kind::File => (What::File { bytes: entry.bytes }, vec![]),
        Kind::Directory => (What::Directory, vec![]),
        Kind::Link => {
            let mut target = vec![];
            contents.by_ref().take(entry.bytes).read_to_end(&mut target).map_err(broken)?;
            (What::Link { target }, vec![])
        }
    };
    placer.place(&Head { path, mode, what }, &mut contents)?;
    contents.by_ref().take(1).read_to_end(&mut rest).map_err(broken)?;
    if !rest.is_empty() {
        return Err(refused(&entry.path, "goes on after the bytes that it says it has"));
    }
    contents.expect_whole(entry)
}

/// So many bytes from somewhere; `path` is whose they are.
fn bytes_at(file: &File, at: u64, bytes: usize, path: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, at).map_err(|error| unread(path, &error))?;
    Ok(buffer)
}

fn broken(why: &str) -> Failure {
    refused(b"", why).hint("make the archive anew and send it again: it is damaged or cut off")
}
