//! The schema says of every file what the reader says, as far as a schema can.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::{Document, schema::schema};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// An unknown key that is near to no known one, so that the reader lists those.
const UNKNOWN: &str = "qqqqqqqqqqqqqqqq";

/// Whether the value is as the schema wants it: as much of JSON Schema as ours uses.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    let Value::Object(rules) = schema else { return schema != &Value::Bool(false) };
    rules.iter().all(|(rule, wanted)| match rule.as_str() {
        "$schema" | "title" | "description" | "$defs" => true,
        "$ref" => fits(defined(wanted, root), value, root),
        "type" => {
            let names = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
            names.iter().any(|name| is_of_type(value, name.as_str().unwrap()))
        }
        "enum" => wanted.as_array().unwrap().contains(value),
        "minimum" => value.as_f64().is_none_or(|it| it >= wanted.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|it| it <= wanted.as_f64().unwrap()),
        "minLength" => value.as_str().is_none_or(|it| it.len() as u64 >= wanted.as_u64().unwrap()),
        "minItems" => value.as_array().is_none_or(|it| it.len() as u64 >= wanted.as_u64().unwrap()),
        "pattern" => value.as_str().is_none_or(|it| matches(wanted, it)),
        "items" => value.as_array().is_none_or(|it| it.iter().all(|it| fits(wanted, it, root))),
        "anyOf" => wanted.as_array().unwrap().iter().any(|it| fits(it, value, root)),
        "required" => value.as_object().is_none_or(|it| {
            wanted.as_array().unwrap().iter().all(|name| it.contains_key(name.as_str().unwrap()))
        }),
        "properties" | "patternProperties" | "additionalProperties" => {
            value.as_object().is_none_or(|it| it.iter().all(|it| property_fits(rules, it, root)))
        }
        other => panic!("the checker does not know `{other}`"),
    })
}

fn property_fits(
    rules: &Map<String, Value>,
    (key, value): (&String, &Value),
    root: &Value,
) -> bool {
    if let Some(own) = rules.get("properties").and_then(|it| it.get(key)) {
        return fits(own, value, root);
    }
    let patterns = rules.get("patternProperties").and_then(Value::as_object);
    let mut patterns = patterns.into_iter().flatten();
    match patterns.find(|(pattern, _)| matches(&Value::String((*pattern).clone()), key)) {
        Some((_, own)) => fits(own, value, root),
        None => rules.get("additionalProperties").is_none_or(|it| fits(it, value, root)),
    }
}

fn defined<'s>(reference: &Value, root: &'s Value) -> &'s Value {
    let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
    root.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}"))
}

fn matches(pattern: &Value, text: &str) -> bool {
    regex::Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("there is no type `{other}`"),
    }
}

fn corpus(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "yml"));
    assert!(paths.len() >= 5);
    paths
}

fn parsed(path: &Path) -> Option<Value> {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).ok()
}

#[test]
fn every_good_file_fits_and_so_does_the_example() {
    let schema = schema();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/example.yml");
    for path in corpus("good").into_iter().chain([example]) {
        let value = parsed(&path).expect("it is YAML");
        assert!(fits(&schema, &value, &schema), "{}", path.display());
    }
}

#[test]
fn no_file_with_an_unknown_key_or_a_wrong_type_fits() {
    let schema = schema();
    let mut seen = 0;
    for path in corpus("bad") {
        let said = fs::read_to_string(path.with_extension("txt")).unwrap();
        let Some(value) = parsed(&path) else { continue };
        if said.contains("unknown key") || said.contains("must be ") {
            seen += 1;
            assert!(!fits(&schema, &value, &schema), "{}", path.display());
        }
    }
    assert!(seen >= 5, "only {seen} such files are left");
}

/// Each place of the schema where a mapping has fixed keys: how to get there, and its keys.
fn mappings(
    rules: &Value,
    path: &[String],
    root: &Value,
    found: &mut Vec<(Vec<String>, BTreeSet<String>)>,
) {
    assert!(path.len() < 20, "{path:?} has no end");
    if let Some(reference) = rules.get("$ref") {
        return mappings(defined(reference, root), path, root, found);
    }
    if let Some(properties) = rules.get("properties").and_then(Value::as_object) {
        found.push((path.to_vec(), properties.keys().cloned().collect()));
        for (key, inner) in properties {
            mappings(inner, &[path, std::slice::from_ref(key)].concat(), root, found);
        }
    } else if let Some(inner) = rules.get("additionalProperties") {
        mappings(inner, &[path, &["name".to_owned()]].concat(), root, found);
    }
    for inner in rules.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        // A list of one may be written without its brackets.
        if inner.get("items").is_none() {
            mappings(inner, path, root, found);
        }
    }
}

/// The keys that the reader lists where it meets an unknown one.
fn keys_of_the_reader(path: &[String]) -> BTreeSet<String> {
    let open: String = path.iter().map(|it| format!("{{ {it}: ")).collect();
    let text = format!("{open}{{ {UNKNOWN}: 1 }}{}", " }".repeat(path.len()));
    let (_, problems) = Document::read("cutover.yml", &text);
    let unknown = format!("unknown key `{UNKNOWN}`");
    let found = problems.iter().find(|it| it.message == unknown);
    let found = found.unwrap_or_else(|| panic!("{text}\n{problems:#?}"));
    let known = found.suggestion.as_ref().unwrap().strip_prefix("known here: ").unwrap();
    let known = known.split(';').next().unwrap();
    known.split(", ").map(|it| it.trim_matches('`').to_owned()).collect()
}

#[test]
fn the_schema_knows_exactly_the_keys_that_the_reader_knows() {
    let schema = schema();
    let mut found = vec![];
    mappings(&schema, &[], &schema, &mut found);
    assert!(found.len() >= 20, "only {} mappings were walked", found.len());
    for (path, keys) in found {
        assert_eq!(keys, keys_of_the_reader(&path), "at `{}`", path.join("."));
    }
}

#[test]
fn every_key_is_explained() {
    let schema = schema();
    let shapes = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut count = 0;
    for (key, rules) in shapes.flat_map(|it| it["properties"].as_object().unwrap()) {
        let about = rules["description"].as_str().unwrap_or_default();
        assert!(about.ends_with('.'), "{key}: {about:?}");
        count += 1;
    }
    assert!(count >= 80, "{count}");
}
