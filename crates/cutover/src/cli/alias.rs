//! Words of the user's own, which the configuration declares, put in place before anything is
//! parsed.

use super::habit::{first_word, is_verb};
use config::{Document, read::read_config};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The arguments with an alias replaced by what it stands for.  The configuration is only looked at
/// where the word is no verb.
pub fn expanded(args: Vec<OsString>) -> Vec<OsString> {
    expanded_by(args, document)
}

fn expanded_by(
    mut args: Vec<OsString>,
    document: impl Fn(&[OsString]) -> Option<Document>,
) -> Vec<OsString> {
    let Some(at) = first_word(&args).filter(|it| !is_verb(&args[*it])) else { return args };
    let aliases = document(&args[..at]).map(|it| it.aliases()).unwrap_or_default();
    if let Some(alias) = aliases.iter().find(|it| args[at] == *it.name) {
        args.splice(at..=at, alias.words.iter().map(OsString::from));
    }
    args
}

/// The aliases of the configuration that is meant, below the help of the whole program.
pub fn told(args: &[OsString]) -> String {
    if first_word(args).is_some() {
        return String::new();
    }
    let aliases = document(args).map(|it| it.aliases()).unwrap_or_default();
    if aliases.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        aliases.iter().map(|it| format!("  {:<20}{}\n", it.name, it.typed())).collect();
    format!("\nAliases of the configuration:\n{}", lines.concat())
}

/// That of `-f`, or of the current directory.
fn document(globals: &[OsString]) -> Option<Document> {
    let path = named(globals).or_else(|| config::read::find_config(Path::new(".")))?;
    let text = read_config(&path).ok()?;
    Document::read(&path.display().to_string(), &text).0
}

fn named(globals: &[OsString]) -> Option<PathBuf> {
    let mut words = globals.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if matches!(&*text, "-f" | "--file") {
            return words.next().map(PathBuf::from);
        }
        let joined = text.strip_prefix("--file=").or_else(|| text.strip_prefix("-f"));
        if let Some(path) = joined {
            return Some(PathBuf::from(path));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Alias;

    const TEXT: &str = "aliases: { release: deploy production, why: [show, 'a b'], deploy: down }
projects: { shop: { services: { web: { command: [x] } }, environments: { production: } } }";

    fn check(words: &str, expected: &str) {
        let split = |it: &str| it.split(' ').map(Into::into).collect::<Vec<OsString>>();
        let found = expanded_by(split(words), |_| Document::read("cutover.yml", TEXT).0);
        let shown: Vec<_> = found.iter().map(|it| it.to_string_lossy()).collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn an_alias_is_put_in_place_once() {
        check("cutover release 1.2.0", "cutover deploy production 1.2.0");
        check("cutover -f x.yml --json release", "cutover -f x.yml --json deploy production");
        check("cutover why", "cutover show a b");
        check("cutover deploy release", "cutover deploy release");
        check("cutover nothing", "cutover nothing");
        check("cutover", "cutover");
    }

    #[test]
    fn the_file_that_is_named_is_the_one_that_is_read() {
        let found = |words: &[&str]| {
            let all: Vec<OsString> = ["cutover"].iter().chain(words).map(OsString::from).collect();
            named(&all)
        };
        assert_eq!(found(&["--json", "-f", "a.yml"]), Some("a.yml".into()));
        assert_eq!(found(&["--file=a.yml"]), Some("a.yml".into()));
        assert_eq!(found(&["-fa.yml"]), Some("a.yml".into()));
        assert_eq!(found(&["--root", "/r"]), None);
    }

    #[test]
    fn words_with_blanks_are_quoted() {
        let (document, _) = Document::read("cutover.yml", TEXT);
        let all: Vec<String> = document.unwrap().aliases().iter().map(Alias::typed).collect();
        assert_eq!(all, ["deploy production", "show 'a b'", "down"]);
    }
}
