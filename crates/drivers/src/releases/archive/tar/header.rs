//! The head of a tar entry: one block of fixed fields.

use super::blocks::Block;
use crate::releases::refusal::refused;
use model::failure::Failure;
use std::ops::Range;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const OWNER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;

const MAGIC_USTAR: &[u8] = b"ustar\x0000";
const MAGIC_GNU: &[u8] = b"ustar  \x00";

/// What one block says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) bytes: u64,
}

impl Header {
    /// `after` is the entry before it.
    pub(super) fn parse(block: &Block, after: &[u8]) -> Result<Header, Failure> {
        let is_ustar = &block[MAGIC] == MAGIC_USTAR;
        if !is_ustar && &block[MAGIC] != MAGIC_GNU {
            return Err(refused(after, "is followed by what is no head of a tar entry"));
        }
        let sum = octal(&block[CHECKSUM]);
        if sum != Some(sum_of(block)) {
            return Err(refused(after, "is followed by a head with a wrong checksum")
                .hint("make the archive anew and send it again: it is damaged"));
        }
        let mut path = text(&block[NAME]).to_vec();
        let prefix = text(&block[PREFIX]);
        if is_ustar && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        let odd = |what: &str| refused(&path, &format!("has {what} that is no number"));
        let mode = octal(&block[MODE]).ok_or_else(|| odd("a mode"))?;
        let bytes = number(&block[SIZE]).ok_or_else(|| odd("a size"))?;
        // They are of no use here; but what is broken is read differently by each reader.
        let is_time = is_empty(&block[TIME]) || time(&block[TIME]).is_some();
        let is_owner = |field: &[u8]| {
            is_empty(field) || number(field).is_some_and(|it| it <= u64::from(u32::MAX))
        };
        if !is_time || !is_owner(&block[OWNER]) || !is_owner(&block[GROUP]) {
            return Err(odd("an owner or a time"));
        }
        let mode = u32::try_from(mode).map_err(|_| odd("a mode"))?;
        let link = text(&block[LINK]).to_vec();
        Ok(Header { kind: block[KIND], link, mode, bytes, path })
    }
}

fn sum_of(block: &Block) -> u64 {
    let bytes = block.iter().enumerate();
    bytes.map(|(at, it)| if CHECKSUM.contains(&at) { 32 } else { u64::from(*it) }).sum()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Spaces, digits, then spaces and NULs to the end.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|byte| *byte != b' ')?;
    let digits = field[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, rest) = field[start..].split_at(digits);
    if digits.is_empty() || rest.iter().any(|byte| *byte != 0 && *byte != b' ') {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Octal, or binary where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    let [0x80, rest @ ..] = field else { return octal(field) };
    let high = rest.len().saturating_sub(size_of::<u64>());
    let (zeros, low) = rest.split_at(high);
    if zeros.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// Also binary and negative, as times before 1970 are.
fn time(field: &[u8]) -> Option<()> {
    match field {
        [0xff, 0xff, 0xff, 0xff, 0x80..=0xff, ..] => Some(()),
        _ => number(field).filter(|it| i64::try_from(*it).is_ok()).map(drop),
    }
}

fn is_empty(field: &[u8]) -> bool {
    field.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_one_way_or_not_at_all() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"000644 \0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"00000644", Some(0o644)),
            (b"644\0\0\0\0\0", Some(0o644)),
            (b"00008000", None),
            (b"\0\0\0\0\0\0\0\0", None),
            (b"        ", None),
            (b"644\0junk", None),
            (b"-0000644", None),
            (b"0x000644", None),
            (b" \t 644\0\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x00", Some(256)),
            (b"\x80\0\0\0\0\x01\0\0", Some(65_536)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x81\0\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
