//! The secrets that this controller has met, masked in all that it says, writes and keeps.

use drivers::layout::Layout;
use model::{
    deployment::{Change, Request},
    redact::{Redactor, secrets_of},
};
use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// Names and values; they are only ever added to, since a release that is gone has left its words
/// in logs.
#[derive(Clone)]
pub struct Secrets(Arc<Mutex<Known>>);

struct Known {
    all: BTreeSet<(String, String)>,
    redactor: Arc<Redactor>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl Secrets {
    /// Those of the releases that are kept under a state directory.
    pub fn kept(layout: &Layout) -> Secrets {
        let all = drivers::secrets::known(layout);
        let redactor = Arc::new(redactor(&all));
        Secrets(Arc::new(Mutex::new(Known { all, redactor })))
    }

    /// Takes note of what a request brings, before anything is done with it; the same request,
    /// whose reason holds no secret any more.
    #[must_use]
    pub fn met(&self, mut request: Request) -> Request {
        if let Change::Deploy { spec, .. } = &request.change {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = known.all.len();
            known.all.extend(secrets_of(spec));
            if known.all.len() > before {
                known.redactor = Arc::new(redactor(&known.all));
            }
        }
        let redactor = self.redactor();
        let masked = |it: String| redactor.text(&it).into_owned();
        request.reason = request.reason.map(masked);
        request.overrides.freeze = request.overrides.freeze.map(masked);
        request.overrides.window = request.overrides.window.map(masked);
        request
    }

    /// Masks all that is known by now.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).redactor.clone()
    }

    /// Where the controller's own log goes to: stderr, line by line, without secrets.
    pub fn log(&self) -> impl Write + use<> {
        MaskedLog(self.clone())
    }
}

fn redactor(all: &BTreeSet<(String, String)>) -> Redactor {
    Redactor::new(all.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

struct MaskedLog(Secrets);

impl Write for MaskedLog {
    /// A line comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&self.0.redactor().bytes(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
