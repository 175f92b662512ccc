//! `man`

use crate::{
    cli::{
        EXIT_USAGE,
        grammar::{Cli, paper::Man},
    },
    ui::out::Out,
};
use clap::CommandFactory;
use std::io;

/// Prints the page.
pub fn run(out: &Out, args: &Man) -> u8 {
    match page(&args.words) {
        Ok(Some(page)) => {
            out.print(&page);
            0
        }
        Ok(None) => {
            let words = args.words.join(" ");
            out.error(&format!("cutover: there is no verb `{words}`; `cutover --help` lists them"));
            EXIT_USAGE
        }
        Err(error) => {
            out.error(&format!("cutover: failed to write the page: {error}"));
            EXIT_USAGE
        }
    }
}

/// None: there is no such verb.
fn page(words: &[String]) -> io::Result<Option<String>> {
    let mut command = Cli::command();
    command.build();
    for word in words {
        let Some(found) = command.find_subcommand(word) else { return Ok(None) };
        command = found.clone();
    }
    let mut text = vec![];
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn there_is_a_page_for_each_verb_and_for_all() {
        let of = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            page(&words).unwrap()
        };
        assert!(of("").unwrap().contains(".TH cutover 1"));
        assert!(of("deploy").unwrap().contains("\\-\\-env\\-only"));
        assert!(of("releases prune").unwrap().contains("\\-\\-keep"));
        assert_eq!(of("nothing"), None);
    }
}
