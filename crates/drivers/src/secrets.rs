//! The secrets of an installation, as its releases' records hold them.

use crate::layout::Layout;
use model::{redact::secrets_of, service::EnvironmentSpec};
use serde::Deserialize;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Of a record only this is asked, so that one of another version is read too.
#[derive(Deserialize)]
struct Record {
    spec: EnvironmentSpec,
}

/// Names and values of all secrets that a release is kept with.  Records that cannot be read are
/// left out: whoever may not read them shows nothing of them either.
pub fn known(layout: &Layout) -> BTreeSet<(String, String)> {
    let projects = entries(&layout.root().join("projects"));
    let environments = projects.iter().flat_map(entries);
    let records = environments.flat_map(|it| entries(&it.join("records")));
    records
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        .filter_map(|it| serde_json::from_slice::<Record>(&fs::read(it).ok()?).ok())
        .flat_map(|it| secrets_of(&it.spec))
        .collect()
}

fn entries(directory: &PathBuf) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|it| it.path()).collect()
}
