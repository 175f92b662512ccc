//! Our terminal, lent to a command that has one of its own.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Mutex, oneshot},
};

/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 16 << 10;
/// For the last of its output, where something it left behind holds its terminal open.
const LAST_OUTPUT_WAIT: Duration = Duration::from_secs(1);

/// Every key goes to the command, and all it writes to the screen, until this is left or dropped.
#[derive(Debug)]
pub struct Terminal {
    its: OwnedFd,
    resizes: Mutex<Signal>,
    all_written: oneshot::Receiver<()>,
    before: Before,
}

/// How our terminal was.
#[derive(Debug)]
struct Before(Termios);

impl Drop for Before {
    fn drop(&mut self) {
        // Nothing more can be done where our own terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

impl Terminal {
    /// Lends ours to the command whose terminal's other end this is.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub fn enter(its: OwnedFd) -> io::Result<Terminal> {
        let resizes = signal(SignalKind::window_change())?;
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        let (input, output) = (File::from(its.try_clone()?), File::from(its.try_clone()?));
        fit(&its);
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        let before = Before(before);
        // The thread that reads the keyboard ends with the program.
        thread::spawn(move || pass_on(io::stdin().lock(), input));
        let (sender, all_written) = oneshot::channel();
        thread::spawn(move || {
            pass_on(output, io::stdout());
            // Whoever waited for it may be gone.
            let _ = sender.send(());
        });
        Ok(Terminal { its, resizes: Mutex::new(resizes), all_written, before })
    }

    /// Returns when ours has got another size, and the command's has it too.
    pub async fn resized(&self) {
        self.resizes.lock().await.recv().await;
        fit(&self.its);
    }

    /// Shows the last of its output, and takes our terminal back.
    pub async fn leave(self) {
        // What it left behind may write on; nobody waits for that.
        let _ = tokio::time::timeout(LAST_OUTPUT_WAIT, self.all_written).await;
        drop(self.before);
    }
}

/// A terminal without a size keeps its own.
fn fit(its: &impl AsFd) {
    if let Ok(size) = tcgetwinsize(io::stdin()) {
        let _ = tcsetwinsize(its, size);
    }
}

/// Until either end is gone: that is how a terminal ends.
fn pass_on(mut from: impl Read, mut to: impl Write) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(length) = from.read(&mut piece) {
        let written = to.write_all(&piece[..length]).and_then(|()| to.flush());
        if length == 0 || written.is_err() {
            return;
        }
    }
}
