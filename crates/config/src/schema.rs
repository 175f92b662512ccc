//! The JSON Schema of the configuration, for editors: made from one table of all keys.
//!
//! The readers say more, and in better words; a test holds the two against each other key by key.

mod backup;
mod build;
mod environment;
mod migrate;
mod probe;
mod reference;
mod service;
mod systemd;

pub use reference::reference;

use serde_json::{Map, Value, json};

/// Where the dialect is defined; nothing is fetched from there.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What may stand somewhere.
#[derive(Clone, Copy)]
enum Kind {
    /// Any scalar: numbers and truth values keep their spelling.
    Text,
    /// Text that begins with `/`.
    Path,
    /// `true`, `on`, `yes` …
    Switch,
    /// A whole number within bounds.
    Number(u64, u64),
    /// `30`, `500ms`, `10m`.
    Time,
    /// `512M`.
    Size,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A signal, with or without `SIG`.
    Signal,
    /// Nothing.
    Null,
    /// Anything.
    Any,
    /// Program and arguments.
    Argv,
    /// A list, or one that stands for a list of one.
    List(&'static Kind),
    /// Names of the user's to values of one kind.
    Named(&'static Kind),
    /// A mapping with a fixed set of keys.
    Keys(&'static Shape),
    /// One of several.
    Either(&'static [Kind]),
}

/// A mapping with a fixed set of keys.
struct Shape {
    /// By this name it is referred to.
    name: &'static str,
    keys: &'static [Key],
    /// That cannot be left out.
    required: &'static [&'static str],
}

/// A key, what may stand there, and what an editor says of it.
#[derive(Clone, Copy)]
struct Key(&'static str, Kind, &'static str);

/// The whole schema.
pub fn schema() -> Value {
    let mut shapes = Map::new();
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!(DIALECT));
    whole.insert("title".to_owned(), json!("The configuration of cutover"));
    let Value::Object(root) = environment::ROOT.written(&mut shapes) else { return Value::Null };
    whole.extend(root);
    whole.insert("$defs".to_owned(), Value::Object(shapes));
    Value::Object(whole)
}

impl Shape {
    fn written(&self, shapes: &mut Map<String, Value>) -> Value {
        let mut properties = Map::new();
        for Key(name, kind, about) in self.keys {
            let mut written = kind.written(shapes);
            if let Value::Object(keys) = &mut written {
                keys.insert("description".to_owned(), json!(about));
            }
            properties.insert((*name).to_owned(), written);
        }
        let mut written = json!({
            "type": "object",
            "properties": properties,
            // Keys of the user's own.
            "patternProperties": { "^x-": true },
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            written["required"] = json!(self.required);
        }
        written
    }
}

impl Kind {
    fn written(&self, shapes: &mut Map<String, Value>) -> Value {
        match self {
            Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
            Kind::Path => json!({ "type": "string", "pattern": "^/" }),
            Kind::Switch => json!({ "enum": [true, false, "on", "off", "yes", "no"] }),
            Kind::Number(least, most) => json!({ "anyOf": [
                { "type": "integer", "minimum": least, "maximum": most },
                { "type": "string", "pattern": "^[0-9]+$" },
            ] }),
            Kind::Time => json!({ "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|min|h|d)?$" },
            ] }),
            Kind::Size => json!({ "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ ?([KkMmGgTt]?([Ii]?[Bb])?)$" },
            ] }),
            Kind::OneOf(words) => json!({ "enum": words }),
            Kind::Signal => signal(),
            Kind::Null => json!({ "type": "null" }),
            Kind::Any => json!({}),
            Kind::Argv => json!({ "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "minItems": 1, "items": Kind::Text.written(shapes) },
            ] }),
            Kind::List(kind) => {
                let one = kind.written(shapes);
                json!({ "anyOf": [one, { "type": "array", "items": one }] })
            }
            Kind::Named(kind) => json!({
                "type": "object",
                "patternProperties": { "^x-": true },
                "additionalProperties": kind.written(shapes),
            }),
            Kind::Keys(shape) => {
                if !shapes.contains_key(shape.name) {
                    // Held free first: a shape may be found again within itself.
                    shapes.insert(shape.name.to_owned(), Value::Null);
                    let written = shape.written(shapes);
                    shapes.insert(shape.name.to_owned(), written);
                }
                json!({ "$ref": format!("#/$defs/{}", shape.name) })
            }
            Kind::Either(kinds) => {
                let all: Vec<Value> = kinds.iter().map(|it| it.written(shapes)).collect();
                json!({ "anyOf": all })
            }
        }
    }
}

/// Patterns know no case that does not matter.
fn signal() -> Value {
    let names = ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"];
    let either = |it: char| match it {
        _ if it.is_ascii_digit() => it.to_string(),
        _ => format!("[{it}{}]", it.to_ascii_lowercase()),
    };
    let any_case: Vec<String> = names.iter().map(|it| it.chars().map(either).collect()).collect();
    let full: Vec<String> = names.iter().map(|it| format!("SIG{it}")).collect();
    let pattern = format!("^([Ss][Ii][Gg])?({})$", any_case.join("|"));
    json!({ "anyOf": [{ "enum": full }, { "type": "string", "pattern": pattern }] })
}
