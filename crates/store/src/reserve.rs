//! `reserve.bin`: space that is given back when the disk is full, so that the journal can still
//! say how a deployment ended.

use crate::trouble::is_full;
use rusqlite::ErrorCode;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Enough for the rest of many deployments.
const RESERVE_BYTES: u64 = 8 << 20;
/// Must be free besides the reserve before it is made, or it would take the last bytes itself.
const FREE_BESIDES_BYTES_MIN: u64 = 4 << 20;
/// With less than this free, an I/O error is taken for a full disk.
const FULL_BYTES: u64 = 64 << 10;
const CHUNK_BYTES: usize = 64 << 10;

/// The reserve, and whether it is there.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    spent: Arc<AtomicBool>,
}

impl Reserve {
    /// Looks whether it is there.
    pub fn find(root: &Path) -> Reserve {
        let path = root.join("reserve.bin");
        let spent = Arc::new(AtomicBool::new(!is_whole(&path)));
        Reserve { path, spent }
    }

    /// Shared with whoever asks from other threads.
    pub fn spent(&self) -> Arc<AtomicBool> {
        self.spent.clone()
    }

    /// Makes it where it is not there and there is space for it; returns whether it is there.
    pub fn top_up(&self) -> io::Result<bool> {
        if is_whole(&self.path) {
            self.spent.store(false, Ordering::Release);
            return Ok(true);
        }
        let held = fs::metadata(&self.path).map_or(0, |it| it.blocks() * 512);
        if free_bytes(&self.path) + held < RESERVE_BYTES + FREE_BESIDES_BYTES_MIN {
            return Ok(false);
        }
        let made = make(&self.path);
        if made.is_err() {
            // A part of it would only take space from who needs it.
            let _ = self.truncate();
        }
        self.spent.store(made.is_err(), Ordering::Release);
        match made {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Gives the space back where the error says that the disk is full; returns whether there was
    /// any, so that another attempt may go better.
    pub fn spend_on(&self, error: &rusqlite::Error) -> bool {
        // SQLite tells of a full disk as an I/O error where it was the log's index that grew.
        let io = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
        let full = is_full(error) || (io && free_bytes(&self.path) < FULL_BYTES);
        if !full {
            return false;
        }
        let had = fs::metadata(&self.path).is_ok_and(|it| it.blocks() > 0);
        self.spent.store(true, Ordering::Release);
        if !had || self.truncate().is_err() {
            return false;
        }
        tracing::warn!("the disk is full: the journal now lives on its reserve");
        true
    }

    fn truncate(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(0)?;
        // Some file systems free the blocks only with the next commit of their own journal.
        file.sync_all()
    }
}

fn is_whole(path: &Path) -> bool {
    let whole = |it: fs::Metadata| it.len() == RESERVE_BYTES && it.blocks() * 512 >= RESERVE_BYTES;
    fs::metadata(path).is_ok_and(whole)
}

fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut written = 0;
    while written < RESERVE_BYTES {
        noise.fill(&mut chunk);
        file.write_all(&chunk)?;
        written += chunk.len() as u64;
    }
    file.sync_all()?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn free_bytes(path: &Path) -> u64 {
    let parent = path.parent().unwrap_or(Path::new("."));
    rustix::fs::statvfs(parent).map_or(0, |it| it.f_bavail * it.f_frsize)
}

/// Bytes that a compressing file system cannot make smaller: zeros would reserve nothing there.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, chunk: &mut [u8]) {
        for bytes in chunk.chunks_exact_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes());
        }
    }
}
