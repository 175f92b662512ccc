//! Asks for a word before something that cannot be taken back lightly.

use crate::{halt::Halt, session::Session};
use model::{name::EnvironmentId, service::EnvironmentSpec};
use std::io::{self, BufRead, Write};

/// The environment in which a deployment is confirmed where nothing is said and somebody is there.
const CONFIRMED: &str = "production";
/// What is typed.
const WORD: &str = "deploy";

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

/// Has a deployment confirmed where its environment asks for that.
///
/// # Errors
///
/// Where the word is not typed, or nobody is there to type it.
pub fn deployment(
    session: &Session,
    spec: Option<&EnvironmentSpec>,
    yes: bool,
    what: &str,
) -> Result<(), Halt> {
    let Some(spec) = spec.filter(|_| !yes) else { return Ok(()) };
    asked(session, &spec.id, spec.control.confirm, what)
}

/// As [`deployment`], where only is known what is configured of it.
///
/// # Errors
///
/// Where the word is not typed, or nobody is there to type it.
pub fn asked(
    session: &Session,
    environment: &EnvironmentId,
    confirm: Option<bool>,
    what: &str,
) -> Result<(), Halt> {
    let can_ask = session.ui.can_ask();
    let usual = || can_ask && environment.environment.as_str() == CONFIRMED;
    match (confirm.unwrap_or_else(usual), can_ask) {
        (false, _) => Ok(()),
        (true, true) => typed(WORD, what),
        (true, false) => {
            let message = format!("deploy to {environment}: it is confirmed by typing `{WORD}`");
            Err(Halt::usage(format!("{message}, and nobody can type here"))
                .hint("`--yes` goes on without asking, as for programs"))
        }
    }
}

/// As [`typed`], where nobody can be asked.
pub fn refused(word: &str) -> Halt {
    Halt::usage(format!("go on: `{word}` was not typed, and nothing was done"))
        .hint("`--yes` goes on without asking")
}
