//! What a release consists of: every path with its mode and content, and the digest of all of it.
//!
//! The list is a text of one line a path, sorted by path.  Its BLAKE3 is the artifact's digest.

use std::{collections::BTreeMap, fmt::Write};

/// First line of a list: the format this build writes and reads.
const HEAD: &str = "cutover content 1";

/// What is at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { hash: String, bytes: u64 },
    Link { target: Vec<u8> },
}

/// One path's mode and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) kind: Kind,
}

/// By path, relative and without a trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) entries: BTreeMap<Vec<u8>, Entry>,
}

impl Entry {
    pub(crate) fn directory(mode: u32) -> Entry {
        Entry { mode: mode & 0o777 | 0o700, kind: Kind::Directory }
    }

    pub(crate) fn file(mode: u32, hash: &blake3::Hash, bytes: u64) -> Entry {
        let kind = Kind::File { hash: hash.to_hex().to_string(), bytes };
        Entry { mode: mode & 0o777 | 0o600, kind }
    }

    pub(crate) fn link(target: Vec<u8>) -> Entry {
        Entry { mode: 0o777, kind: Kind::Link { target } }
    }
}

impl Content {
    /// The digest of everything, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        blake3::hash(self.text().as_bytes()).to_hex().to_string()
    }

    /// Sum of its files.
    pub(crate) fn bytes(&self) -> u64 {
        self.entries
            .values()
            .map(|it| if let Kind::File { bytes, .. } = it.kind { bytes } else { 0 })
            .sum()
    }

    /// Number of its files and links.
    pub(crate) fn files(&self) -> u64 {
        self.entries.values().filter(|it| it.kind != Kind::Directory).count() as u64
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (path, entry) in &self.entries {
            let path = escaped(path);
            let mode = entry.mode;
            // Writing to a string cannot fail.
            let _ = match &entry.kind {
                Kind::Directory => writeln!(text, "d {mode:03o} - - {path}"),
                Kind::File { hash, bytes } => writeln!(text, "f {mode:03o} {bytes} {hash} {path}"),
                Kind::Link { target } => {
                    writeln!(text, "l {mode:03o} - {} {path}", escaped(target))
                }
            };
        }
        text
    }

    /// None if it is not a list of this format.
    pub(crate) fn parse(text: &str) -> Option<Content> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return None;
        }
        let entries = lines.map(parsed_line).collect::<Option<_>>()?;
        Some(Content { entries })
    }
}

fn parsed_line(line: &str) -> Option<(Vec<u8>, Entry)> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [kind, mode, bytes, what, path] = fields[..] else { return None };
    let kind = match kind {
        "d" => Kind::Directory,
        "f" => Kind::File { hash: what.to_owned(), bytes: bytes.parse().ok()? },
        "l" => Kind::Link { target: unescaped(what)? },
        _ => return None,
    };
    Some((unescaped(path)?, Entry { mode: u32::from_str_radix(mode, 8).ok()?, kind }))
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_graphic() && *byte != b'%' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut content = Content::default();
        let hash = blake3::hash(b"hello");
        content.entries.insert(b"a dir".to_vec(), Entry::directory(0o2755));
        content.entries.insert(b"a dir/100%\n\xff".to_vec(), Entry::file(0o4755, &hash, 5));
        content.entries.insert(b"link".to_vec(), Entry::link(b"a dir/x y".to_vec()));
        let text = content.text();
        assert_eq!(Content::parse(&text).unwrap(), content);
        assert_eq!((content.bytes(), content.files()), (5, 2));
        assert!(text.contains("f 755 5 "), "no setuid: {text}");
        assert!(Content::parse("cutover content 2\n").is_none());
        assert!(Content::parse(&text.replace("%20", "%zz")).is_none());
    }

    #[test]
    fn every_part_of_an_entry_changes_the_digest() {
        let with = |path: &[u8], entry| {
            let entries = BTreeMap::from([(path.to_vec(), entry)]);
            Content { entries }.digest()
        };
        let (one, two) = (blake3::hash(b"1"), blake3::hash(b"2"));
        let digests = [
            with(b"a", Entry::file(0o644, &one, 1)),
            with(b"b", Entry::file(0o644, &one, 1)),
            with(b"a", Entry::file(0o755, &one, 1)),
            with(b"a", Entry::file(0o644, &two, 1)),
            with(b"a", Entry::link(b"b".to_vec())),
            with(b"a", Entry::directory(0o755)),
            Content::default().digest(),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
