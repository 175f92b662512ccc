//! Entries that only tell something of the next: GNU's long names, and extended attributes (pax).

use super::{blocks::Blocks, header::Header};
use crate::releases::refusal::{cut, refused, shown, unread};
use model::failure::Failure;
use std::io::Read;

/// Of what one of them holds.
const BYTES_MAX: u64 = 64 * 1024;
/// Of those that tell something of the whole archive.
const GLOBAL_MAX: usize = 100;

/// Would say again, or otherwise, what an entry is: sparse files, volumes, dumps.
const REFUSED_KEYS: [&[u8]; 4] =
    [b"GNU.", b"SCHILY.realsize", b"SCHILY.offset", b"SCHILY.filetype"];

/// Collects what is told of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    bytes: Option<u64>,
    has_attributes: bool,
    global: usize,
}

impl Extensions {
    /// Whether the header is of one of these, which is read then.
    pub(super) fn take(
        &mut self,
        header: &Header,
        blocks: &mut Blocks<'_>,
    ) -> Result<bool, Failure> {
        let twice = |is_told: bool| {
            let why = "is followed by two heads of one entry";
            if is_told { Err(refused(blocks.after(), why)) } else { Ok(()) }
        };
        match header.kind {
            b'L' => {
                twice(self.path.is_some() || self.has_attributes)?;
                self.path = Some(long_name(header, blocks)?);
            }
            b'K' => {
                twice(self.link.is_some() || self.has_attributes)?;
                self.link = Some(long_name(header, blocks)?);
            }
            b'x' => {
                twice(self.is_pending())?;
                self.has_attributes = true;
                self.extend(&data(header, blocks)?)?;
                blocks.skip_padding(header.bytes)?;
            }
            // `git archive` puts the commit there.
            b'g' => {
                twice(self.is_pending())?;
                self.global += 1;
                if self.global > GLOBAL_MAX {
                    return Err(refused(b"attributes of the archive", "are said too often"));
                }
                refuse_global(&data(header, blocks)?)?;
                blocks.skip_padding(header.bytes)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.has_attributes
    }

    /// Path and link's target of the entry with this header.
    pub(super) fn apply(&mut self, header: Header) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let path = self.path.take().unwrap_or(header.path);
        let link = self.link.take().unwrap_or(header.link);
        self.has_attributes = false;
        if self.bytes.take().is_some_and(|bytes| bytes != header.bytes) {
            return Err(refused(&path, "has two sizes"));
        }
        Ok((path, link))
    }

    fn extend(&mut self, records: &[u8]) -> Result<(), Failure> {
        for_each_record(records, |key, value| {
            match key {
                b"path" if self.path.is_none() => self.path = Some(value.to_vec()),
                b"linkpath" if self.link.is_none() => self.link = Some(value.to_vec()),
                b"size" if self.bytes.is_none() => self.bytes = Some(decimal(value)?),
                b"path" | b"linkpath" | b"size" => return None,
                _ => return is_other(key, value).then_some(()),
            }
            Some(())
        })
    }
}

fn refuse_global(records: &[u8]) -> Result<(), Failure> {
    for_each_record(records, |key, value| (!is_used(key) && is_other(key, value)).then_some(()))
}

/// Owners and times are of no use here, but must be numbers.
fn is_other(key: &[u8], value: &[u8]) -> bool {
    match key {
        b"uid" | b"gid" => decimal(value).is_some_and(|it| it <= u64::from(u32::MAX)),
        b"atime" | b"ctime" | b"mtime" => {
            let value = value.strip_prefix(b"-").unwrap_or(value);
            let mut parts = value.splitn(2, |byte| *byte == b'.');
            let whole = parts.next().and_then(decimal);
            whole.is_some_and(|it| i64::try_from(it).is_ok())
                && parts.next().is_none_or(|it| it.iter().all(u8::is_ascii_digit))
        }
        _ => true,
    }
}

/// Records of the form `LENGTH KEY=VALUE\n`.
fn for_each_record(
    records: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Option<()>,
) -> Result<(), Failure> {
    let mut rest = records;
    while !rest.is_empty() {
        let (key, value, after) =
            record(rest).ok_or_else(|| refused(b"extended attributes", "are broken"))?;
        let shown = shown(key);
        if REFUSED_KEYS.iter().any(|it| key.starts_with(it)) {
            let why = format!("say `{shown}`, of a sparse file or a part of one");
            return Err(refused(b"extended attributes", &why).hint("pack it without --sparse"));
        }
        visit(key, value).ok_or_else(|| {
            refused(b"extended attributes", &format!("say `{shown}` where it has no one meaning"))
        })?;
        rest = after;
    }
    Ok(())
}

/// Key, value, and what follows.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&records[..space])?).ok()?;
    let body = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    // An empty value would take back what was said before.
    let is_plain = !key.is_empty()
        && key.iter().all(u8::is_ascii_graphic)
        && !(value.is_empty() && is_used(key));
    is_plain.then_some((key, value, &records[length..]))
}

fn is_used(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size")
}

/// Digits, and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

fn long_name(header: &Header, blocks: &mut Blocks<'_>) -> Result<Vec<u8>, Failure> {
    let mut name = data(header, blocks)?;
    // GNU's own reader goes on to the first NUL, also where that is beyond the size.
    if !blocks.skip_padding(header.bytes)? {
        return Err(refused(blocks.after(), "is followed by a long name that goes on after it"));
    }
    while name.last() == Some(&0) {
        name.pop();
    }
    if name.is_empty() || name.contains(&0) {
        return Err(refused(blocks.after(), "is followed by a long name that is none"));
    }
    Ok(name)
}

fn data(header: &Header, blocks: &mut Blocks<'_>) -> Result<Vec<u8>, Failure> {
    if header.bytes > BYTES_MAX {
        return Err(refused(blocks.after(), "is followed by a name or attributes: too long"));
    }
    let mut bytes = Vec::new();
    blocks.data(header.bytes).read_to_end(&mut bytes).map_err(|it| unread(blocks.after(), &it))?;
    if bytes.len() as u64 != header.bytes {
        return Err(cut(blocks.after(), "is cut off before the end of the archive"));
    }
    Ok(bytes)
}
