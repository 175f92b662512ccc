//! What is in force and how it changes: installs, confirmations, probations.  One thread, so that
//! every change is made under one lock by nature.

mod build;
mod claims;
mod drain;
pub(crate) mod edge;
mod elders;
mod install;
pub(crate) mod lately;
pub(crate) mod lead;
mod load;
mod marker;
pub(crate) mod monitor;
mod socket;
mod status;

pub(crate) use load::load;
pub(crate) use socket::{bind, serve, unbind};

use crate::limits::ALERTS_MAX;
use crate::links;
use crate::plane::Plane;
use crate::plane::connection::Door;
use crate::plane::hold::HoldGate;
use crate::plane::instance::{Instance, Release};
use crate::plane::table::Table;
use crate::probation::error_test::ErrorTest;
use crate::probation::trial::{Baseline, Trial};
use crate::route_file::{FellBack, RouteFile};
use lead::Standing;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The proxy without its traffic.
pub(crate) struct Controller {
    /// The state directory.
    pub(crate) root: PathBuf,
    pub(crate) plane: Arc<Plane>,
    pub(crate) state: RefCell<State>,
    /// Drawn at start.
    pub(crate) nonce: String,
    pub(crate) started: Instant,
    pub(crate) addresses: Vec<String>,
    pub(crate) listeners: Arc<[TcpListener]>,
    pub(crate) standing: Cell<Standing>,
    /// `standing` has changed.
    pub(crate) turned: Notify,
    /// Held while this proxy leads.
    pub(crate) lock: RefCell<Option<File>>,
}

/// All environments, and what they share.
pub(crate) struct State {
    /// Of the route files.
    directory: PathBuf,
    threads: usize,
    environments: BTreeMap<String, Environment>,
    /// By id, address and release: what is served anew is counted anew.
    instances: HashMap<(String, String, String), Arc<Instance>>,
    /// By environment and release id.
    releases: BTreeMap<(String, String), Arc<Release>>,
    /// Gates of the table in force.
    gates: Vec<Arc<HoldGate>>,
    /// The highest that any daemon named.
    epoch: u64,
    /// Of which environment, and what.
    alerts: VecDeque<(String, String)>,
    next_instance: u64,
    edges: edge::Edges,
}

/// One environment.
struct Environment {
    /// In force.
    file: Arc<RouteFile>,
    /// The highest generation that was ever on disk.
    highest: u64,
    /// The highest epoch of an accepted file.
    epoch: u64,
    fell_back: Option<FellBack>,
    probation: Option<Underway>,
    gate: Option<Arc<HoldGate>>,
}

/// A probation that has not ended.
struct Underway {
    /// `None` where its file is lost; then there is no way back.
    fallback: Option<Arc<RouteFile>>,
    trial: Arc<Trial>,
    baseline: Baseline,
    expires_at: Instant,
}

impl Environment {
    /// Puts `file` in force, without a probation.
    fn settle(&mut self, file: Arc<RouteFile>) {
        self.gate = file.hold.as_ref().map(|hold| Arc::new(HoldGate::new(hold)));
        self.highest = self.highest.max(file.generation);
        self.file = file;
        self.probation = None;
    }
}

impl State {
    pub(crate) fn new(directory: PathBuf, threads: usize) -> Self {
        State {
            directory,
            threads,
            environments: BTreeMap::new(),
            instances: HashMap::new(),
            releases: BTreeMap::new(),
            gates: Vec::new(),
            epoch: 0,
            alerts: VecDeque::new(),
            next_instance: 1,
            edges: edge::Edges::default(),
        }
    }

    fn alert(&mut self, environment: &str, text: String) {
        tracing::error!(environment, "{text}");
        if self.alerts.iter().any(|(_, known)| *known == text) {
            return;
        }
        if self.alerts.len() == ALERTS_MAX {
            self.alerts.pop_front();
        }
        self.alerts.push_back((environment.to_owned(), text));
    }

    /// What was wrong with an environment is over.
    fn clear_alerts(&mut self, environment: &str) {
        self.alerts.retain(|(of, _)| of != environment);
    }

    /// Begins the probation of `file`, which is about to be in force, against `fallback`.
    fn underway(&mut self, file: &RouteFile, fallback: Option<Arc<RouteFile>>) -> Option<Underway> {
        let probation = file.probation.as_ref()?;
        let old = fallback.iter().flat_map(|file| file.targets());
        let mut ids: Vec<&str> = old.map(|target| target.release.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let of = |id: &&str| self.releases.get(&(file.environment.clone(), (*id).to_owned()));
        let baseline = Baseline::of(ids.iter().filter_map(of).cloned().collect());
        let (requests, failures) = baseline.record();
        let test = ErrorTest::against(requests, failures);
        Some(Underway {
            fallback,
            trial: Arc::new(Trial::new(self.threads, test)),
            baseline,
            expires_at: Instant::now() + Duration::from_millis(probation.expires_ms),
        })
    }
}

impl Controller {
    /// Makes the state's table the one in force.  What it no longer names is left to
    /// [`Controller::settled`].
    fn publish(&self) {
        let mut state = self.state.borrow_mut();
        let table = build::table(&mut state);
        self.plane.table.store(Arc::new(table));
        self.lead_links(&mut state);
        let gates: Vec<Arc<HoldGate>> =
            state.environments.values().filter_map(|kept| kept.gate.clone()).collect();
        let before = std::mem::replace(&mut state.gates, gates);
        for gate in before {
            if !state.gates.iter().any(|other| Arc::ptr_eq(other, &gate)) {
                gate.release();
            }
        }
    }

    /// Leads all links as what is in force says.  What cannot be led is told, and no reason to
    /// serve otherwise: who comes by an old link is served until a drain's deadline, and who finds
    /// nobody behind one asks us.
    fn lead_links(&self, state: &mut State) {
        if self.lock.borrow().is_none() {
            // Another proxy leads.
            return;
        }
        let failed: Vec<(String, String)> = state
            .environments
            .iter()
            .filter_map(|(name, known)| {
                let open = state.edges.policy(name).maintenance.is_none();
                let error = links::lead(&self.root, &known.file, open).err()?;
                Some((name.clone(), format!("{name}: its links cannot be led anew: {error}")))
            })
            .collect();
        for (name, text) in failed {
            state.alert(&name, text);
        }
    }

    /// Waits until every thread serves by the table in force, and closes idle connections to what
    /// it does not name.  `false` if a thread is stuck.
    async fn settled(&self) -> bool {
        let settled = self.plane.turn().await;
        let unrouted: Vec<u64> = {
            let state = self.state.borrow();
            let instances = state.instances.values();
            let unrouted = instances.filter(|i| !i.routed.load(Ordering::Relaxed));
            unrouted.map(|instance| instance.number).collect()
        };
        if !unrouted.is_empty() {
            self.plane.forget(&unrouted);
        }
        elders::follow(self).await;
        settled
    }

    /// Each listener with the way it is come in by, which its address says.
    pub(crate) fn doors(&self) -> io::Result<Vec<(TcpListener, Door)>> {
        let pairs = self.listeners.iter().zip(&self.addresses);
        pairs.map(|(listener, address)| Ok((listener.try_clone()?, Door::of(address)))).collect()
    }
}

/// The table of a state that was just loaded, before any thread runs.
pub(crate) fn first_table(state: &mut State) -> Table {
    let table = build::table(state);
    state.gates = state.environments.values().filter_map(|kept| kept.gate.clone()).collect();
    table
}
