//! The head of a zip entry, which repeats what the directory says.

use super::{
    bytes_at,
    directory::{Entry, FLAG_FOLLOWED, Method},
    extra::Extra,
    fields::Fields,
};
use crate::releases::refusal::{refused, shown};
use model::failure::Failure;
use std::fs::File;

const SIGNATURE: u32 = 0x0403_4b50;
const HEAD_BYTES: usize = 30;
const FOLLOWING_SIGNATURE: u32 = 0x0807_4b50;
/// Checksum and two sizes after the content, each with and without a signature.
const FOLLOWING_BYTES: [u64; 4] = [12, 16, 20, 24];
/// How hard the packer tried is not always said twice.
const FLAGS_OF_EFFORT: u16 = 0b110;

/// Where the content is, which with what follows it must reach to `next`.
pub(super) fn check(file: &File, entry: &Entry, next: u64) -> Result<u64, Failure> {
    let overlaps = || refused(&entry.path, "overlaps what follows it in the archive");
    let names_at = entry.at.saturating_add(HEAD_BYTES as u64);
    if names_at > next {
        return Err(overlaps());
    }
    let bytes = bytes_at(file, entry.at, HEAD_BYTES, &entry.path)?;
    let head = Head::parse(&bytes)
        .ok_or_else(|| refused(&entry.path, "is not where the archive's directory says"))?;
    let data_at = names_at + (head.path_bytes + head.extra_bytes) as u64;
    let data_end = data_at.checked_add(entry.packed_bytes).filter(|it| *it <= next);
    let data_end = data_end.ok_or_else(overlaps)?;
    let bytes = bytes_at(file, names_at, head.path_bytes + head.extra_bytes, &entry.path)?;
    let (path, extra) = bytes.split_at(head.path_bytes);
    if path != entry.path {
        let path = shown(path);
        return Err(refused(&entry.path, &format!("is also called `{path}` in the archive")));
    }
    let is_agreed = Extra::parse(extra).is_some_and(|extra| head.agrees(entry, &extra));
    if !is_agreed {
        return Err(refused(&entry.path, "is said in two places, which say different things"));
    }
    expect_following(file, entry, data_end, next)?;
    Ok(data_at)
}

struct Head {
    flags: u16,
    method: u16,
    checksum: u32,
    packed_bytes: u32,
    bytes: u32,
    path_bytes: usize,
    extra_bytes: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Head> {
        let mut fields = Fields::new(bytes);
        (fields.u32()? == SIGNATURE).then_some(())?;
        let _version_needed = fields.u16()?;
        let (flags, method, _time) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (checksum, packed_bytes, bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (path_bytes, extra_bytes) = (fields.u16()?.into(), fields.u16()?.into());
        Some(Head { flags, method, checksum, packed_bytes, bytes, path_bytes, extra_bytes })
    }

    fn agrees(&self, entry: &Entry, extra: &Extra<'_>) -> bool {
        let method = match entry.method {
            Method::Stored => 0,
            Method::Deflated => 8,
        };
        let follows = entry.flags & FLAG_FOLLOWED != 0;
        let fits = |said: u64, known: u64| said == known || follows && said == 0;
        let mut large = extra.large;
        let mut whole = |short: u32| match &mut large {
            Some(large) if short == u32::MAX => large.u64(),
            _ => Some(u64::from(short)),
        };
        let (bytes, packed_bytes) = (whole(self.bytes), whole(self.packed_bytes));
        // Some also say what fits.
        let mut is_rest_agreed = true;
        while let Some(rest) = large.as_mut().filter(|it| !it.is_empty()) {
            let Some(said) = rest.u64() else { return false };
            is_rest_agreed &= [0, entry.bytes, entry.packed_bytes].contains(&said);
        }
        (self.flags ^ entry.flags) & !FLAGS_OF_EFFORT == 0
            && self.method == method
            && !extra.is_encrypted
            && extra.unicode_path.is_none_or(|path| path == entry.path)
            && is_rest_agreed
            && fits(self.checksum.into(), entry.checksum.into())
            && bytes.is_some_and(|said| fits(said, entry.bytes))
            && packed_bytes.is_some_and(|said| fits(said, entry.packed_bytes))
    }
}

/// Nothing, or what the directory says already.
fn expect_following(file: &File, entry: &Entry, at: u64, next: u64) -> Result<(), Failure> {
    let count = next - at;
    let follows = entry.flags & FLAG_FOLLOWED != 0;
    if !follows && count == 0 {
        return Ok(());
    }
    let odd = || refused(&entry.path, "is followed by what belongs to no entry");
    if !follows || !FOLLOWING_BYTES.contains(&count) {
        return Err(odd());
    }
    let bytes = bytes_at(file, at, usize::try_from(count).unwrap_or(0), &entry.path)?;
    if following(&bytes) == Some((entry.checksum, entry.packed_bytes, entry.bytes)) {
        return Ok(());
    }
    Err(refused(&entry.path, "is said in two places, which say different things"))
}

fn following(bytes: &[u8]) -> Option<(u32, u64, u64)> {
    let mut fields = Fields::new(bytes);
    if bytes.len().is_multiple_of(8) && fields.u32()? != FOLLOWING_SIGNATURE {
        return None;
    }
    let checksum = fields.u32()?;
    if bytes.len() >= 20 {
        return Some((checksum, fields.u64()?, fields.u64()?));
    }
    Some((checksum, fields.u32()?.into(), fields.u32()?.into()))
}
