//! What differs between two configurations: names of variables, and never their values.

use crate::service::{EnvironmentSpec, ServiceSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Keys of a service whose values are shown.  Any other is only named: it may hold a secret.
const SHOWN: [&str; 23] = [
    "command",
    "files",
    "instances",
    "schedule",
    "routes",
    "port",
    "readiness",
    "health",
    "smoke",
    "strategy",
    "rolling",
    "canary",
    "drain",
    "stop_signal",
    "quiet_signal",
    "grace",
    "start_timeout",
    "bake",
    "verdict",
    "keep_warm",
    "limits",
    "user",
    "upstream_keepalive",
];
/// Keys of an environment whose values are shown.
const SHOWN_OF_ALL: [&str; 6] =
    ["domains", "version", "keep_releases", "disk_free_bytes", "listen", "shared"];
/// Keys that are compared in another way.
const APART: [&str; 5] = ["name", "env", "secret_env", "id", "services"];
/// A secret as short as this would take words out of what is shown, and hide nothing.
const HIDDEN_CHARACTERS_MIN: usize = 4;

/// What differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Services that only the second has.
    pub services_added: Vec<String>,
    /// Services that only the first has.
    pub services_removed: Vec<String>,
    /// By service, where any differ.
    pub variables: BTreeMap<String, Names>,
    /// All other keys that differ.
    pub settings: Vec<Setting>,
}

/// Names that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Only the second has them.
    pub added: Vec<String>,
    /// Only the first has them.
    pub removed: Vec<String>,
    /// Both have them, with different values.
    pub changed: Vec<String>,
}

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// `web.routes`; without a service where it is the environment's.
    pub key: String,
    /// As JSON; none: its value is not shown.
    pub from: Option<String>,
    /// As `from`.
    pub to: Option<String>,
}

impl Names {
    /// Whether none differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Difference {
    /// From the first to the second.
    pub fn between(from: &EnvironmentSpec, to: &EnvironmentSpec) -> Difference {
        let mut difference = Difference::default();
        let hidden = Hidden::new(from, to);
        difference.compare("", (&object(from), &object(to)), &SHOWN_OF_ALL, &hidden);
        for new in &to.services {
            match from.services.iter().find(|it| it.name == new.name) {
                Some(old) => difference.compare_services(old, new, &hidden),
                None => difference.services_added.push(new.name.to_string()),
            }
        }
        let gone = |it: &&ServiceSpec| !to.services.iter().any(|new| new.name == it.name);
        let gone = from.services.iter().filter(gone).map(|it| it.name.to_string());
        difference.services_removed = gone.collect();
        difference
    }

    /// From nothing: all that the first configuration brings.
    pub fn first(to: &EnvironmentSpec) -> Difference {
        let mut difference = Difference::default();
        for service in &to.services {
            difference.services_added.push(service.name.to_string());
            if !service.env.is_empty() {
                let added = service.env.keys().cloned().collect();
                let names = Names { added, ..Names::default() };
                difference.variables.insert(service.name.to_string(), names);
            }
        }
        difference
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }

    /// `+A -B ~C`: the variables of all services; empty where none differs.
    pub fn variables_in_short(&self) -> String {
        let all = |of: fn(&Names) -> &Vec<String>, sign: char| {
            let names: BTreeSet<&String> = self.variables.values().flat_map(of).collect();
            names.into_iter().map(|it| format!("{sign}{it}")).collect::<Vec<_>>()
        };
        let (added, removed) = (all(|it| &it.added, '+'), all(|it| &it.removed, '-'));
        [added, removed, all(|it| &it.changed, '~')].concat().join(" ")
    }

    fn compare_services(&mut self, old: &ServiceSpec, new: &ServiceSpec, hidden: &Hidden) {
        let mut names = Names::default();
        for (name, value) in &new.env {
            match old.env.get(name) {
                None => names.added.push(name.clone()),
                Some(before) if before != value => names.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        let gone = old.env.keys().filter(|it| !new.env.contains_key(*it));
        names.removed.extend(gone.cloned());
        if !names.is_empty() {
            self.variables.insert(new.name.to_string(), names);
        }
        let lead = format!("{}.", new.name);
        self.compare(&lead, (&object(old), &object(new)), &SHOWN, hidden);
    }

    fn compare(
        &mut self,
        lead: &str,
        (old, new): (&Map<String, Value>, &Map<String, Value>),
        shown: &[&str],
        hidden: &Hidden,
    ) {
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys.into_iter().filter(|it| !APART.contains(&it.as_str())) {
            let (before, after) = (old.get(key), new.get(key));
            if before == after {
                continue;
            }
            let text = |value: Option<&Value>| {
                let value = value.cloned().unwrap_or(Value::Null);
                shown.contains(&key.as_str()).then(|| hidden.out_of(value).to_string())
            };
            let key = format!("{lead}{key}");
            self.settings.push(Setting { key, from: text(before), to: text(after) });
        }
    }
}

/// Values of variables that came from a file of secrets, by the name that stands in their place.
struct Hidden {
    values: Vec<(String, String)>,
}

impl Hidden {
    fn new(from: &EnvironmentSpec, to: &EnvironmentSpec) -> Hidden {
        let mut values = vec![];
        for service in from.services.iter().chain(&to.services) {
            for (name, value) in &service.env {
                let secret = service.secret_env.contains(name);
                if secret && value.chars().count() >= HIDDEN_CHARACTERS_MIN {
                    values.push((value.clone(), format!("(value of {name})")));
                }
            }
        }
        // The longest first: one may be a part of another.
        values.sort_by(|one, other| (other.0.len(), &other.0).cmp(&(one.0.len(), &one.0)));
        Hidden { values }
    }

    /// The value without them.
    fn out_of(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                let hide = |text: String, (value, name): &(String, String)| {
                    if text.contains(value.as_str()) { text.replace(value, name) } else { text }
                };
                Value::String(self.values.iter().fold(text, hide))
            }
            Value::Array(values) => values.into_iter().map(|it| self.out_of(it)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (key, self.out_of(value))).collect()
            }
            other => other,
        }
    }
}

/// A specification as a map; it always is one.
fn object(of: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(of) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
