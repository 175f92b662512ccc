//! The directory of a zip archive: what its entries are and where.

use super::{broken, bytes_at, end::End, extra::Extra, fields::Fields};
use crate::releases::{
    limits::{PATH_BYTES_MAX, RATIO_FREE_BYTES, RATIO_MAX},
    refusal::refused,
};
use model::failure::Failure;
use std::fs::File;

const SIGNATURE: u32 = 0x0201_4b50;

pub(super) const FLAG_ENCRYPTED: u16 = 1;
/// Checksum and sizes follow the content.
pub(super) const FLAG_FOLLOWED: u16 = 1 << 3;
const FLAG_STRONG_ENCRYPTION: u16 = 1 << 6;
const FLAG_UTF8: u16 = 1 << 11;
const FLAG_MASKED: u16 = 1 << 13;
/// These, and how hard the packer tried.
const FLAGS_KNOWN: u16 = FLAG_FOLLOWED | FLAG_UTF8 | 0b110;

/// Systems whose packers write modes.
const MADE_BY_UNIX: u8 = 3;
const MADE_BY_MACOS: u8 = 19;

const MODE_KIND: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;
const MODE_DIRECTORY: u32 = 0o040_000;
const MODE_LINK: u32 = 0o120_000;
const MODE_OF_UNSAID_FILE: u32 = 0o644;
const MODE_OF_UNSAID_DIRECTORY: u32 = 0o755;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// What the directory says of one entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it is written.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) flags: u16,
    pub(super) method: Method,
    pub(super) checksum: u32,
    pub(super) packed_bytes: u64,
    pub(super) bytes: u64,
    /// Of its own head.
    pub(super) at: u64,
}

/// All entries, as they lie in the archive; none overlaps another's head.
pub(super) fn read(file: &File, end: &End) -> Result<Vec<Entry>, Failure> {
    let length = usize::try_from(end.directory_bytes).unwrap_or(usize::MAX);
    let bytes = bytes_at(file, end.directory_at, length, b"")?;
    let mut fields = Fields::new(&bytes);
    let mut entries = vec![];
    for _ in 0..end.entries {
        let raw = Raw::take(&mut fields).ok_or_else(|| broken("has a directory that is broken"))?;
        entries.push(raw.entry()?);
    }
    if !fields.is_empty() {
        return Err(broken("has a directory with more entries than its end says"));
    }
    entries.sort_by_key(|entry| entry.at);
    let starts_early = entries.first().is_some_and(|entry| entry.at == 0);
    if !starts_early && !entries.is_empty() || entries.is_empty() && end.directory_at != 0 {
        return Err(broken("does not begin with its first entry"));
    }
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].at == pair[1].at) {
        return Err(refused(&pair[1].path, "overlaps another entry"));
    }
    Ok(entries)
}

/// One record of the directory.
struct Raw<'a> {
    made_by: u8,
    flags: u16,
    method: u16,
    checksum: u32,
    packed_bytes: u32,
    bytes: u32,
    path: &'a [u8],
    extra: &'a [u8],
    disk: u16,
    attributes: u32,
    at: u32,
}

