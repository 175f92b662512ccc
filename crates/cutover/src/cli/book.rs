//! Each command that the book tells people to type is one.

use super::{grammar::Cli, habit};
use clap::{Parser, error::ErrorKind};
use std::ffi::OsString;
use testkit::book::{Typed, commands, pages};

#[test]
fn every_command_in_the_book_is_one() {
    // What is said of words that are none stands on a page of its own, which another test holds.
    let pages = pages().into_iter().filter(|it| !it.ends_with("mistakes.md"));
    let all: Vec<Typed> = pages.flat_map(|it| commands(&it)).collect();
    assert!(all.len() > 30, "only {} were found", all.len());
    for typed in all {
        let words: Vec<OsString> = typed.words.iter().map(OsString::from).collect();
        let Err(error) = Cli::try_parse_from(habit::reordered(words)) else { continue };
        let is_fine = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        assert!(is_fine, "{}: {error}", typed.place);
    }
}
