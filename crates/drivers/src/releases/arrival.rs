//! What was unpacked, before it is summed up and put in its place.

use super::{
    content::Content,
    growth::{Growth, Outflow},
    links::refuse_links_out,
    placer::{MODE_OF_IMPLIED_DIRECTORY, Packer, Placed, Placer, set_mode},
    refusal::shown,
};
use crate::releases::archive::tar;
use model::failure::Failure;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Of the paths that stayed behind, these many are named in a note.
const NAMED_MAX: usize = 5;

/// Content under a directory, with no link out of it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) content: Content,
    /// Where it lies.
    pub(super) directory: PathBuf,
    /// What whoever sent it should know.
    pub(super) notes: Vec<String>,
}

/// Unpacks a tar stream that our own command line or `git` packed, into `directory`, which is made.
pub(super) fn of_stream(reader: impl Read, directory: &Path) -> Result<Arrival, Failure> {
    // What is not compressed grows by its hard links alone, which neither of them writes.
    let growth = Growth::from_now();
    let intake = super::growth::Intake::new(reader, &growth);
    let mut reader = BufReader::with_capacity(128 * 1024, intake);
    let mut placer = Placer::new(directory, Packer::Known, growth.clone())?;
    tar::unpack(&mut Outflow::new(&mut reader, &growth), &mut placer)?;
    let content = placer.finish().content;
    refuse_links_out(&content)?;
    Ok(Arrival { content, directory: directory.to_owned(), notes: vec![] })
}

/// What an archive held, without the one directory that wraps all of it.
pub(super) fn of_archive(placed: Placed, directory: &Path) -> Result<Arrival, Failure> {
    let mut notes = vec![];
    let mut arrival =
        Arrival { directory: directory.to_owned(), content: Content::default(), notes: vec![] };
    let wrapper = wrapper(&placed);
    if !placed.left_out.is_empty() {
        notes.push(left_out_note(&placed.left_out));
    }
    arrival.content = placed.content;
    if let Some(wrapper) = wrapper {
        arrival.directory = directory.join(OsStr::from_bytes(&wrapper));
        set_mode(&arrival.directory, MODE_OF_IMPLIED_DIRECTORY)?;
        arrival.content = below(arrival.content, &wrapper);
        let wrapper = shown(&wrapper);
        notes.push(format!(
            "all of the archive lies in `{wrapper}/`: the release is what that directory holds"
        ));
    }
    refuse_links_out(&arrival.content)?;
    arrival.notes = notes;
    Ok(arrival)
}

/// The directory that everything lies in, unless the archive says what it lies in itself.
fn wrapper(placed: &Placed) -> Option<Vec<u8>> {
    let top = |path: &Vec<u8>| path.split(|it| *it == b'/').next().unwrap_or_default().to_vec();
    let tops: BTreeSet<Vec<u8>> =
        placed.content.entries.keys().chain(&placed.left_out).map(top).collect();
    let only = tops.into_iter().next_back().filter(|_| !placed.is_root_said)?;
    let is_in = |path: &Vec<u8>| path.starts_with(&only) && path.get(only.len()) == Some(&b'/');
    let paths = || placed.content.entries.keys();
    let is_all = paths().chain(&placed.left_out).all(|path| *path == only || is_in(path));
    (is_all && paths().any(is_in)).then_some(only)
}

fn below(content: Content, directory: &[u8]) -> Content {
    let inside = |path: Vec<u8>| path.get(directory.len() + 1..).map(<[u8]>::to_vec);
    let entries = content.entries.into_iter();
    let entries = entries.filter_map(|(path, entry)| Some((inside(path)?, entry))).collect();
    Content { entries }
}

fn left_out_note(paths: &[Vec<u8>]) -> String {
    let named: Vec<String> =
        paths.iter().take(NAMED_MAX).map(|path| format!("`{}`", shown(path))).collect();
    let more = match paths.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        _ => " and others".to_owned(),
    };
    let named = named.join(", ");
    format!("left out, as secrets and repositories always are: {named}{more}")
}
