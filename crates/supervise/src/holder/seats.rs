//! Keeps the descriptor numbers free that the proxy's listeners get.

use crate::{RoleError, before_exec::FIRST_SEAT};
use rustix::fs::{Mode, OFlags, open};
use std::os::fd::{AsRawFd, OwnedFd};

/// More listeners than this are not held.
pub(super) const SEATS: usize = 16;

/// Placeholders at 3, 4, …: while they are open nothing else in this process has these numbers, and
/// so a child may replace them by listeners without losing anything it needs before its exec.
#[derive(Debug)]
pub(super) struct Seats {
    _placeholders: Vec<OwnedFd>,
}

impl Seats {
    /// To be called before anything else is opened.
    pub(super) fn reserve() -> Result<Self, RoleError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let placeholders = (0..SEATS)
            .map(|_| open("/dev/null", flags, Mode::empty()))
            .collect::<Result<Vec<OwnedFd>, _>>()
            .map_err(|error| RoleError::failed(format!("/dev/null: {error}")))?;
        let in_order = (FIRST_SEAT..).zip(&placeholders).all(|(seat, it)| it.as_raw_fd() == seat);
        if !in_order {
            return Err(RoleError::failed(
                "descriptors 3 and up are in use; start it without them",
            ));
        }
        Ok(Self { _placeholders: placeholders })
    }

    /// Copies for one child.
    pub(super) fn seated(&self, listeners: &[OwnedFd]) -> std::io::Result<Vec<OwnedFd>> {
        listeners.iter().map(OwnedFd::try_clone).collect()
    }
}
