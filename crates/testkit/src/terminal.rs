//! A program at a terminal, as a person uses it.

use crate::guard::Killed;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A program that has a terminal; it is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    process: Killed,
    seen: PathBuf,
}

impl Terminal {
    /// Starts the program and its words; what the terminal shows is kept in the file `seen`.
    ///
    /// # Panics
    /// If `script`, which makes the terminal, cannot be started.
    pub fn start(words: &[&str], directory: &Path, seen: &Path) -> Terminal {
        // The shell that `script` starts must not stay beside the program: an interrupt would
        // reach it too.
        let words = shlex::try_join(words.iter().copied()).expect("no word has a NUL in it");
        let mut command = with_terminals("script");
        command.args(["--quiet", "--return", "--flush", "--command"]);
        command.arg(format!("exec {words}")).arg(seen);
        command.env("TERM", "xterm").current_dir(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let process = Killed::start(&mut command).expect("`script` can be started");
        Terminal { process, seen: seen.to_owned() }
    }

    /// All that it showed until now.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.seen).unwrap_or_default()).into_owned()
    }

    /// Types.
    ///
    /// # Panics
    /// If nobody reads any more.
    pub fn typed(&mut self, keys: &str) {
        let keyboard = self.process.child().stdin.as_mut().expect("it is a pipe");
        keyboard.write_all(keys.as_bytes()).expect("somebody reads");
    }

    /// The process, to wait for.
    pub fn process(&mut self) -> &mut Killed {
        &mut self.process
    }
}

/// Some sandboxes have no pseudo-terminals: there the program gets a view of `/dev` that has.
fn with_terminals(program: &str) -> Command {
    const MOUNT: &str = "mkdir -p /dev/pts && \
                         mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 none /dev/pts && \
                         { test -e /dev/ptmx || ln -s pts/ptmx /dev/ptmx; } && exec \"$@\"";
    if Path::new("/dev/pts/ptmx").exists() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNT, "sh", program]);
    command
}
