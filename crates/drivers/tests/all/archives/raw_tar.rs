//! Tar archives byte by byte, as no honest packer writes them.

use std::ops::Range;

pub const BLOCK: usize = 512;
pub const SIZE: Range<usize> = 124..136;
pub const MODE: Range<usize> = 100..108;
pub const MAGIC: Range<usize> = 257..265;
pub const PREFIX: Range<usize> = 345..500;
pub const USTAR: &[u8; 8] = b"ustar\x0000";
pub const GNU: &[u8; 8] = b"ustar  \x00";

/// One entry's head, to be changed before it is summed up.
#[derive(Clone, Debug)]
pub struct Head(pub [u8; BLOCK]);

impl Head {
    pub fn new(kind: u8, path: &[u8], link: &[u8], bytes: u64) -> Head {
        let mut head = Head([0; BLOCK]);
        head.put(0..100, path);
        head.put(MODE, b"0000644\0");
        head.put(108..116, b"0000000\0");
        head.put(116..124, b"0000000\0");
        head.put(SIZE, format!("{bytes:011o}\0").as_bytes());
        head.put(136..148, b"00000000000\0");
        head.0[156] = kind;
        head.put(157..257, link);
        head.put(MAGIC, USTAR);
        head
    }

    pub fn put(&mut self, field: Range<usize>, bytes: &[u8]) {
        let count = bytes.len().min(field.len());
        let field = &mut self.0[field];
        field.fill(0);
        field[..count].copy_from_slice(&bytes[..count]);
    }

    pub fn with(mut self, field: Range<usize>, bytes: &[u8]) -> Head {
        self.put(field, bytes);
        self
    }

    pub fn summed(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|it| u32::from(*it)).sum();
        self.put(148..156, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// An archive that grows.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    pub fn raw(mut self, bytes: &[u8]) -> Tar {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn head(self, head: Head, data: &[u8]) -> Tar {
        let padding = vec![0; data.len().wrapping_neg() % BLOCK];
        self.raw(&head.summed()).raw(data).raw(&padding)
    }

    pub fn entry(self, kind: u8, path: &[u8], link: &[u8], data: &[u8]) -> Tar {
        let head = Head::new(kind, path, link, data.len() as u64);
        self.head(head, data)
    }

    pub fn file(self, path: &str) -> Tar {
        self.entry(b'0', path.as_bytes(), b"", b"data")
    }

    pub fn directory(self, path: &str) -> Tar {
        self.entry(b'5', path.as_bytes(), b"", b"")
    }

    pub fn link(self, path: &str, target: &str) -> Tar {
        self.entry(b'2', path.as_bytes(), target.as_bytes(), b"")
    }

    pub fn copy(self, path: &str, of: &str) -> Tar {
        self.entry(b'1', path.as_bytes(), of.as_bytes(), b"")
    }

    pub fn long_name(self, name: &[u8]) -> Tar {
        self.entry(b'L', b"././@LongLink", b"", name)
    }

    pub fn long_link(self, name: &[u8]) -> Tar {
        self.entry(b'K', b"././@LongLink", b"", name)
    }

    pub fn attributes(self, kind: u8, records: &[(&str, &str)]) -> Tar {
        let text: String = records.iter().map(|(key, value)| record(key, value)).collect();
        self.entry(kind, b"attributes", b"", text.as_bytes())
    }

    /// Without its end.
    pub fn open(self) -> Vec<u8> {
        self.0
    }

    pub fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }
}

/// `LENGTH KEY=VALUE\n`, whose length counts itself.
pub fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

/// A wrong checksum would hide what else is wrong.
pub fn sum_heads(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|it| u32::from(*it)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}
