//! The heads of a tar archive's entries, long names put together within bounds.

use super::unpack::{PATH_BYTES_MAX, refused, unread};
use model::failure::Failure;
use std::io::Read;
use tar::EntryType;

/// Of one block of extended attributes.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;

/// What an entry says of itself.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) path: Vec<u8>,
    /// Target of a link.
    pub(super) link: Vec<u8>,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) bytes: u64,
}

impl Default for Head {
    fn default() -> Head {
        let kind = EntryType::Regular;
        Head { path: vec![], link: vec![], kind, mode: 0, bytes: 0 }
    }
}

/// Collects what entries say of the next one.
#[derive(Default)]
pub(super) struct Heads {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Heads {
    /// The entry's head; none if it only tells something of the next one.
    pub(super) fn next<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Head>, Failure> {
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => self.path = Some(long_name(entry)?),
            EntryType::GNULongLink => self.link = Some(long_name(entry)?),
            EntryType::XHeader => self.extend(&extension(entry)?)?,
            // Of the whole archive: `git archive` puts the commit there.
            EntryType::XGlobalHeader => drop(extension(entry)?),
            _ => return self.head(entry, kind).map(Some),
        }
        Ok(None)
    }

    fn head<R: Read>(
        &mut self,
        entry: &tar::Entry<'_, R>,
        kind: EntryType,
    ) -> Result<Head, Failure> {
        let header = entry.header();
        let path = self.path.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let link = self
            .link
            .take()
            .or_else(|| header.link_name_bytes().map(|it| it.into_owned()))
            .unwrap_or_default();
        let mode = header.mode().map_err(|error| unread(&error))?;
        let bytes = header.entry_size().map_err(|error| unread(&error))?;
        // Before ustar, a directory was a file whose name ends with a slash.
        let kind = if kind == EntryType::Regular && path.ends_with(b"/") {
            EntryType::Directory
        } else {
            kind
        };
        Ok(Head { path, link, kind, mode, bytes })
    }

    /// Records of the form `LENGTH KEY=VALUE\n`.
    fn extend(&mut self, records: &[u8]) -> Result<(), Failure> {
        let mut rest = records;
        while !rest.is_empty() {
            let (key, value, after) =
                record(rest).ok_or_else(|| refused(b"extended attributes", "are broken"))?;
            match key {
                b"path" => self.path = Some(bounded(value)?),
                b"linkpath" => self.link = Some(bounded(value)?),
                // Where the data end would be said twice.
                b"size" => return Err(refused(b"extended attributes", "give a size")),
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }
}

/// Key, value, and what follows.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let body = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &records[length..]))
}

fn long_name<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, Failure> {
    let mut name = extension(entry)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    bounded(&name)
}

fn bounded(name: &[u8]) -> Result<Vec<u8>, Failure> {
    if name.len() > PATH_BYTES_MAX {
        return Err(refused(&name[..PATH_BYTES_MAX], "has too long a path"));
    }
    Ok(name.to_vec())
}

fn extension<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    entry.take(EXTENSION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    if bytes.len() as u64 > EXTENSION_BYTES_MAX {
        return Err(refused(b"extended attributes", "are too long"));
    }
    Ok(bytes)
}
