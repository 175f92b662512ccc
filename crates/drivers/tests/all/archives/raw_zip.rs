//! Zip archives byte by byte, as no honest packer writes them.

use super::bench::deflated;

pub const DEFLATED: u16 = 8;
pub const FOLLOWED: u16 = 8;
pub const UTF8: u16 = 1 << 11;

/// What a head, or the directory, says of an entry.
#[derive(Clone)]
pub struct Said {
    pub path: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub checksum: u32,
    pub packed_bytes: u32,
    pub bytes: u32,
    pub extra: Vec<u8>,
}

/// An entry: said twice, so that the two may differ.
#[derive(Clone)]
pub struct Entry {
    pub head: Said,
    pub listed: Said,
    pub made_by: u8,
    pub mode: u32,
    pub data: Vec<u8>,
    pub following: Vec<u8>,
    /// Where the directory says that it is, if that is not where it is.
    pub at: Option<u32>,
}

impl Entry {
    pub fn stored(path: &str, data: &[u8]) -> Entry {
        let mut checksum = flate2::Crc::new();
        checksum.update(data);
        let bytes = data.len() as u32;
        let said = Said {
            path: path.as_bytes().to_vec(),
            flags: 0,
            method: 0,
            checksum: checksum.sum(),
            packed_bytes: bytes,
            bytes,
            extra: vec![],
        };
        Entry {
            head: said.clone(),
            listed: said,
            made_by: 3,
            mode: if path.ends_with('/') { 0o040_755 } else { 0o100_644 },
            data: data.to_vec(),
            following: vec![],
            at: None,
        }
    }

    pub fn deflated(path: &str, data: &[u8]) -> Entry {
        let packed = deflated(data);
        let packed_bytes = packed.len() as u32;
        Entry { data: packed, ..Entry::stored(path, data) }.both(|said| {
            said.method = DEFLATED;
            said.packed_bytes = packed_bytes;
        })
    }

    pub fn both(mut self, change: impl Fn(&mut Said)) -> Entry {
        change(&mut self.head);
        change(&mut self.listed);
        self
    }

    pub fn head(mut self, change: impl Fn(&mut Said)) -> Entry {
        change(&mut self.head);
        self
    }

    pub fn listed(mut self, change: impl Fn(&mut Said)) -> Entry {
        change(&mut self.listed);
        self
    }

    pub fn mode(self, mode: u32) -> Entry {
        Entry { mode, ..self }
    }

    /// As streams are packed: sizes follow the content.
    pub fn followed(self, signature: bool) -> Entry {
        let mut following = if signature { b"PK\x07\x08".to_vec() } else { vec![] };
        for field in [self.listed.checksum, self.listed.packed_bytes, self.listed.bytes] {
            following.extend(field.to_le_bytes());
        }
        let entry = self.both(|said| said.flags |= FOLLOWED);
        Entry { following, ..entry }.head(|said| {
            (said.checksum, said.packed_bytes, said.bytes) = (0, 0, 0);
        })
    }
}

fn said(said: &Said) -> Vec<u8> {
    let mut bytes = vec![];
    bytes.extend(20_u16.to_le_bytes());
    bytes.extend(said.flags.to_le_bytes());
    bytes.extend(said.method.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(said.checksum.to_le_bytes());
    bytes.extend(said.packed_bytes.to_le_bytes());
    bytes.extend(said.bytes.to_le_bytes());
    bytes.extend((said.path.len() as u16).to_le_bytes());
    bytes.extend((said.extra.len() as u16).to_le_bytes());
    bytes
}

/// An archive of them, with a comment at its end.
pub fn zip_with(entries: &[Entry], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (vec![], vec![]);
    for entry in entries {
        let at = entry.at.unwrap_or(bytes.len() as u32);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(said(&entry.head));
        for piece in [&entry.head.path, &entry.head.extra, &entry.data, &entry.following] {
            bytes.extend(piece);
        }
        directory.extend(b"PK\x01\x02");
        directory.extend([20, entry.made_by]);
        directory.extend(said(&entry.listed));
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(&entry.listed.path);
        directory.extend(&entry.listed.extra);
    }
    let directory_at = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(end(entries.len() as u16, directory.len() as u32, directory_at, comment));
    bytes
}

pub fn end(entries: u16, directory_bytes: u32, directory_at: u32, comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(directory_bytes.to_le_bytes());
    bytes.extend(directory_at.to_le_bytes());
    bytes.extend((comment.len() as u16).to_le_bytes());
    bytes.extend(comment);
    bytes
}

pub fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_with(entries, b"")
}
