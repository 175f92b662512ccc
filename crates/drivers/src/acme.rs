//! Certificates that an authority issues: asked for, renewed, and looked at.
//!
//! Each host has one of its own, in a file that is exchanged whole.  What serves is never touched
//! by what fails here.

mod account;
mod lock;
mod order;
mod pace;
mod record;
mod report;
mod wanted;
mod wire;

pub use report::{Report, alerts, reports};
pub(crate) use wanted::want;

use crate::{clock::unix_ms, layout::Layout};
use model::{
    edge::Acme,
    failure::{Blame, Failure},
    renewal::Life,
};
use order::Trouble;
use proxy::{
    certificate, challenge::issued_path, client::ask_async, control::Ask, edge::CertificateFiles,
};
use record::Record;
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// For the proxy to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Has certificates issued, in this process.
#[derive(Clone, Debug)]
pub struct Certificates {
    layout: Layout,
    /// What was found in files, by host, and of which state of the file.
    seen: Arc<Mutex<BTreeMap<String, (Stamp, Found)>>>,
}

/// What became of a host.
#[derive(Debug)]
pub struct Renewed {
    /// It.
    pub host: String,
    /// Until when its new certificate is good, in Unix seconds, or why there is none.
    pub outcome: Result<i64, Failure>,
}

/// Tells a file from what it was before: inode, length, time of its last change.
type Stamp = Option<(u64, u64, i64, i64)>;

/// What the file of a host holds.
#[derive(Clone, Debug)]
enum Found {
    Good(Life),
    /// Nothing that could be presented.
    Nothing,
    /// It cannot be known: another would not be read either.
    Unreadable(String),
}

impl Certificates {
    /// Of a state directory.
    pub fn new(layout: Layout) -> Certificates {
        Certificates { layout, seen: Arc::default() }
    }

    /// Asks for what is due, one after the other; where nobody wants any, nothing is done.
    ///
    /// # Errors
    ///
    /// When the state directory cannot be read or written.  What an authority says goes into the
    /// host's record.
    pub async fn tend(&self) -> Result<(), Failure> {
        let wanted = wanted::read_all(self.layout.root())?;
        if wanted.is_empty() {
            return Ok(());
        }
        for (host, acme) in wanted {
            let Some(_held) = lock::take(self.layout.root())? else { return Ok(()) };
            let record = self.record(&host, &acme)?;
            let now_s = now_s();
            if record.standing.due_at_s(&host, now_s) > now_s || !self.is_served().await {
                continue;
            }
            match self.ask(&host, &acme, record).await? {
                Ok(ends_at_s) => tracing::info!(host, ends_at_s, "a certificate was issued"),
                Err(failure) => tracing::warn!(host, "failed to {}", failure.message),
            }
        }
        Ok(())
    }

    /// Asks at once: for this host, else for all that are due or have failed.
    ///
    /// # Errors
    ///
    /// When it cannot be begun.
    pub async fn renew(&self, host: Option<&str>) -> Result<Vec<Renewed>, Failure> {
        let wanted = wanted::read_all(self.layout.root())?;
        if let Some(host) = host.filter(|it| !wanted.contains_key(*it)) {
            return Err(unknown(host, &wanted));
        }
        let Some(_held) = lock::take_within(self.layout.root()).await? else {
            let message = "have certificates issued: another process is at it";
            return Err(Failure::new(Blame::Request, message)
                .hint("`cutover cert list` shows what came of it, in a minute"));
        };
        if !self.is_served().await {
            let message = "have certificates issued: the proxy, which proves whose a host is, does \
                           not run";
            return Err(
                Failure::new(Blame::Platform, message).hint("`cutover proxy start` starts it")
            );
        }
        let mut all = vec![];
        for (name, acme) in wanted {
            let record = self.record(&name, &acme)?;
            let now_s = now_s();
            let due =
                record.standing.failures > 0 || record.standing.due_at_s(&name, now_s) <= now_s;
            let asked = host.map_or(due, |it| it == name);
            if !asked {
                continue;
            }
            let outcome = match record.standing.is_spent(now_s) {
                true => Err(spent(&name)),
                false => self.ask(&name, &acme, record).await?,
            };
            all.push(Renewed { host: name, outcome });
        }
        Ok(all)
    }

