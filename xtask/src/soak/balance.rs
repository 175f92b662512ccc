//! Each release's requests, as the clients counted them and as the proxy did.

use crate::control::{self, Counters};
use anyhow::{Context, Result};
use std::{collections::BTreeMap, time::Duration};
use testkit::{
    load::Summary,
    stand::{Stand, TARGET},
    time::within,
};

/// What is in flight when the load ends has an end within this.
const SETTLE: Duration = Duration::from_secs(20);

/// Both sides' counts.
#[derive(Debug, Default)]
pub struct Balance {
    /// The versions of releases, as the status named them.
    versions: BTreeMap<String, String>,
    /// By release id: the proxy forgets those that left long ago, so the last word is kept.
    proxy: BTreeMap<String, Counters>,
    clients: BTreeMap<String, u64>,
}

/// One release, counted twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub version: String,
    /// As the clients say.
    pub clients: u64,
    /// As the proxy says.
    pub proxy: u64,
}

impl Balance {
    /// Asks the proxy, and the status for the names.
    ///
    /// # Errors
    /// If the proxy does not answer.
    pub fn look(&mut self, stand: &Stand) -> Result<()> {
        let environment = stand.environment();
        let serving = environment["serving"].as_array().cloned().unwrap_or_default();
        for label in &serving {
            if let (Some(id), Some(version)) = (label["id"].as_str(), label["version"].as_str()) {
                self.versions.insert(id.to_owned(), version.to_owned());
            }
        }
        self.ask(stand)
    }

    fn ask(&mut self, stand: &Stand) -> Result<()> {
        let status = control::status(&stand.root)?;
        let name = TARGET.replace('/', ".");
        let environment = status.environments.get(&name);
        let environment =
            environment.with_context(|| format!("the proxy does not serve {name}"))?;
        for (id, counters) in &environment.releases {
            self.proxy.insert(id.clone(), counters.clone());
        }
        Ok(())
    }

    /// Takes the clients' sum, and gives the proxy time to see the last connections end.
    ///
    /// # Errors
    /// If the proxy does not answer.
    pub fn settle(&mut self, stand: &Stand, summary: &Summary) -> Result<()> {
        let versions = summary.versions.iter();
        self.clients = versions.map(|(version, it)| (version.clone(), it.requests)).collect();
        for stream in &summary.streams {
            let version = stream.version.clone().unwrap_or_else(|| "unknown".to_owned());
            *self.clients.entry(version).or_default() += 1;
        }
        let mut asked = self.ask(stand);
        let even = within(SETTLE, || {
            asked = self.ask(stand);
            self.differences().is_empty().then_some(())
        });
        // What never became even is reported as it stands.
        let _ = even;
        asked
    }

    /// Releases of which the two sides say something else.
    pub fn differences(&self) -> Vec<Difference> {
        let mut proxy: BTreeMap<&str, u64> = BTreeMap::new();
        for (id, counters) in &self.proxy {
            let version = self.versions.get(id).map_or(id.as_str(), String::as_str);
            *proxy.entry(version).or_default() += counters.ended();
        }
        let mut names: Vec<&str> = proxy.keys().copied().collect();
        names.extend(self.clients.keys().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let all = names.into_iter().map(|version| Difference {
            version: version.to_owned(),
            clients: self.clients.get(version).copied().unwrap_or(0),
            proxy: proxy.get(version).copied().unwrap_or(0),
        });
        all.filter(|it| it.clients != it.proxy).collect()
    }

    /// The clients' and the proxy's sums over all releases.
    pub fn sums(&self) -> (u64, u64) {
        let proxy = self.proxy.values().map(Counters::ended).sum();
        (self.clients.values().sum(), proxy)
    }

    /// Answered with 5xx, or by the proxy itself; and sent once more.
    pub fn failed_and_retried(&self) -> (u64, u64) {
        let failed = self.proxy.values().map(|it| it.by_class[5] + it.unanswered).sum();
        (failed, self.proxy.values().map(|it| it.retried).sum())
    }

    /// Releases that were counted.
    pub fn releases(&self) -> usize {
        self.proxy.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_release_that_is_out_of_balance() {
        let counters = |completed, aborted| Counters { completed, aborted, ..Counters::default() };
        let text = |it: &str| it.to_owned();
        let balance = Balance {
            versions: [(text("r1"), text("1.0.1")), (text("r2"), text("1.0.2"))].into(),
            proxy: [(text("r1"), counters(9, 1)), (text("r2"), counters(4, 0))].into(),
            clients: [(text("1.0.1"), 10), (text("1.0.2"), 5)].into(),
        };
        let found = balance.differences();
        assert_eq!(found, [Difference { version: text("1.0.2"), clients: 5, proxy: 4 }]);
        assert_eq!(balance.sums(), (15, 14));
    }
}
