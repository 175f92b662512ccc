//! stdout and stderr.  A reader that went away is no error: what was asked is still done.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where lines go.
#[derive(Debug, Default)]
pub struct Out {
    closed: AtomicBool,
}

impl Out {
    /// Writes text as it is to stdout.
    pub fn print(&self, text: &str) {
        if !self.closed() && !written(&mut io::stdout().lock(), text.as_bytes()) {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes a line to stdout.
    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Writes a line to stderr.
    pub fn error(&self, text: &str) {
        // Nobody is left to be told when stderr is gone too.
        let _ = written(&mut io::stderr().lock(), format!("{text}\n").as_bytes());
    }

    /// Whether nobody reads stdout any more.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

fn written(to: &mut impl Write, bytes: &[u8]) -> bool {
    to.write_all(bytes).and_then(|()| to.flush()).is_ok()
}
