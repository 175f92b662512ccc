//! Edge files in force: certificates are loaded here, looked after, and exchanged.

use super::Controller;
use crate::certificate::{self, Loaded};
use crate::challenge::Challenges;
use crate::control::{Answer, CertificateStatus, RefusalReason};
use crate::edge::{self, CertificateFiles, EdgeFile, edge_directory};
use crate::limits::{CERTIFICATE_LOOK_INTERVAL, CERTIFICATE_WARNING};
use crate::maintenance::Maintenance;
use crate::plane::secure::Certificates;
use crate::plane::table::Policy;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

/// What edge files came to.
#[derive(Default)]
pub(super) struct Edges {
    policies: BTreeMap<String, Arc<Policy>>,
    /// By environment and host.
    presented: BTreeMap<(String, String), Presented>,
    /// As they were last read whole.
    files: BTreeMap<String, EdgeFile>,
    /// Environments whose clients are told to come again.
    maintained: Vec<String>,
    /// Edge files that cannot be read, in words.
    broken: Vec<String>,
    stamps: Vec<Stamp>,
}

/// A certificate that is wanted for a host.
struct Presented {
    files: CertificateFiles,
    /// None: there is none yet, and handshakes are refused.
    loaded: Option<Loaded>,
    /// Why the files as they are now are not what is presented.
    trouble: Option<String>,
}

