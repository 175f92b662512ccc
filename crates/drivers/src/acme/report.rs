//! How certificates of an authority stand, for people.

use super::{Found, look, now_s, record::Record, wanted};
use model::{
    failure::Failure,
    renewal::{Standing, renews_at_s},
};
use proxy::challenge::issued_path;
use serde::Serialize;
use std::path::Path;

/// How the certificate of a host stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// It.
    pub host: String,
    /// The address of the authority's directory.
    pub directory: String,
    /// Until when it is good, in Unix seconds; none: there is none.
    pub ends_at_s: Option<i64>,
    /// When it is asked for next, in Unix seconds.
    pub next_at_s: i64,
    /// Tries that failed since the last that did not.
    pub failures: u32,
    /// Whether it should have been issued by now.
    pub is_due: bool,
    /// Why the last of them failed.
    pub error: Option<String>,
}

/// All hosts that an authority is to issue a certificate for.
///
/// # Errors
///
/// When the state directory cannot be read.
pub fn reports(root: &Path) -> Result<Vec<Report>, Failure> {
    let now_s = now_s();
    let one = |(host, acme): (String, model::edge::Acme)| {
        let record = Record::read(root, &host)?.filter(|it| it.directory == acme.directory);
        let record = record.unwrap_or_default();
        let found = match look(&issued_path(root, &host), &host) {
            Found::Good(life) => Some(life),
            Found::Nothing | Found::Unreadable(_) => None,
        };
        let is_its = record.directory == acme.directory;
        let standing = Standing { life: found.filter(|_| is_its), ..record.standing };
        Ok(Report {
            directory: acme.directory,
            ends_at_s: found.map(|it| it.ends_at_s),
            is_due: standing.life.is_none_or(|it| renews_at_s(it, &host) <= now_s),
            next_at_s: standing.due_at_s(&host, now_s),
            failures: if record.error.is_some() { standing.failures } else { 0 },
            error: record.error,
            host,
        })
    };
    wanted::read_all(root)?.into_iter().map(one).collect()
}

/// What somebody should know of them.
pub fn alerts(root: &Path) -> Vec<String> {
    let found = match reports(root) {
        Ok(found) => found,
        Err(failure) => return vec![format!("certificates: failed to {}", failure.message)],
    };
    // Somebody asked for more than was due, and was told.
    let due = found.into_iter().filter(|it| it.is_due);
    let bad = due.filter_map(|it| Some((it.host, it.next_at_s, it.error?)));
    bad.map(|(host, next_at_s, error)| {
        let when = jiff::Timestamp::from_second(next_at_s).ok();
        let when = when.map_or_else(String::new, |it| it.strftime(" at %F %R UTC").to_string());
        format!("{host}: no certificate was issued: {error}; it is tried again{when}")
    })
    .collect()
}
