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
    let words = ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"];
    let from = if directory.is_empty() {
        "index.html".to_owned()
    } else {
        format!("{directory}/index.html")
    };
    let notes = vec![
        "Python serves the files; any other server of files does too.".to_owned(),
        "All that is in the directory can be read by everybody.".to_owned(),
    ];
    let service = Found {
        command: words.map(str::to_owned).to_vec(),
        routed: true,
        from,
        notes,
        keys: vec!["smoke: [{ get: /, contains: \"<\" }]".to_owned()],
        ..Found::default()
    };
    let directory = directory.to_owned();
    Some(Detected { what: "a directory of pages", services: vec![service], directory, env: vec![] })
}
