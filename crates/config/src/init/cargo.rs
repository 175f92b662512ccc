//! Rust: the package that `Cargo.toml` names.

use super::{Detected, Facts, Found};

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let (program, from) = program(facts.setting("Cargo.toml")?)?;
    let service = Found {
        command: vec![format!("target/release/{program}")],
        routed: true,
        from: format!("Cargo.toml: {from}"),
        notes: vec!["Build first: `cargo build --release`.".to_owned()],
        ..Found::default()
    };
    Some(Detected { what: "a Rust program", services: vec![service], ..Detected::default() })
}

/// The name of the first `[[bin]]`, else of the `[package]`.
fn program(text: &str) -> Option<(&str, &'static str)> {
    let name_in = |header: &'static str| {
        let (_, section) = text.split_once(header)?;
        let lines = section.lines().skip(1).take_while(|it| !it.trim_start().starts_with('['));
        let values = lines.filter_map(|it| it.split_once('='));
        let (_, value) = values.into_iter().find(|(key, _)| key.trim() == "name")?;
        let value = value.trim().trim_matches('"');
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        (!value.is_empty() && value.chars().all(plain)).then_some((value, header))
    };
    name_in("[[bin]]").or_else(|| name_in("[package]"))
}
