//! Asks for a word before something that cannot be taken back lightly.

use crate::halt::Halt;
use std::io::{self, BufRead, Write};

/// Goes on only where the word is typed.
///
/// # Errors
///
/// Where another one is, or nobody is there.
pub fn typed(word: &str, what: &str) -> Result<(), Halt> {
    let mut stderr = io::stderr();
    // Where the question cannot be shown it cannot be answered either.
    let asked = write!(stderr, "{what}  Type `{word}` to go on: ").and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut line));
    match read {
        Ok(_) if line.trim() == word => Ok(()),
        _ => Err(refused(word)),
    }
}

/// As [`typed`], where nobody can be asked.
pub fn refused(word: &str) -> Halt {
    Halt::usage(format!("go on: `{word}` was not typed, and nothing was done"))
        .hint("`--yes` goes on without asking")
}
