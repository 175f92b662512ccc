//! `Dockerfile`: the program that its last stage starts.

use super::{Detected, Facts, Found, words};
use serde_json::Value;

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let last = last_stage(facts.setting("Dockerfile")?);
    let of = |word: &str| last.iter().rev().find(|it| it.0 == word).map(|it| it.1.as_str());
    let entry = of("ENTRYPOINT").map(started);
    let command = of("CMD").map(started);
    let mut notes = vec![
        "The image is not built: its program runs in this directory, as a process.".to_owned(),
    ];
    let mut line = match (entry, command) {
        (Some(Some(mut entry)), Some(Some(rest))) => {
            entry.words.extend(rest.words);
            Some(entry)
        }
        (Some(Some(only)), None) | (None, Some(Some(only))) => Some(only),
        (None, None) => return None,
        _ => None,
    };
    if line.is_none() {
        notes.push("Its line needs a shell, which commands are never given to: put it in".into());
        notes.push("this script.".into());
        line = words::line("./bin/start");
    }
    let mut line = line?;
    let port = words::free_port(&mut line.words).or(line.port);
    notes.extend(
        of("EXPOSE")
            .or(port.as_deref())
            .map(|it| format!("It must listen on 127.0.0.1 at the port in PORT, instead of {it}.")),
    );
    let mut env = line.env;
    for (_, text) in last.iter().filter(|it| it.0 == "ENV") {
        let pairs = shlex::split(text).unwrap_or_default();
        env.extend(pairs.iter().filter_map(|it| {
            let (name, value) = it.split_once('=')?;
            let kept = crate::variables::is_variable_name(name)
                && crate::variables::reserved(name).is_none()
                && !value.contains('$');
            kept.then(|| (name.to_owned(), value.to_owned()))
        }));
    }
    let service = Found {
        command: line.words,
        routed: true,
        from: "Dockerfile: ENTRYPOINT and CMD".to_owned(),
        notes,
        env,
        ..Found::default()
    };
    Some(Detected { what: "a Dockerfile", services: vec![service], ..Detected::default() })
}

/// Instructions of the last stage, with their rest; lines that go on are joined.
fn last_stage(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(begun) = line.strip_suffix('\\') {
            joined.push_str(begun);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        let whole = std::mem::take(&mut joined);
        let Some((word, rest)) = whole.split_once(char::is_whitespace) else { continue };
        let word = word.to_ascii_uppercase();
        if word == "FROM" {
            found.clear();
        }
        found.push((word, rest.trim().to_owned()));
    }
    found
}

/// As a list, or a line for a shell.
fn started(text: &str) -> Option<words::Line> {
    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
        let words: Option<Vec<String>> =
            items.iter().map(|it| it.as_str().map(str::to_owned)).collect();
        return Some(words::Line { words: words?, ..words::Line::default() });
    }
    words::line(text)
}
