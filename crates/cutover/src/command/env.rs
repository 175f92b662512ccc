//! `env`

mod change;
mod list;

use crate::{
    cli::grammar::env::Env,
    configuration::{self, Configuration},
    halt::Halt,
    session::Session,
    target::{Known, Target},
};
use config::Resolved;

/// Words that say what is to be done, and how many follow.
const ACTIONS: [(&str, usize); 5] =
    [("list", 0), ("get", 1), ("set", 1), ("unset", 1), ("diff", 0)];

/// What the words come to.
struct Asked<'a> {
    configuration: Configuration,
    target: Target,
    resolved: Resolved,
    args: &'a Env,
}

/// Shows and changes variables.  Starts nothing.
///
/// # Errors
///
/// Where there is no configuration, it has problems, or the words are not understood.
pub async fn run(session: &Session, args: &Env) -> Result<u8, Halt> {
    let (words, action, names) = split(&args.words)?;
    let configuration = configuration::expect(session)?;
    let target = Known::declared(&configuration.document).find(words)?;
    let resolved = configuration.resolve(&target.id)?;
    let asked = Asked { configuration, target, resolved, args };
    match (action, names) {
        ("get", [name]) => list::one(session, &asked, name).await,
        ("set", [word]) => match word.split_once('=') {
            Some((name, value)) => change::set_openly(session, &asked, name, value),
            None => change::set(session, &asked, word),
        },
        ("unset", [name]) => change::unset(session, &asked, name),
        ("diff", _) => list::diff(session, &asked).await,
        _ => list::all(session, &asked),
    }
}

/// The target's words, the action, and its own words.
fn split(words: &[String]) -> Result<(&[String], &str, &[String]), Halt> {
    let known = |word: &String| ACTIONS.iter().find(|it| it.0 == word);
    let found = words.iter().enumerate().find_map(|(at, it)| Some((at, known(it)?)));
    let Some((at, (action, count))) = found else { return Ok((words, "list", &[])) };
    let names = &words[at + 1..];
    if names.len() == *count {
        return Ok((&words[..at], action, names));
    }
    let what = if *count == 0 { "takes no name" } else { "takes one name" };
    Err(Halt::usage(format!("understand `env {action}`: it {what}"))
        .hint("`cutover env --help` shows what may be asked"))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_action_divides_the_words() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (text, before, action, after) in [
            ("", 0, "list", 0),
            ("production", 1, "list", 0),
            ("shop production list", 2, "list", 0),
            ("get KEY", 0, "get", 1),
            ("shop/production set KEY=a", 1, "set", 1),
            ("production diff", 1, "diff", 0),
        ] {
            let words = words(text);
            let (target, found, names) = split(&words).unwrap();
            assert_eq!((target.len(), found, names.len()), (before, action, after), "{text}");
        }
        for text in ["get", "production set", "unset A B", "diff A"] {
            assert_eq!(split(&words(text)).unwrap_err().exit_code(), 1, "{text}");
        }
    }
}
