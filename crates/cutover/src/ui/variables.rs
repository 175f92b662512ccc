//! Variables, without their values.

use comfy_table::{Table, presets::NOTHING};
use model::{name::EnvironmentId, release::difference::Difference};
use serde_json::{Value, json};

/// In place of a value: its length is nobody's business.
const MASKED: &str = "••••••";

/// One that instances of a service are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Which service's.
    pub service: String,
    /// Its name.
    pub name: String,
    /// In words.
    pub from: String,
    /// It is not empty.
    pub is_set: bool,
}

/// A row each.
pub fn table(all: &[Variable]) -> String {
    if all.is_empty() {
        return "no variables".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["SERVICE", "NAME", "VALUE", "FROM"]);
    for it in all {
        let value = if it.is_set { MASKED } else { "(empty)" };
        table.add_row([&it.service, &it.name, value, &it.from]);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// An object each.
pub fn objects(id: &EnvironmentId, all: &[Variable]) -> Vec<Value> {
    let object = |it: &Variable| {
        json!({
            "environment": id.to_string(),
            "service": it.service,
            "name": it.name,
            "from": it.from,
            "set": it.is_set,
        })
    };
    all.iter().map(object).collect()
}

/// A line a name, led by `+`, `-` or `~`.
pub fn difference(version: &str, difference: &Difference, typed: &str) -> String {
    let mut lines = vec![];
    for (service, names) in &difference.variables {
        for (sign, names) in [('+', &names.added), ('-', &names.removed), ('~', &names.changed)] {
            lines.extend(names.iter().map(|it| format!("  {sign} {service} {it}")));
        }
    }
    if lines.is_empty() {
        return format!("the variables of {version} are those of the configuration");
    }
    lines.insert(0, format!("against {version}, which serves:"));
    lines.push(format!("live by: cutover deploy {typed} --env-only"));
    lines.join("\n")
}
