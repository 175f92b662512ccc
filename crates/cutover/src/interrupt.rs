//! What Ctrl-C means while a deployment is watched: the deployment lives in the controller, so
//! leaving and turning back are two things.

use std::{
    io::{self, BufRead},
    thread,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// What is done at a Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Ask what is meant.
    Ask,
    /// Leave; the deployment goes on.
    Detach,
}

/// What the user means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Leave; the deployment goes on.
    Detach,
    /// Turn the deployment back.
    Abort,
    /// Nothing.
    KeepWatching,
}

/// The first Ctrl-C asks, where somebody can answer; the second, while it is asked, leaves.
pub fn decide(can_ask: bool, is_asking: bool) -> Then {
    if can_ask && !is_asking { Then::Ask } else { Then::Detach }
}

/// The question.
pub const QUESTION: &str =
    "The deployment goes on without you.  [d]etach, [a]bort it, or [k]eep watching?";

/// Reads an answer to [`QUESTION`]; none: it is none.
pub fn understood(text: &str) -> Option<Choice> {
    match text.trim().to_ascii_lowercase().as_str() {
        "d" | "detach" => Some(Choice::Detach),
        "a" | "abort" => Some(Choice::Abort),
        "k" | "keep" | "keep watching" | "" => Some(Choice::KeepWatching),
        _ => None,
    }
}

/// Signals by which a user, or a CI that cancels, asks to end.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// From now on these signals do not end the program.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub fn listen() -> io::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one; true: from a keyboard, so that somebody may be asked.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
            _ = self.hang_up.recv() => false,
        }
    }
}

/// Answers may wait for a watcher that is busy.
const ANSWERS_MAX: usize = 8;

/// Lines that are typed, until the end of stdin.  The thread that reads them ends with the program.
pub fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(ANSWERS_MAX);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_asks_and_the_second_leaves() {
        assert_eq!(decide(true, false), Then::Ask);
        assert_eq!(decide(true, true), Then::Detach);
        // Nobody can answer.
        assert_eq!(decide(false, false), Then::Detach);
        assert_eq!(decide(false, true), Then::Detach);
    }

    #[test]
    fn answers_are_letters_or_words() {
        for (text, choice) in [
            ("d", Some(Choice::Detach)),
            (" Detach\n", Some(Choice::Detach)),
            ("a", Some(Choice::Abort)),
            ("k", Some(Choice::KeepWatching)),
            ("", Some(Choice::KeepWatching)),
            ("yes", None),
        ] {
            assert_eq!(understood(text), choice, "{text:?}");
        }
    }
}
