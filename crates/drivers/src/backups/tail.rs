//! The last bytes of what is written.

use std::io::{self, Write};

/// Keeps so many of the last bytes.
pub(super) struct Tail {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Tail {
    pub(super) fn new(bytes_max: usize) -> Tail {
        Tail { bytes: vec![], bytes_max }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Write for Tail {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let kept = &more[more.len().saturating_sub(self.bytes_max)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.bytes_max);
        self.bytes.drain(..surplus);
        self.bytes.extend_from_slice(kept);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept_however_they_come() {
        for pieces in [&["abcdefgh"][..], &["ab", "cdefg", "h"], &["abcd", "efgh"], &["", "efgh"]] {
            let mut tail = Tail::new(4);
            for piece in pieces {
                tail.write_all(piece.as_bytes()).unwrap();
            }
            assert_eq!(tail.bytes(), b"efgh");
        }
    }
}
