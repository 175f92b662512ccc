//! What the project's documents tell people to type.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One command of a page, and where it stands.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The page and the line.
    pub place: String,
    /// The program's name first.
    pub words: Vec<String>,
}

/// A page of the book.
pub fn page(name: &str) -> PathBuf {
    root().join("docs").join(name)
}

/// All pages, and the project's first one.
///
/// # Panics
/// If the book is not there.
pub fn pages() -> Vec<PathBuf> {
    let book = fs::read_dir(root().join("docs")).expect("the book is there");
    let in_book = book.map(|it| it.expect("it can be listed").path());
    let pages = in_book.filter(|it| it.extension().is_some_and(|it| it == "md"));
    pages.chain([root().join("README.md")]).collect()
}

/// Lines of fenced blocks that begin with the program's name, without what is said beside them.
///
/// # Panics
/// If the page cannot be read, or a line not be split into words.
pub fn commands(page: &Path) -> Vec<Typed> {
    let (mut typed, mut fenced) = (vec![], false);
    let text = fs::read_to_string(page).expect("the page is there");
    let name = page.file_name().expect("a page has a name").display();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if !fenced || !line.starts_with("cutover ") {
            continue;
        }
        let command = line.split_once(" #").map_or(line, |it| it.0);
        for one in command.split("&&").map(str::trim) {
            // What is put in or taken out by a shell is none of its words.
            let one = [" | ", " < ", " > "]
                .iter()
                .fold(one, |it, mark| it.split_once(mark).map_or(it, |parts| parts.0));
            let words = shlex::split(one).unwrap_or_else(|| panic!("{one} cannot be split"));
            typed.push(Typed { place: format!("{name}:{}", index + 1), words });
        }
    }
    typed
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
