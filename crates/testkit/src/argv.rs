//! What every user of a machine can read: the words by which programs were started.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks: programs that are looked for live for longer.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// Looks at all processes of the machine until it is asked what it saw.
#[derive(Debug)]
pub struct Watch {
    over: Arc<AtomicBool>,
    looking: Option<JoinHandle<Seen>>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Names of programs.
    pub programs: BTreeSet<String>,
    /// The words of those that held a secret.
    pub telling: BTreeSet<String>,
}

impl Watch {
    /// For a password, as it is and as it stands in a URL.
    pub fn begin(password: &str) -> Self {
        let coded = |upper: bool| -> String {
            let one = |it: u8| if upper { format!("%{it:02X}") } else { format!("%{it:02x}") };
            password.bytes().map(one).collect()
        };
        let secrets = [password.to_owned(), coded(true), coded(false)];
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let looking = thread::spawn(move || {
            let mut seen = Seen::default();
            while !until.load(Ordering::Relaxed) {
                seen.look(&secrets);
                thread::sleep(LOOK_EVERY);
            }
            seen
        });
        Self { over, looking: Some(looking) }
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it could not look.
    pub fn seen(mut self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        let looking = self.looking.take().expect("it is taken here only");
        looking.join().expect("it only reads")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Seen {
    fn look(&mut self, secrets: &[String]) {
        let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        for entry in entries {
            let is_process = entry.file_name().to_str().is_some_and(|it| it.parse::<u32>().is_ok());
            // One that ended meanwhile has no words any more.
            let Some(bytes) =
                is_process.then(|| fs::read(entry.path().join("cmdline")).ok()).flatten()
            else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
            let first = bytes.split(|it| *it == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(first).into_owned();
            if let Some(name) = Path::new(&name).file_name() {
                self.programs.insert(name.to_string_lossy().into_owned());
            }
            if secrets.iter().any(|it| text.contains(it.as_str())) {
                self.telling.insert(text);
            }
        }
    }
}
