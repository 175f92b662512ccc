//! The reference of all keys as a page of the book, from the table that the schema is made of.

use super::{Key, Kind, Shape, environment};
use crate::{lint::RULES, placeholder::PLACEHOLDERS, template::EXAMPLE};
use std::{collections::HashSet, fmt::Write};

const BEGINNING: &str = "\
# Configuration

One YAML file says what runs where: `cutover.yml`, or `projects.yml` where that is what you have.
`cutover init` writes one, `cutover check` reports everything that is wrong with it at once, and
`cutover schema` prints the JSON Schema of it for editors.

Durations are `30` or `30s`, also `500ms`, `10m` and `2h`.  Sizes are bytes, or `512M` and `2G`
in powers of 1024.  Where a list is taken, one value stands for a list of one.  Keys that begin with
`x-` are yours, and ignored.

This page is written by a test from the tables that the program reads the file by.
";

/// The page.
pub fn reference() -> String {
    let mut page = Page { out: BEGINNING.to_owned(), seen: HashSet::new() };
    let filled: Vec<String> = PLACEHOLDERS.iter().map(|it| format!("`{{{it}}}`")).collect();
    page.line("\n## Keys\n");
    page.line(&format!(
        "Filled in within commands, variables and requests: {}.",
        filled.join(", ")
    ));
    page.shape(&environment::ROOT, "");
    page.line("\n## What `check` warns of\n");
    page.line("Nothing of this keeps anybody from deploying.  `cutover check --strict` fails for");
    page.line("warnings too, for a pipeline that wants none.\n");
    page.line("| rule | what it finds |\n|---|---|");
    for rule in RULES {
        page.line(&format!("| `{}` | {} |", rule.name, rule.about));
    }
    page.line("\n## An example with every key\n");
    page.line(&format!("```yaml\n{}\n```", EXAMPLE.trim_end()));
    page.out
}

struct Page {
    out: String,
    /// Shapes that have a part of their own already.
    seen: HashSet<&'static str>,
}

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{text}");
    }

    /// The keys of one mapping, then of those within it.
    fn shape(&mut self, shape: &'static Shape, path: &str) {
        if !self.seen.insert(shape.name) {
            return;
        }
        self.line(&format!("\n### {}\n", title(shape)));
        if !path.is_empty() {
            self.line(&format!("At `{path}`.\n"));
        }
        self.line("| key | takes | |\n|---|---|---|");
        for Key(name, kind, about) in shape.keys {
            let needed = if shape.required.contains(name) { "  Needed." } else { "" };
            let about = about.replace('|', "\\|");
            self.line(&format!("| `{name}` | {} | {about}{needed} |", takes(kind)));
        }
        for Key(name, kind, _) in shape.keys {
            let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            self.within(kind, &path);
        }
    }

    fn within(&mut self, kind: &'static Kind, path: &str) {
        match kind {
            Kind::Keys(shape) => self.shape(shape, path),
            Kind::List(inner) => self.within(inner, path),
            Kind::Named(inner) => self.within(inner, &format!("{path}.NAME")),
            Kind::Either(kinds) => kinds.iter().for_each(|it| self.within(it, path)),
            _ => {}
        }
    }
}

fn title(shape: &Shape) -> String {
    if shape.name == "root" { "The file".to_owned() } else { format!("Keys of `{}`", shape.name) }
}

fn anchor(shape: &Shape) -> String {
    if shape.name == "root" { "the-file".to_owned() } else { format!("keys-of-{}", shape.name) }
}

/// In words that stand in a table.
fn takes(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::Switch => "`true` or `false`".to_owned(),
        Kind::Number(least, most) => format!("{least} to {most}"),
        Kind::Time => "a duration".to_owned(),
        Kind::Size => "a size".to_owned(),
        Kind::OneOf(words) => {
            let quoted: Vec<String> = words.iter().map(|it| format!("`{it}`")).collect();
            quoted.join(", ")
        }
        Kind::Signal => "a signal".to_owned(),
        Kind::Null => "nothing".to_owned(),
        Kind::Any => "anything".to_owned(),
        Kind::Argv => "program and arguments".to_owned(),
        Kind::List(kind) => format!("a list: {}", takes(kind)),
        Kind::Named(kind) => format!("by name: {}", takes(kind)),
        Kind::Keys(shape) => format!("[keys](#{})", anchor(shape)),
        Kind::Either(kinds) => kinds.iter().map(takes).collect::<Vec<String>>().join(", or "),
    }
}
