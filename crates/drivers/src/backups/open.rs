//! Reading one part: compared with its hash, decrypted, decompressed.

use crate::file;
use age::{Decryptor, IdentityFile};
use model::{
    backup::metadata::{Item, Metadata},
    failure::{Blame, Failure},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// A file of identities is no larger.
const IDENTITY_BYTES_MAX: u64 = 64 * 1024;

/// What opens encrypted parts.
#[derive(Default)]
pub(super) struct Keys {
    identities: Vec<Box<dyn age::Identity + Send + Sync>>,
}

impl Keys {
    /// Reads a file of identities, which nobody else may read.
    pub(super) fn read(path: &Path) -> Result<Keys, Failure> {
        let failed = |why: String| {
            let message = format!("read the identity {}: {why}", path.display());
            Failure::new(Blame::Request, message)
                .hint("name a file that `age-keygen` wrote, with `--identity FILE`")
        };
        let found = fs::metadata(path).map_err(|it| failed(it.to_string()))?;
        if found.mode() & 0o077 != 0 {
            let mode = format!("it is open to other users (mode {:04o})", found.mode() & 0o777);
            return Err(failed(mode).hint(format!("run `chmod 600 {}`", path.display())));
        }
        let mut text = String::new();
        let opened = File::open(path).map_err(|it| failed(it.to_string()))?;
        let read = opened.take(IDENTITY_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|it| failed(it.to_string()))?;
        let identities = IdentityFile::from_buffer(text.as_bytes())
            .map_err(|it| failed(it.to_string()))?
            .into_identities()
            .map_err(|it| failed(it.to_string()))?;
        Ok(Keys { identities })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }
}

/// Compares a part with the hash that was noted when it was written.
pub(super) fn compare(directory: &Path, item: &Item) -> Result<(), Failure> {
    let path = directory.join(&item.file);
    let failed = |error: io::Error| file::failure("read", &path, &error);
    let mut hasher = blake3::Hasher::new();
    let mut opened = plainly(&path).map_err(failed)?;
    let bytes = io::copy(&mut opened, &mut hasher).map_err(failed)?;
    if bytes == item.bytes && hasher.finalize().to_hex().as_str() == item.blake3 {
        return Ok(());
    }
    let how = match bytes.cmp(&item.bytes) {
        std::cmp::Ordering::Less => format!("{bytes} of {} bytes are left of it", item.bytes),
        _ => "its content was altered".to_owned(),
    };
    let message = format!("trust {}: {how}", item.file);
    Err(Failure::new(Blame::Platform, message).hint("restore another backup"))
}

/// What the part holds.  It ends with an error where that is more or less than was written.
pub(super) fn open(
    directory: &Path,
    metadata: &Metadata,
    item: &Item,
    keys: &Keys,
) -> Result<Box<dyn Read + Send>, Failure> {
    let path = directory.join(&item.file);
    let failed = |error: io::Error| file::failure("read", &path, &error);
    let reader = BufReader::new(plainly(&path).map_err(failed)?);
    let inner: Box<dyn Read + Send> = if metadata.is_encrypted() {
        let refused = |why: &dyn std::fmt::Display| {
            let recipients = metadata.encrypted_to.join(", ");
            Failure::new(Blame::Request, format!("decrypt {}: {why}", item.file))
                .hint(format!("it is encrypted to {recipients}"))
                .hint("name the file of an identity of theirs with `--identity FILE`")
        };
        if keys.is_empty() {
            return Err(refused(&"no identity is known here"));
        }
        let decryptor = Decryptor::new_buffered(reader).map_err(|it| refused(&it))?;
        let identities = keys.identities.iter().map(|it| &**it as &dyn age::Identity);
        Box::new(decryptor.decrypt(identities).map_err(|it| refused(&it))?)
    } else {
        Box::new(reader)
    };
    let decoder = zstd::Decoder::new(inner).map_err(failed)?;
    Ok(Box::new(Exactly { inner: decoder, left: item.plain_bytes }))
}

/// Without following a link that took its place.
fn plainly(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !opened.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    Ok(opened)
}

/// As many bytes as were noted, so that nothing can grow without end.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            None => Err(io::Error::other("it holds more than was written")),
            Some(left) if read == 0 && left > 0 && !buffer.is_empty() => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Some(left) => {
                self.left = left;
                Ok(read)
            }
        }
    }
}
