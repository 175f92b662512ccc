//! Which crate may use which: the table that keeps decisions apart from effects.

use crate::program;
use anyhow::Result;
use serde::Deserialize;

/// A crate of ours, and the crates of ours that it may use.
const EDGES: [(&str, &[&str]); 12] = [
    ("cutover-model", &[]),
    ("cutover-config", &["cutover-model"]),
    ("cutover-engine", &["cutover-model"]),
    ("cutover-supervise", &["cutover-model"]),
    ("cutover-proxy", &[]),
    ("cutover-drivers", &["cutover-model", "cutover-engine", "cutover-proxy", "cutover-supervise"]),
    ("cutover-store", &["cutover-model", "cutover-engine"]),
    (
        "cutover-daemon",
        &[
            "cutover-model",
            "cutover-engine",
            "cutover-drivers",
            "cutover-store",
            "cutover-config",
            "cutover-proxy",
            "cutover-supervise",
        ],
    ),
    (
        "cutover",
        &[
            "cutover-model",
            "cutover-config",
            "cutover-engine",
            "cutover-supervise",
            "cutover-drivers",
            "cutover-proxy",
            "cutover-store",
            "cutover-daemon",
        ],
    ),
    ("cutover-testkit", &[]),
    ("example-app", &[]),
    ("xtask", &["cutover-testkit"]),
];

/// Tests may use what makes worlds and loads.
const DEVELOPMENT_ONLY: [&str; 1] = ["cutover-testkit"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// Each edge that is not in the table, and each crate that is not.
pub fn breaches() -> Result<Vec<String>> {
    let text = program::read("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    let mut breaches = vec![];
    for package in &metadata.packages {
        let Some((_, allowed)) = EDGES.iter().find(|it| it.0 == package.name) else {
            breaches.push(format!("{}: not in the table of allowed edges", package.name));
            continue;
        };
        for used in package.dependencies.iter().filter(|it| it.path.is_some()) {
            let development = used.kind.as_deref() == Some("dev");
            let kit = development && DEVELOPMENT_ONLY.contains(&used.name.as_str());
            if !kit && !allowed.contains(&used.name.as_str()) {
                breaches.push(format!("{}: may not use {}", package.name, used.name));
            }
        }
    }
    Ok(breaches)
}
