//! How much more comes out of what was sent than was sent.

use super::{
    limits::{RATIO_FREE_BYTES, RATIO_MAX, STREAM_BYTES_MAX, UNPACK_TIME_MAX},
    refusal::stop,
};
use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
    time::Instant,
};

/// Counts both sides of an unpacking, and its time.
#[derive(Debug)]
pub(super) struct Growth {
    taken: Cell<u64>,
    given: Cell<u64>,
    deadline: Instant,
}

impl Growth {
    pub(super) fn new(deadline: Instant) -> Rc<Growth> {
        Rc::new(Growth { taken: Cell::new(0), given: Cell::new(0), deadline })
    }

    /// As long as an unpacking may take.
    pub(super) fn from_now() -> Rc<Growth> {
        Growth::new(Instant::now() + UNPACK_TIME_MAX)
    }

    /// Counts what came in.
    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        self.taken.set(self.taken.get().saturating_add(bytes));
        if Instant::now() >= self.deadline {
            let minutes = UNPACK_TIME_MAX.as_secs() / 60;
            return Err(stop(format!("takes more than {minutes} minutes to come and to unpack")));
        }
        Ok(())
    }

    /// Counts what will be written for it, before it is.
    pub(super) fn give(&self, bytes: u64) -> io::Result<()> {
        let given = self.given.get().saturating_add(bytes);
        self.given.set(given);
        if given > STREAM_BYTES_MAX {
            return Err(stop(format!("would make it more than {STREAM_BYTES_MAX} bytes")));
        }
        if given > RATIO_FREE_BYTES && given > self.taken.get().saturating_mul(RATIO_MAX) {
            return Err(stop(format!("unpacks to more than {RATIO_MAX} times what was sent")));
        }
        Ok(())
    }
}

/// What comes in.
pub(super) struct Intake<R> {
    reader: R,
    growth: Rc<Growth>,
}

impl<R> Intake<R> {
    pub(super) fn new(reader: R, growth: &Rc<Growth>) -> Intake<R> {
        Intake { reader, growth: growth.clone() }
    }
}

impl<R: Read> Read for Intake<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.growth.take(read as u64)?;
        Ok(read)
    }
}

/// What comes out.
pub(super) struct Outflow<R> {
    reader: R,
    growth: Rc<Growth>,
}

impl<R> Outflow<R> {
    pub(super) fn new(reader: R, growth: &Rc<Growth>) -> Outflow<R> {
        Outflow { reader, growth: growth.clone() }
    }
}

impl<R: Read> Read for Outflow<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.growth.give(read as u64)?;
        Ok(read)
    }
}

/// Whether all was read.
pub(super) fn is_at_end(reader: &mut dyn BufRead) -> io::Result<bool> {
    loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            buffer => return Ok(buffer?.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::releases::archive::{self, Format};
    use std::time::Duration;

    /// Comes slowly, and never ends.
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(0);
            Ok(into.len())
        }
    }

    #[test]
    fn what_never_ends_is_ended() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, growth) in [
            ("by its time", Growth::new(Instant::now() + Duration::from_millis(20))),
            ("at once", Growth::new(Instant::now())),
        ] {
            let (place, spool) = (directory.path().join(name), directory.path().join("spool"));
            let failure = archive::unpack(Format::Tar, Endless, &place, &spool, &growth);
            let failure = failure.expect_err(name);
            assert!(failure.message.contains("takes more than 60 minutes"), "{failure:?}");
        }
    }

    #[test]
    fn growth_is_measured_beyond_what_is_free() {
        let growth = Growth::from_now();
        growth.take(10).expect("in time");
        growth.give(RATIO_FREE_BYTES).expect("free");
        growth.give(1).expect_err("beyond the ratio");
        growth.take(RATIO_FREE_BYTES / RATIO_MAX).expect("in time");
        growth.give(1).expect("within the ratio");
        growth.take(u64::MAX).expect("in time");
        growth.give(STREAM_BYTES_MAX).expect_err("beyond the limit");
    }
}
