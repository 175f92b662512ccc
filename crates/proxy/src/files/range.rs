//! One part of a file, as a client asks for it.

use std::ops::Range;

/// What a `Range` header comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranged {
    /// There is none, or none that has to be minded: several parts, or other units.
    Whole,
    /// Bytes from, and up to but without.
    Part(Range<u64>),
    /// It begins behind the end.
    Unsatisfiable,
}

/// Of a file of so many bytes.
pub(super) fn read(header: Option<&str>, bytes: u64) -> Ranged {
    let Some(wanted) = header.and_then(|it| it.trim().strip_prefix("bytes=")) else {
        return Ranged::Whole;
    };
    let Some((first, last)) = wanted.split_once('-') else { return Ranged::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Ranged::Whole,
        (Some(first), _) if first >= bytes => Ranged::Unsatisfiable,
        (Some(first), Some(last)) => Ranged::Part(first..bytes.min(last.saturating_add(1))),
        (Some(first), None) if last.is_empty() => Ranged::Part(first..bytes),
        (None, Some(0)) if first.is_empty() => Ranged::Unsatisfiable,
        (None, Some(_)) if first.is_empty() && bytes == 0 => Ranged::Unsatisfiable,
        (None, Some(tail)) if first.is_empty() => Ranged::Part(bytes.saturating_sub(tail)..bytes),
        _ => Ranged::Whole,
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_minded_and_anything_else_is_the_whole() {
        let part = Ranged::Part;
        for (header, expected) in [
            ("bytes=0-3", part(0..4)),
            ("bytes=5-", part(5..10)),
            ("bytes=-4", part(6..10)),
            ("bytes=-40", part(0..10)),
            ("bytes=8-99999999999999999999", Ranged::Whole),
            ("bytes=8-99", part(8..10)),
            ("bytes=10-", Ranged::Unsatisfiable),
            ("bytes=-0", Ranged::Unsatisfiable),
            ("bytes=3-1", Ranged::Whole),
            ("bytes=0-1,4-5", Ranged::Whole),
            ("lines=0-1", Ranged::Whole),
            ("bytes=", Ranged::Whole),
            ("bytes=-", Ranged::Whole),
            ("bytes=a-b", Ranged::Whole),
        ] {
            assert_eq!(read(Some(header), 10), expected, "{header}");
        }
        assert_eq!(read(None, 10), Ranged::Whole);
        assert_eq!(read(Some("bytes=-5"), 0), Ranged::Unsatisfiable);
    }
}