/// Tells a file from what it was before: device, inode, length, time of its last change.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Edges {
    pub(super) fn policy(&self, environment: &str) -> Arc<Policy> {
        self.policies.get(environment).cloned().unwrap_or_default()
    }

    /// What is wrong, or will soon be.
    pub(super) fn alerts(&self) -> Vec<String> {
        let mut alerts = self.broken.clone();
        alerts.extend(
            self.maintained
                .iter()
                .map(|it| format!("{it} is in maintenance: clients are told to come again")),
        );
        for ((_, host), it) in &self.presented {
            match (&it.trouble, &it.loaded) {
                (Some(trouble), Some(_)) => alerts.push(format!(
                    "{host}: the new certificate is not taken, the old one serves on: {trouble}"
                )),
                (Some(trouble), None) => {
                    alerts.push(format!("{host} is not served over TLS: {trouble}"));
                }
                (None, Some(loaded)) => alerts.extend(ending(host, loaded)),
                (None, None) => {}
            }
        }
        alerts
    }

    pub(super) fn certificates(&self) -> Vec<CertificateStatus> {
        let told = self.presented.iter().map(|((environment, host), it)| CertificateStatus {
            environment: environment.clone(),
            host: host.clone(),
            files: it.files.clone(),
            facts: it.loaded.as_ref().map(|it| it.facts.clone()),
            trouble: it.trouble.clone(),
        });
        told.collect()
    }

    /// Reads all anew.  What was presented before stays where the new cannot be.
    fn read(&mut self, root: &Path) -> Result<(), String> {
        let directory = edge_directory(root);
        let found = edge::read_all(root)
            .map_err(|error| format!("{} cannot be read: {error}", directory.display()))?;
        let mut on = Maintenance::read_all(root)
            .map_err(|error| format!("maintenance cannot be read: {error}"))?;
        self.maintained = on.keys().cloned().collect();
        let mut before = std::mem::take(&mut self.presented);
        self.broken.clear();
        let (mut policies, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (environment, file) in found {
            match file {
                Ok(file) => {
                    let policy = Policy::of(&file, on.remove(&environment));
                    let policy = policy.after(self.policies.get(&environment));
                    policies.insert(environment.clone(), Arc::new(policy));
                    files.insert(environment.clone(), file.clone());
                    self.present(&environment, file, &mut before);
                }
                Err(message) => {
                    self.broken.push(format!("{environment}: {message}"));
                    let file = self.files.get(&environment).cloned().unwrap_or_default();
                    let policy = Policy::of(&file, on.remove(&environment));
                    let policy = policy.after(self.policies.get(&environment));
                    policies.insert(environment.clone(), Arc::new(policy));
                    files.insert(environment.clone(), file);
                    let kept = before.extract_if(.., |(of, _), _| *of == environment);
                    self.presented.extend(kept);
                }
            }
        }
        for (environment, maintenance) in on {
            let policy = Policy::of(&EdgeFile::default(), Some(maintenance));
            policies.insert(environment, Arc::new(policy));
        }
        (self.policies, self.files) = (policies, files);
        self.stamps = self.stamps_now();
        Ok(())
    }

    fn present(
        &mut self,
        environment: &str,
        file: EdgeFile,
        before: &mut BTreeMap<(String, String), Presented>,
    ) {
        for (host, files) in file.certificates {
            let key = (environment.to_owned(), host);
            let kept = before.remove(&key).and_then(|it| it.loaded);
            let presented = match certificate::load(&files, &key.1, now_s()) {
                Ok(loaded) => Presented { files, loaded: Some(loaded), trouble: None },
                Err(trouble) => {
                    let trouble = Some(trouble.to_string());
                    Presented { files, loaded: kept, trouble }
                }
            };
            self.presented.insert(key, presented);
        }
    }

    fn stamps_now(&self) -> Vec<Stamp> {
        let files = self.presented.values().flat_map(|it| [&it.files.certificate, &it.files.key]);
        files.map(|it| stamp(it)).collect()
    }

    fn table(&self) -> Certificates {
        let mut table = Certificates::default();
        for ((_, host), presented) in &self.presented {
            if let Some(loaded) = &presented.loaded {
                table.insert(host, loaded.certified.clone());
            }
        }
        table
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

fn ending(host: &str, loaded: &Loaded) -> Option<String> {
    let left_s = loaded.facts.ends_at_s - now_s();
    // One that is good for days only is renewed in its last third.
    let quarter_s = (loaded.facts.ends_at_s - loaded.facts.begins_at_s) / 4;
    let warns = left_s < CERTIFICATE_WARNING.as_secs().cast_signed().min(quarter_s);
    warns.then(|| match left_s / (24 * 3600) {
        _ if left_s < 0 => format!("{host}: its certificate has ended; renew it"),
        0 => format!("{host}: its certificate ends today; renew it"),
        days => format!("{host}: its certificate ends in {days} days; renew it"),
    })
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Controller {
    /// Reads edge files and certificates, and serves by them.
    pub(crate) fn read_edges(&self) -> Result<(), String> {
        let table = {
            let mut state = self.state.borrow_mut();
            state.edges.read(&self.root)?;
            let (challenges, broken) = Challenges::read_all(&self.root);
            state.edges.broken.extend(broken);
            let mut table = state.edges.table();
            table.challenges = challenges;
            table
        };
        self.plane.certificates.store(Arc::new(table));
        self.publish();
        Ok(())
    }
}

/// Answers with what is presented now, and what is wrong with it.
pub(super) fn reload(controller: &Controller) -> Answer {
    match controller.read_edges() {
        Ok(()) => Answer::Edges {
            certificates: controller.state.borrow().edges.certificates(),
            broken: controller.state.borrow().edges.broken.clone(),
        },
        Err(message) => Answer::Refused { reason: RefusalReason::Disk, message },
    }
}

/// Takes certificates that were exchanged on disk, until it is dropped.
pub(crate) async fn watch(controller: Rc<Controller>) {
    loop {
        sleep(CERTIFICATE_LOOK_INTERVAL).await;
        let changed = {
            let state = controller.state.borrow();
            state.edges.stamps_now() != state.edges.stamps
        };
        if !changed {
            continue;
        }
        match controller.read_edges() {
            Ok(()) => tracing::info!("certificates were read anew"),
            Err(error) => tracing::warn!(error, "certificates cannot be read anew"),
        }
    }
}
