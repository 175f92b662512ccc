//! A directory of pages: an `index.html`, and no program.

use super::{Detected, Facts, Found};

/// Where pages usually are.
const PLACES: [&str; 4] = ["dist", "build", "public", "out"];

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let within = PLACES.iter().find(|it| facts.has(&format!("{it}/index.html")));
    let directory = match within {
        Some(place) => *place,
        None if facts.has("index.html") => "",
        None => return None,
    };
    let from = if directory.is_empty() {
        "index.html".to_owned()
    } else {
        format!("{directory}/index.html")
    };
    let notes = vec![
        "The proxy serves the files by itself; `fallback: index.html` suits an application of one \
         page."
            .to_owned(),
        "All that is in the directory can be read by everybody.".to_owned(),
    ];
    let service = Found { is_static: true, from, notes, ..Found::default() };
    let directory = directory.to_owned();
    Some(Detected { what: "a directory of pages", services: vec![service], directory, env: vec![] })
}
