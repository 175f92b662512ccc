//! Runs a command through which data flows, in either direction or both.

use super::{
    Command, Finished,
    run::{ended, first_bytes, group, how, overdue, spawn_with, unwaited},
};
use model::failure::{Blame, Failure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, kill_process_group},
};
use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{ChildStdin, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How long the last output may take after time was up: a descendant may hold the pipe.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(2);

/// Writes what a program reads.
pub type Feed<'f> = &'f mut (dyn FnMut(&mut dyn Write) -> Result<(), Failure> + Send);

/// Runs it; `feed` writes its stdin, which is empty without, while `consume` reads its stdout.
/// Blocks until it ended, its time limit at the latest.
///
/// # Errors
///
/// Where it cannot be started, and where `feed` or `consume` failed.  That it ended badly is for
/// the caller to judge.
pub fn pipe<T>(
    command: &Command,
    feed: Option<Feed<'_>>,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, Failure>,
) -> Result<(T, Finished), Failure> {
    let deadline = Instant::now() + command.time_limit;
    let stdin = if feed.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = spawn_with(command, stdin)?;
    let group = group(&child)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let output_bytes_max = command.output_bytes_max;
    let (over, is_over) = mpsc::channel::<()>();
    let closed = AtomicBool::new(false);
    let closed = &closed;
    thread::scope(|scope| {
        let fed = scope.spawn(move || match (feed, input) {
            (Some(feed), Some(inner)) => feed(&mut Input { inner, closed }),
            _ => Ok(()),
        });
        let errors = scope.spawn(move || {
            let mut errors = errors.map(|it| Timed { inner: it, until: deadline });
            errors.as_mut().map(|it| first_bytes(it, output_bytes_max)).unwrap_or_default()
        });
        // Ends what takes too long, and what is left of its group when it ended.
        let watched = scope.spawn(move || {
            let in_time = loop {
                let step = (Instant::now() + WATCH_STEP).min(deadline);
                if ended(group, step) {
                    break true;
                }
                let given_up = !matches!(is_over.try_recv(), Err(mpsc::TryRecvError::Empty));
                if given_up || Instant::now() >= deadline {
                    break false;
                }
            };
            let _ = kill_process_group(group, Signal::KILL);
            in_time
        });
        let mut output = output.map(|inner| Timed { inner, until: deadline });
        let consumed = match &mut output {
            Some(output) => {
                let consumed = consume(output);
                if consumed.is_ok() {
                    // What is not wanted is still taken, or the program would wait for ever.
                    let _ = io::copy(output, &mut io::sink());
                }
                consumed
            }
            None => Err(Failure::new(Blame::Us, "read what a program writes")),
        };
        drop(output);
        if consumed.is_err() {
            let _ = over.send(());
        }
        let in_time = watched.join().unwrap_or(false);
        drop(over);
        let fed = fed.join().unwrap_or_else(|_| Err(Failure::new(Blame::Us, "feed a program")));
        // Who has read enough may close its input: how it ends is what counts.
        let fed = if closed.load(Ordering::Relaxed) { Ok(()) } else { fed };
        let stderr = errors.join().unwrap_or_default();
        let status = child.wait().map_err(|error| unwaited(command, &error))?;
        let how = if in_time || consumed.is_err() { how(status) } else { overdue(command) };
        let finished =
            Finished { success: in_time && status.success(), how, stdout: vec![], stderr };
        match (consumed, fed) {
            (Ok(value), Ok(())) => Ok((value, finished)),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        }
    })
}

/// Between two looks whether what it wrote is still wanted.
const WATCH_STEP: Duration = Duration::from_millis(100);

/// What a program reads, and whether it closed it.
struct Input<'i> {
    inner: ChildStdin,
    closed: &'i AtomicBool,
}

impl Write for Input<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).inspect_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.closed.store(true, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads until a deadline.
struct Timed<R> {
    inner: R,
    until: Instant,
}

impl<R: Read + AsFd> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = (self.until + OUTPUT_AFTER_END).saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.inner, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => self.inner.read(buffer),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str, arguments: &[&str]) -> Command {
        Command::new(program, Duration::from_secs(20)).arguments(arguments.iter().copied())
    }

    fn all(from: &mut dyn Read) -> Result<Vec<u8>, Failure> {
        let mut read = vec![];
        from.read_to_end(&mut read).map_err(|it| Failure::new(Blame::Platform, it.to_string()))?;
        Ok(read)
    }

    #[test]
    fn more_than_a_pipe_holds_flows_through_in_both_directions() {
        let data = vec![b'x'; 1 << 20];
        let mut feed = |to: &mut dyn Write| {
            to.write_all(&data).map_err(|it| Failure::new(Blame::Platform, it.to_string()))
        };
        let (read, finished) = pipe(&command("cat", &[]), Some(&mut feed), all).unwrap();
        assert!(finished.success && read == data);
    }

    #[test]
    fn a_reader_that_fails_ends_the_program_and_is_what_is_told() {
        let begun = Instant::now();
        let refused = |_: &mut dyn Read| -> Result<(), Failure> {
            Err(Failure::new(Blame::Platform, "write: the disk is full"))
        };
        let failure = pipe(&command("yes", &[]), None, refused).unwrap_err();
        assert!(failure.message.contains("disk is full"), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_ends_badly_says_why() {
        let script = "import sys; print('no such table', file=sys.stderr); sys.exit(3)";
        let mut feed = |to: &mut dyn Write| {
            let written = to.write_all(&[0; 1 << 20]);
            written.map_err(|it| Failure::new(Blame::Platform, it.to_string()))
        };
        let (_, finished) =
            pipe(&command("python3", &["-c", script]), Some(&mut feed), all).unwrap();
        assert!(!finished.success);
        assert_eq!(finished.how, "exit code 3");
        assert!(String::from_utf8_lossy(&finished.stderr).contains("no such table"));
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let mut slow = command("sleep", &["60"]);
        slow.time_limit = Duration::from_millis(300);
        let (_, finished) = pipe(&slow, None, all).unwrap();
        assert_eq!((finished.success, finished.how.as_str()), (false, "no end within 300 ms"));
    }
}
