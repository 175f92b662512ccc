//! Lines of an instance that somebody else took and wrote down, into the environment's log files.

use super::log_file::{Lock, LogFile};
use crate::spec::InstanceSpec;
use std::io;

/// A line, and the time at which it was written, as it is shown.
pub type Timed = (String, String);

/// Appends them as if this instance had written them to us: masked, told apart by stream, and led
/// by time and instance where both streams are together.
///
/// # Errors
///
/// Where they cannot be written; then some may have been.
pub fn append_handed(spec: &InstanceSpec, is_error: bool, lines: &[Timed]) -> io::Result<()> {
    let redactor = spec.redactor();
    let (mut plain, mut led) = (vec![], vec![]);
    for (time, text) in lines {
        let masked = redactor.bytes(text.as_bytes());
        plain.extend_from_slice(&masked);
        plain.push(b'\n');
        led.extend(format!("{time} {} ", spec.instance).into_bytes());
        led.extend_from_slice(&masked);
        led.push(b'\n');
    }
    let output = &spec.output;
    let file = |path: &std::path::PathBuf| {
        LogFile::new(path.clone(), output.rotate_bytes.max(1), output.rotate_count)
    };
    let own = if is_error { &output.error } else { &output.out };
    let mut lock = Lock::beside(&output.combined);
    let held = lock.take();
    let written = file(own).append(&plain, held);
    let written = written.and_then(|()| file(&output.combined).append(&led, held));
    lock.release();
    written
}
