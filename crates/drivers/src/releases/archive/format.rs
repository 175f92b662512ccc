//! Which archive something is, by its name and by its first bytes.

use model::failure::{Blame, Failure};
use std::{fmt, str::FromStr};

/// Archives that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.tar.zst`
    TarZst,
    /// `.zip`
    Zip,
}

/// So many of the first bytes tell what it is.
pub const HEAD_BYTES: usize = 512;

const ENDINGS: [(&str, Format); 5] = [
    (".tar.gz", Format::TarGz),
    (".tgz", Format::TarGz),
    (".tar.zst", Format::TarZst),
    (".tar", Format::Tar),
    (".zip", Format::Zip),
];

/// Where a tar's first head says what it is.
const TAR_MAGIC_AT: usize = 257;

impl Format {
    /// By the ending of a file's name; none if it is not an archive's.
    pub fn of_name(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| *format)
    }

    /// By its first [`HEAD_BYTES`], or all if they are fewer.
    pub fn of_content(head: &[u8]) -> Option<Format> {
        let magic = head.get(TAR_MAGIC_AT..).unwrap_or_default();
        match head {
            [0x1f, 0x8b, ..] => Some(Format::TarGz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::TarZst),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
            _ if magic.starts_with(b"ustar") => Some(Format::Tar),
            // An empty one.
            _ if head.len() == HEAD_BYTES && head.iter().all(|it| *it == 0) => Some(Format::Tar),
            _ => None,
        }
    }

    /// Refuses content that is not of this format.
    ///
    /// # Errors
    ///
    /// Where the first bytes say that it is another one, or none that is known.
    pub fn expect(self, head: &[u8]) -> Result<(), Failure> {
        match Format::of_content(head) {
            Some(found) if found == self => Ok(()),
            Some(found) => {
                let message = format!("take the archive: it is named {self}, but is {found}");
                Err(Failure::new(Blame::Request, message)
                    .hint(format!("give it a name that ends with .{found}")))
            }
            None if head.is_empty() => {
                Err(Failure::new(Blame::Request, "take the archive: it is empty")
                    .hint("make the archive anew"))
            }
            None => {
                let message = format!("take the archive: it is named {self}, but is not one");
                Err(Failure::new(Blame::Request, message).hint(
                    "make the archive anew, as tar (ustar, pax or GNU), tar.gz, tar.zst or zip",
                ))
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Format::Tar => "tar",
            Format::TarGz => "tar.gz",
            Format::TarZst => "tar.zst",
            Format::Zip => "zip",
        })
    }
}

impl FromStr for Format {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Format, Failure> {
        [Format::Tar, Format::TarGz, Format::TarZst, Format::Zip]
            .into_iter()
            .find(|it| it.to_string() == text)
            .ok_or_else(|| {
                let text = text.escape_debug();
                Failure::new(Blame::Request, format!("take `{text}` for a format of archives"))
                    .hint("use tar, tar.gz, tar.zst or zip")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_format() {
        for (name, format) in [
            ("app.tar", Some(Format::Tar)),
            ("app.tar.gz", Some(Format::TarGz)),
            ("app-1.2.TGZ", Some(Format::TarGz)),
            ("app.tar.zst", Some(Format::TarZst)),
            ("app.zip", Some(Format::Zip)),
            ("app.tar.xz", None),
            ("app.gz", None),
            ("tar", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
        for format in [Format::Tar, Format::TarGz, Format::TarZst, Format::Zip] {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        assert!("rar".parse::<Format>().is_err());
    }

    #[test]
    fn content_must_be_what_its_name_says() {
        let mut tar = vec![0; HEAD_BYTES];
        tar[TAR_MAGIC_AT..TAR_MAGIC_AT + 5].copy_from_slice(b"ustar");
        assert!(Format::Tar.expect(&tar).is_ok());
        assert!(Format::Zip.expect(b"PK\x03\x04").is_ok());
        let failure = Format::TarGz.expect(b"PK\x03\x04").unwrap_err();
        assert!(failure.message.contains("named tar.gz, but is zip"), "{failure:?}");
        assert!(Format::Tar.expect(b"#!/bin/sh\n").unwrap_err().message.contains("not one"));
        assert!(Format::Tar.expect(b"").unwrap_err().message.contains("empty"));
    }
}
