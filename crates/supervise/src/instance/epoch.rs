//! The highest epoch of a daemon that gave orders: an older daemon's orders are refused.

use crate::{own_log, whole_file};
use std::{fs, path::PathBuf};

#[derive(Debug)]
pub(super) struct Epoch {
    path: PathBuf,
    highest: u64,
}

impl Epoch {
    pub(super) fn open(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { path, highest: text.trim().parse().unwrap_or(0) }
    }

    /// Whether an order of this epoch may be taken; if not, the one that outranks it.
    pub(super) fn admit(&mut self, epoch: u64) -> Result<(), u64> {
        if epoch < self.highest {
            return Err(self.highest);
        }
        if epoch > self.highest {
            self.highest = epoch;
            if let Err(error) = whole_file::write(&self.path, epoch.to_string().as_bytes()) {
                // A full disk must not make an instance unstoppable; this process knows it anyway.
                own_log::note(&format!("epoch {epoch} is not on disk: {error}"));
            }
        }
        Ok(())
    }
}
