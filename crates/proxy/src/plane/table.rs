//! The route table: immutable, looked up by every request, replaced whole.

use super::hold::HoldGate;
use super::instance::Instance;
use crate::access::Format;
use crate::edge::EdgeFile;
use crate::http1::protection::Protection;
use crate::maintenance::Maintenance;
use crate::probation::trial::Trial;
use crate::rate::Limiter;
use std::collections::HashMap;
use std::sync::Arc;

/// All that is served.
#[derive(Default)]
pub(crate) struct Table {
    hosts: HashMap<String, Vec<Prefix>>,
}

/// One path prefix of one host.
#[derive(Clone)]
pub(crate) struct Prefix {
    /// Without a slash at the end; empty for the root.
    pub(crate) path: String,
    pub(crate) environment: Arc<Environment>,
    /// `None` where the environment serves nothing now.
    pub(crate) route: Option<Arc<Route>>,
}

/// What all routes of an environment share.
pub(crate) struct Environment {
    pub(crate) hold: Option<Arc<HoldGate>>,
    pub(crate) trial: Option<Arc<Trial>>,
    pub(crate) policy: Arc<Policy>,
}

/// What the proxy does of itself for an environment.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    redirect: bool,
    protection: Protection,
    /// Clients are told to come again.
    pub(crate) maintenance: Option<Maintenance>,
    /// How requests are logged.
    pub(crate) access: Option<Format>,
    /// Who may send how many requests.
    pub(crate) limiter: Option<Arc<Limiter>>,
}

impl Policy {
    pub(crate) fn of(file: &EdgeFile, maintenance: Option<Maintenance>) -> Self {
        let protection = Protection { fields: file.protects, hsts_s: file.hsts_s };
        let limiter = file.rate.map(|rate| Arc::new(Limiter::new(rate)));
        let access = file.access_log;
        Policy { redirect: file.redirect, protection, maintenance, access, limiter }
    }

    /// Counts on where the one before it counted by the same rate.
    pub(crate) fn after(mut self, before: Option<&Arc<Policy>>) -> Self {
        let kept = before.and_then(|it| it.limiter.clone());
        if let (Some(kept), Some(new)) = (kept, &self.limiter)
            && kept.rate == new.rate
        {
            self.limiter = Some(kept);
        }
        self
    }

    /// Whether clear requests are led to TLS.
    pub(crate) fn redirects(&self) -> bool {
        self.redirect
    }

    /// What a response gets; over clear HTTP a word on transport is none that counts.
    pub(crate) fn protection(&self, is_secure: bool) -> Protection {
        let hsts_s = if is_secure { self.protection.hsts_s } else { 0 };
        Protection { hsts_s, ..self.protection }
    }
}

/// Where the requests of one prefix go.
pub(crate) struct Route {
    pub(crate) targets: Vec<Target>,
    /// Takes over, in probation, where no target takes a connection.
    pub(crate) rescue: Vec<Target>,
    pub(crate) keepalive: bool,
}

/// One instance with its share.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) instance: Arc<Instance>,
    pub(crate) weight: u32,
    /// New in a generation on probation.
    pub(crate) on_trial: bool,
}

impl Table {
    /// Adds a prefix of `host`.
    pub(crate) fn insert(&mut self, host: &str, prefix: Prefix) {
        let prefixes = self.hosts.entry(host.to_owned()).or_default();
        let at = prefixes.partition_point(|other| other.path.len() >= prefix.path.len());
        prefixes.insert(at, prefix);
    }

    /// The longest prefix of `path` that is served for `host`.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Prefix> {
        let prefixes = self.hosts.get(host).or_else(|| self.hosts.get("*"))?;
        prefixes.iter().find(|prefix| covers(&prefix.path, path))
    }
}

/// Whether `path` is `prefix` or below it.
pub(crate) fn covers(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.is_empty(),
        None => false,
    }
}

/// A path prefix in the form that is compared.
pub(crate) fn normal_prefix(path: &str) -> &str {
    path.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_segments() {
        for (prefix, path, expected) in [
            ("/", "/", true),
            ("/", "/anything", true),
            ("/", "*", true),
            ("/api", "/api", true),
            ("/api", "/api/", true),
            ("/api", "/api/x", true),
            ("/api", "/apiary", false),
            ("/api/", "/api", true),
            ("/api/", "/api/x", true),
            ("/api", "/", false),
            ("/api", "/API", false),
        ] {
            assert_eq!(covers(normal_prefix(prefix), path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn the_longest_prefix_and_the_exact_host_win() {
        let environment = Arc::new(Environment { hold: None, trial: None, policy: Arc::default() });
        let prefix = |path: &str| Prefix {
            path: normal_prefix(path).to_owned(),
            environment: environment.clone(),
            route: None,
        };
        let mut table = Table::default();
        for path in ["/api", "/", "/api/v2", "/b"] {
            table.insert("a.test", prefix(path));
        }
        table.insert("b.test", prefix("/only"));
        table.insert("*", prefix("/star"));
        let find = |host, path| table.find(host, path).map(|found| found.path.as_str());
        assert_eq!(find("a.test", "/api/v2/x"), Some("/api/v2"));
        assert_eq!(find("a.test", "/api/v1"), Some("/api"));
        assert_eq!(find("a.test", "/x"), Some(""));
        assert_eq!(find("b.test", "/x"), None);
        assert_eq!(find("b.test", "/star"), None);
        assert_eq!(find("c.test", "/star/x"), Some("/star"));
    }
}
