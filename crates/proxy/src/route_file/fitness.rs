//! Whether what a route file says can be served.

use super::{FORMAT, Files, RouteFile};
use crate::address::Address;
use crate::http1::host;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Longest name of an environment.
const NAME_BYTES_MAX: usize = 200;

/// Whether `name` can be an environment's: it becomes a part of file names.
pub fn is_environment_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.contains("..")
        && name.bytes().all(allowed)
}

impl RouteFile {
    /// `Err` says in words what cannot be served.
    pub(super) fn check_fitness(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}, the one known here", self.format));
        }
        if !is_environment_name(&self.environment) {
            return Err("the environment's name is not valid".to_owned());
        }
        for name in &self.hosts {
            let normal = host::normalise(name);
            if name != "*" && normal.as_deref() != Some(name) {
                return Err(format!("'{name}' is not a host name in lower case without a port"));
            }
        }
        self.check_routes()?;
        let earlier = |generation: u64| generation < self.generation;
        if self.probation.as_ref().is_some_and(|probation| !earlier(probation.fallback)) {
            return Err("it would fall back to a generation that is not an earlier one".to_owned());
        }
        if self.confirms.as_ref().is_some_and(|confirms| !earlier(confirms.generation)) {
            return Err("it confirms a generation that is not an earlier one".to_owned());
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), String> {
        let mut paths = BTreeSet::new();
        for route in &self.routes {
            if !route.path.starts_with('/') || route.path.contains(['?', '#', ' ']) {
                return Err(format!("'{}' is not a path prefix", route.path));
            }
            if !paths.insert(crate::plane::table::normal_prefix(&route.path)) {
                return Err(format!("the path '{}' is routed twice", route.path));
            }
            for target in &route.targets {
                if let Some(files) = &target.files {
                    check_files(files)?;
                }
                target.address.parse::<Address>()?;
            }
        }
        Ok(())
    }
}

fn check_files(files: &Files) -> Result<(), String> {
    let whole = files.roots.iter().map(|it| &it.release).chain(&files.shared);
    if let Some(path) = whole.into_iter().find(|it| !Path::new(it).is_absolute()) {
        return Err(format!("'{path}' is not an absolute path"));
    }
    if files.roots.is_empty() {
        return Err("files are served from no directory".to_owned());
    }
    let parts = files.roots.iter().map(|it| &it.directory);
    let mut parts = parts.chain(&files.index).chain(&files.fallback);
    let is_within =
        |path: &&String| Path::new(path).components().all(|it| matches!(it, Component::Normal(_)));
    match parts.find(|it| !is_within(it)) {
        Some(path) => Err(format!("'{path}' does not stay in its directory")),
        None => Ok(()),
    }
}
