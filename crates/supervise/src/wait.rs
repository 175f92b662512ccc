//! Waiting for several descriptors at once.

use crate::RoleError;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{os::fd::BorrowedFd, time::Duration};

/// Those that can be read now, or have ended; none at the time-out or when a signal came.
pub(crate) fn until_readable<Source: Copy>(
    sources: &[(Source, BorrowedFd<'_>)],
    timeout: Duration,
) -> Result<Vec<Source>, RoleError> {
    let mut polled: Vec<PollFd<'_>> = sources
        .iter()
        .map(|(_, descriptor)| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
        .collect();
    // Rounded up to the next ms: a wait that ends too early would only be repeated.
    let timeout = timeout.saturating_add(Duration::from_micros(999));
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(RoleError::failed(format!("poll: {error}"))),
    }
    let ready = sources.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
    Ok(ready.map(|((source, _), _)| *source).collect())
}
