//! Fills placeholders of requests, and keeps what was filled in out of everything that is shown.

use crate::{
    layout::Layout,
    runtime::process::{placeholders_filled, variables},
};
use model::{failure::Failure, instance::Instance, release::Release};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write};

const HIDDEN: &str = "[secret]";

/// What one sequence knows.
pub(super) struct Filler<'a> {
    layout: &'a Layout,
    instance: &'a Instance,
    release: &'a Release,
    variables: BTreeMap<String, String>,
    captured: BTreeMap<String, String>,
    /// Values of variables and captures that were filled in: none of them is shown.
    secrets: Vec<String>,
}

/// Where a text is filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// What a URL cannot hold is escaped.
    Url,
}

impl<'a> Filler<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        instance: &'a Instance,
        release: &'a Release,
    ) -> Result<Self, Failure> {
        let variables = variables(layout, instance, release)?;
        Ok(Filler {
            layout,
            instance,
            release,
            variables,
            captured: BTreeMap::new(),
            secrets: vec![],
        })
    }

    pub(super) fn capture(&mut self, name: &str, value: String) {
        self.keep_secret(&value);
        self.captured.insert(name.to_owned(), value);
    }

    pub(super) fn text(&mut self, template: &str) -> Result<String, String> {
        self.filled(template, Place::Text)
    }

    pub(super) fn url(&mut self, template: &str) -> Result<String, String> {
        self.filled(template, Place::Url)
    }

    pub(super) fn json(&mut self, template: &Value) -> Result<Value, String> {
        Ok(match template {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|it| self.json(it)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let filled = fields.iter().map(|(key, it)| Ok((key.clone(), self.json(it)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    pub(super) fn form(&mut self, fields: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        for (name, value) in fields {
            let value = self.text(value)?;
            let parts = [text.as_str(), if text.is_empty() { "" } else { "&" }];
            text = format!("{}{}={}", parts.concat(), escaped(name), escaped(&value));
        }
        self.keep_secret(&text);
        Ok(text)
    }

    /// One pass: what is filled in is never looked at again.
    fn filled(&mut self, template: &str, place: Place) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some(name) = rest[1..].split_once('}').map(|it| it.0).filter(|it| is_name(it))
            else {
                filled.push('{');
                rest = &rest[1..];
                continue;
            };
            filled.push_str(&self.value(name, place)?);
            rest = &rest[name.len() + 2..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&mut self, name: &str, place: Place) -> Result<String, String> {
        let (value, secret) = match name.strip_prefix("env.") {
            Some(variable) => match self.variables.get(variable) {
                Some(value) => (value.clone(), true),
                None => return Err(format!("the variable {variable} is not set for the service")),
            },
            None => match self.captured.get(name) {
                Some(value) => (value.clone(), true),
                None => {
                    let whole = format!("{{{name}}}");
                    (placeholders_filled(self.layout, &whole, self.instance, self.release), false)
                }
            },
        };
        if secret {
            self.keep_secret(&value);
        }
        Ok(if place == Place::Url { escaped(&value) } else { value })
    }

    fn keep_secret(&mut self, value: &str) {
        let quoted = Value::String(value.to_owned()).to_string();
        let inner = quoted.trim_matches('"').to_owned();
        for it in [value.to_owned(), inner, escaped(value)] {
            if !it.trim().is_empty() && !self.secrets.contains(&it) {
                self.secrets.push(it);
            }
        }
        // What holds another is hidden first.
        self.secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
    }

    /// The failure without any value that was filled in.
    pub(super) fn hidden(&self, failure: Failure) -> Failure {
        let hide = |text: String| {
            self.secrets.iter().fold(text, |text, it| text.replace(it.as_str(), HIDDEN))
        };
        Failure {
            blame: failure.blame,
            message: hide(failure.message),
            hints: failure.hints.into_iter().map(hide).collect(),
            evidence: failure.evidence.into_iter().map(hide).collect(),
        }
    }
}

/// `token`, `env.NAME`.
fn is_name(text: &str) -> bool {
    let word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    let variable = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
    match text.strip_prefix("env.") {
        Some(name) => !name.is_empty() && name.bytes().all(variable),
        None => !text.is_empty() && text.bytes().all(word),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
