//! No two environments serve the same host and path.

use super::State;
use crate::plane::table::normal_prefix;
use crate::route_file::RouteFile;
use std::collections::HashMap;

/// Which environment has which host and path.
#[derive(Default)]
pub(super) struct Claims(HashMap<(String, String), String>);

impl Claims {
    /// The claims of all environments but `name`, also of what they may return to.
    pub(super) fn of_others(state: &State, name: &str) -> Self {
        let mut claims = Claims::default();
        for (_, other) in state.environments.iter().filter(|(other, _)| *other != name) {
            let fallback = other.probation.as_ref().and_then(|under| under.fallback.as_ref());
            for file in std::iter::once(&other.file).chain(fallback) {
                claims.0.extend(claims_of(file));
            }
        }
        claims
    }

    /// Adds the claims of `file`, or says in words which are taken by another environment.
    pub(super) fn add(&mut self, file: &RouteFile) -> Result<(), String> {
        for (key, name) in claims_of(file) {
            if let Some(owner) = self.0.get(&key).filter(|owner| **owner != name) {
                let (host, path) = key;
                return Err(format!("{host}{path}/ is already served by {owner}"));
            }
        }
        self.0.extend(claims_of(file));
        Ok(())
    }
}

fn claims_of(file: &RouteFile) -> impl Iterator<Item = ((String, String), String)> {
    let mut paths: Vec<&str> = file.routes.iter().map(|r| normal_prefix(&r.path)).collect();
    if paths.is_empty() {
        // Without a route it answers for everything under its hosts.
        paths.push("");
    }
    file.hosts.iter().flat_map(move |host| {
        let claim = |path: &&str| ((host.clone(), (*path).to_owned()), file.environment.clone());
        paths.iter().map(claim).collect::<Vec<_>>()
    })
}
