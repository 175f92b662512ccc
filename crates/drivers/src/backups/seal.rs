//! Writing one part: compressed, encrypted, hashed, in one pass.

use crate::file;
use age::{Encryptor, stream::StreamWriter, x25519::Recipient};
use model::failure::{Blame, Failure};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Fast, and small enough: most of a dump is text.
const LEVEL: i32 = 3;

/// A file that is being written.
pub(super) struct Sealing {
    path: PathBuf,
    encoder: zstd::Encoder<'static, Layer>,
    plain_bytes: u64,
}

/// What was written.
pub(super) struct Sealed {
    pub(super) bytes: u64,
    pub(super) blake3: String,
    pub(super) plain_bytes: u64,
}

impl Sealing {
    /// Makes the file, which must not be there; encrypted where there are recipients.
    pub(super) fn new(path: &Path, recipients: &[String]) -> Result<Sealing, Failure> {
        let failed = |error: io::Error| file::failure("write", path, &error);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(file::MODE_PRIVATE);
        let hashed = Hashed {
            file: options.open(path).map_err(failed)?,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        };
        let layer = if recipients.is_empty() {
            Layer::Open(hashed)
        } else {
            Layer::Closed(Box::new(closed(hashed, recipients)?.map_err(failed)?))
        };
        let mut encoder = zstd::Encoder::new(layer, LEVEL).map_err(failed)?;
        encoder.include_checksum(true).map_err(failed)?;
        Ok(Sealing { path: path.to_owned(), encoder, plain_bytes: 0 })
    }

    /// On disk when it returns.
    pub(super) fn finish(self) -> Result<Sealed, Failure> {
        let finish = || -> io::Result<Sealed> {
            let hashed = match self.encoder.finish()? {
                Layer::Open(hashed) => hashed,
                Layer::Closed(writer) => writer.finish()?,
            };
            hashed.file.sync_all()?;
            Ok(Sealed {
                bytes: hashed.bytes,
                blake3: hashed.hasher.finalize().to_hex().to_string(),
                plain_bytes: self.plain_bytes,
            })
        };
        let path = self.path.clone();
        finish().map_err(|error| file::failure("write", &path, &error))
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.plain_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

fn closed(
    hashed: Hashed,
    recipients: &[String],
) -> Result<io::Result<StreamWriter<Hashed>>, Failure> {
    let parsed = |text: &String| {
        text.parse::<Recipient>().map_err(|why| {
            let message = format!("encrypt a backup to `{text}`: {why}");
            Failure::new(Blame::Request, message).hint("`age-keygen -y FILE` prints a recipient")
        })
    };
    let recipients: Vec<Recipient> =
        recipients.iter().map(parsed).collect::<Result<_, Failure>>()?;
    let recipients = recipients.iter().map(|it| it as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(recipients)
        .map_err(|why| Failure::new(Blame::Request, format!("encrypt a backup: {why}")))?;
    Ok(encryptor.wrap_output(hashed))
}

enum Layer {
    Open(Hashed),
    Closed(Box<StreamWriter<Hashed>>),
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Layer::Open(inner) => inner.write(bytes),
            Layer::Closed(inner) => inner.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Layer::Open(inner) => inner.flush(),
            Layer::Closed(inner) => inner.flush(),
        }
    }
}

/// What reaches the disk.
struct Hashed {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