impl<'a> Raw<'a> {
    fn take(fields: &mut Fields<'a>) -> Option<Raw<'a>> {
        (fields.u32()? == SIGNATURE).then_some(())?;
        let made_by = fields.u16()?.to_le_bytes()[1];
        let _version_needed = fields.u16()?;
        let (flags, method, _time) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (checksum, packed_bytes, bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let lengths = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
        let (disk, _internal) = (fields.u16()?, fields.u16()?);
        let (attributes, at) = (fields.u32()?, fields.u32()?);
        let (path, extra) = (fields.bytes(lengths[0])?, fields.bytes(lengths[1])?);
        let _comment = fields.bytes(lengths[2])?;
        Some(Raw {
            made_by,
            flags,
            method,
            checksum,
            packed_bytes,
            bytes,
            path,
            extra,
            disk,
            attributes,
            at,
        })
    }

    fn entry(&self) -> Result<Entry, Failure> {
        let odd = |why: &str| refused(self.path, why);
        let extra =
            Extra::parse(self.extra).ok_or_else(|| odd("has extra fields that are broken"))?;
        let encrypted = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED;
        if self.flags & encrypted != 0 || extra.is_encrypted {
            return Err(odd("is encrypted").hint("pack it without a password"));
        }
        if self.flags & !FLAGS_KNOWN != 0 {
            return Err(odd("has a flag that is not known here"));
        }
        let method = match self.method {
            0 => Method::Stored,
            8 => Method::Deflated,
            _ => {
                let hint = "pack it with the usual compression (deflate)";
                return Err(odd("is compressed in a way that is not known here").hint(hint));
            }
        };
        self.refuse_name(&extra)?;
        let (bytes, packed_bytes, at) = self
            .sizes(&extra)
            .ok_or_else(|| odd("has sizes that are said twice, or not at all"))?;
        if method == Method::Stored && bytes != packed_bytes {
            return Err(odd("is stored, but has two sizes"));
        }
        if bytes > RATIO_FREE_BYTES && bytes > packed_bytes.saturating_mul(RATIO_MAX) {
            return Err(odd(&format!("unpacks to more than {RATIO_MAX} times what was sent")));
        }
        let (kind, mode) = self.kind()?;
        if kind == Kind::Directory && bytes != 0 {
            return Err(odd("has content, but is no file"));
        }
        if kind == Kind::Link && bytes > PATH_BYTES_MAX as u64 {
            return Err(odd("is a link without a proper target"));
        }
        let (path, flags, checksum) = (self.path.to_vec(), self.flags, self.checksum);
        Ok(Entry { path, kind, mode, flags, method, checksum, packed_bytes, bytes, at })
    }

    /// A name that others would read as another.
    fn refuse_name(&self, extra: &Extra<'_>) -> Result<(), Failure> {
        let odd = |why: &str| Err(refused(self.path, why));
        if self.path.contains(&b'\\') {
            return odd("has a backslash in its name, which some take for a slash");
        }
        if extra.unicode_path.is_some_and(|path| path != self.path) {
            return odd("has two names");
        }
        let is_said = self.flags & FLAG_UTF8 != 0 || self.has_modes();
        if !self.path.is_ascii() && (!is_said || std::str::from_utf8(self.path).is_err()) {
            return odd("has letters in its name of an alphabet that is not said");
        }
        Ok(())
    }

    /// Bytes, bytes as packed, and where.
    fn sizes(&self, extra: &Extra<'_>) -> Option<(u64, u64, u64)> {
        let Some(mut large) = extra.large else {
            let is_plain = ![self.bytes, self.packed_bytes, self.at].contains(&u32::MAX);
            let sizes = (self.bytes.into(), self.packed_bytes.into(), self.at.into());
            return (is_plain && self.disk == 0).then_some(sizes);
        };
        let mut whole = |short: u32| {
            if short == u32::MAX { large.u64() } else { Some(u64::from(short)) }
        };
        let (bytes, packed_bytes, at) =
            (whole(self.bytes)?, whole(self.packed_bytes)?, whole(self.at)?);
        // Some also say what fits.
        let is_agreed = large.is_empty() || large.u64() == Some(at) && large.is_empty();
        (is_agreed && self.disk == 0).then_some((bytes, packed_bytes, at))
    }

    fn has_modes(&self) -> bool {
        matches!(self.made_by, MADE_BY_UNIX | MADE_BY_MACOS)
    }

    fn kind(&self) -> Result<(Kind, u32), Failure> {
        let has_slash = self.path.ends_with(b"/");
        let mode = if self.has_modes() { self.attributes >> 16 } else { 0 };
        let unsaid = if has_slash { MODE_OF_UNSAID_DIRECTORY } else { MODE_OF_UNSAID_FILE };
        let bits = if mode == 0 { unsaid } else { mode & 0o7777 };
        match mode & MODE_KIND {
            0 | MODE_DIRECTORY if has_slash => Ok((Kind::Directory, bits)),
            0 | MODE_FILE if !has_slash => Ok((Kind::File, bits)),
            MODE_LINK if !has_slash => Ok((Kind::Link, bits)),
            MODE_DIRECTORY | MODE_FILE | MODE_LINK => {
                Err(refused(self.path, "is a directory by its name or by its mode, not by both"))
            }
            _ => Err(refused(self.path, "is neither a file, a directory nor a link")),
        }
    }
}
