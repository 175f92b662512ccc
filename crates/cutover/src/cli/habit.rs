//! `cutover production deploy`, as users of other deployment programs type it.

use super::grammar::Cli;
use clap::CommandFactory;
use std::ffi::OsString;

/// Global options that take a value.
const WITH_VALUE: [&str; 3] = ["-f", "--file", "--root"];

/// The arguments with the verb before its target.
pub fn reordered(mut args: Vec<OsString>) -> Vec<OsString> {
    if let Some(at) = first_word(&args)
        && !is_verb(&args[at])
        && args.get(at + 1).is_some_and(is_verb)
    {
        args.swap(at, at + 1);
    }
    args
}

/// Where the verb is expected: after the global options.
pub fn first_word(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = args.get(at).map(|it| it.to_string_lossy()) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if WITH_VALUE.contains(&word.as_ref()) { 2 } else { 1 };
    }
    None
}

pub fn is_verb(word: &OsString) -> bool {
    Cli::command().get_subcommands().any(|it| *word == *it.get_name())
}

#[cfg(test)]
mod tests {
    use super::reordered;

    fn check(words: &str, expected: &str) {
        let words: Vec<_> = words.split(' ').map(Into::into).collect();
        let expected: Vec<std::ffi::OsString> = expected.split(' ').map(Into::into).collect();
        assert_eq!(reordered(words), expected);
    }

    #[test]
    fn the_verb_may_stand_after_the_environment() {
        check("cutover production deploy 1.2.0", "cutover deploy production 1.2.0");
        check(
            "cutover --json --root /r production deploy",
            "cutover --json --root /r deploy production",
        );
        check(
            "cutover -f deploy.yml shop/staging rollback",
            "cutover -f deploy.yml rollback shop/staging",
        );
    }

    #[test]
    fn what_is_in_order_stays() {
        check("cutover deploy production", "cutover deploy production");
        // An environment may be called as a verb is.
        check("cutover deploy status", "cutover deploy status");
        check("cutover --json", "cutover --json");
        check("cutover production", "cutover production");
    }
}