    /// One try.  It counts before it begins, so that one that ends in a crash counts as well.
    async fn ask(
        &self,
        host: &str,
        acme: &Acme,
        mut record: Record,
    ) -> Result<Result<i64, Failure>, Failure> {
        let root = self.layout.root();
        let Some(()) = pace::take(root, now_s())? else {
            let message = format!("have a certificate issued for {host}: too many were ordered");
            return Ok(Err(Failure::new(Blame::Platform, message)
                .hint("authorities limit orders; it goes on by itself within three hours")));
        };
        if let Found::Unreadable(why) = self.found(host) {
            record.standing.begin(now_s());
            record.error = Some(why.clone());
            record.write(root, host)?;
            let message = format!("renew the certificate of {host}: {why}");
            return Ok(Err(Failure::new(Blame::Platform, message)));
        }
        record.standing.begin(now_s());
        record.write(root, host)?;
        let outcome = order::issue(root, host, acme).await;
        match outcome {
            Ok(life) => {
                record.standing.succeed(life, now_s());
                record.error = None;
                record.write(root, host)?;
                Ok(Ok(life.ends_at_s))
            }
            Err(Trouble { what, not_before_s, hint }) => {
                record.standing.not_before_s = not_before_s;
                record.error = Some(what.clone());
                record.write(root, host)?;
                let message = format!("have a certificate issued for {host}: {what}");
                let failure = Failure::new(Blame::Platform, message);
                Ok(Err(hint.into_iter().fold(failure, |failure, it| failure.hint(it))))
            }
        }
    }

    /// What is known of the host; how long its certificate lasts is the file's word.
    fn record(&self, host: &str, acme: &Acme) -> Result<Record, Failure> {
        let mut record = Record::read(self.layout.root(), host)?.unwrap_or_default();
        if record.directory != acme.directory {
            // Another authority: what the one before issued was a trial, or is to be left.
            record = Record::default();
            record.directory.clone_from(&acme.directory);
            return Ok(record);
        }
        record.standing.life = match self.found(host) {
            Found::Good(life) => Some(life),
            Found::Nothing => None,
            Found::Unreadable(_) => record.standing.life,
        };
        Ok(record)
    }

    /// Reads the file where it is another than before.
    fn found(&self, host: &str) -> Found {
        let path = issued_path(self.layout.root(), host);
        let stamp = stamp(&path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(host) {
            Some((of, found)) if *of == stamp => found.clone(),
            _ => {
                let found = look(&path, host);
                seen.insert(host.to_owned(), (stamp, found.clone()));
                found
            }
        }
    }

    async fn is_served(&self) -> bool {
        ask_async(self.layout.root(), &Ask::Status, ANSWER_WAIT).await.is_ok()
    }
}

fn look(path: &Path, host: &str) -> Found {
    let files = CertificateFiles { certificate: path.to_owned(), key: path.to_owned() };
    match certificate::look(&files, host, now_s()) {
        Ok(facts) => {
            Found::Good(Life { begins_at_s: facts.begins_at_s, ends_at_s: facts.ends_at_s })
        }
        Err(trouble @ certificate::Trouble::Unreadable { .. }) => {
            Found::Unreadable(trouble.to_string())
        }
        Err(_) => Found::Nothing,
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

fn unknown(host: &str, wanted: &BTreeMap<String, Acme>) -> Failure {
    let shown = host.escape_debug();
    let message = format!("renew the certificate of {shown}: no authority is to issue it");
    let failure = Failure::new(Blame::Request, message);
    if wanted.is_empty() {
        return failure.hint(
            "set `proxy: { https: { acme: … } }`, and put it in force by `cutover cert reload`",
        );
    }
    let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    failure.hint(format!("those that are issued: {}", names.join(", ")))
}

fn spent(host: &str) -> Failure {
    let message = format!(
        "renew the certificate of {host}: {} were issued within a week, and no more are taken",
        model::renewal::ISSUED_MAX
    );
    Failure::new(Blame::Request, message)
        .hint("the one that serves is good; see `cutover cert list`")
}

/// Unix time in seconds.
fn now_s() -> i64 {
    i64::try_from(unix_ms() / 1000).unwrap_or(i64::MAX)
}

/// Whoever reads it, it is only ever one line of what a terminal shows.
fn printable(text: &str) -> String {
    const CHARACTERS_MAX: usize = 400;
    let clean = text.chars().map(|it| if it.is_control() { ' ' } else { it });
    clean.take(CHARACTERS_MAX).collect()
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
