//! All there is in the world, and what must hold after each call.

use crate::{
    backups::Backup,
    migrations::{Fate, Process},
};
use model::{
    backup::BackupName,
    control::Marks,
    deployment::{DeploymentRecord, News, Stage},
    failure::{Blame, Failure},
    id::{DeploymentId, Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::{Ledger, Outcome, Record},
    plan::{Plan, StagedRoutes, WayBack},
    release::{Release, Standing},
    routes::Routes,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

/// What may befall a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It does nothing and fails.
    Before,
    /// It takes effect, then fails.
    After,
    /// It takes effect, and the controller dies before it hears of it.
    Crash,
    /// The controller dies before it takes effect.
    CrashBefore,
    /// Somebody asks for an abort meanwhile.
    Abort,
    /// Somebody asks for an abort, and the controller dies.
    AbortCrash,
    /// The router falls back, where it is on probation.
    FallBack,
    FallBackCrash,
    /// What is to be tried dies, where it is not confirmed yet.
    CandidatesDie,
    /// The router is started anew.
    RouterRestarts,
    /// The machine is started anew.
    Reboot,
}

#[derive(Clone, Default)]
pub struct State {
    pub epoch: u64,
    pub now_ms: u64,
    pub calls: usize,
    pub faults: Vec<(usize, Fault)>,
    /// What speaks against links of the next release.
    pub shared_trouble: Vec<model::shared::Trouble>,
    /// The controller that makes calls is dead.
    pub dead: bool,
    /// Since the machine was started anew nobody has brought anything back yet.
    pub dark: bool,
    // The machine.
    pub running: BTreeMap<InstanceId, Instance>,
    pub exited: BTreeMap<InstanceId, Instance>,
    pub restarts: BTreeMap<InstanceId, u32>,
    pub kept: BTreeSet<InstanceId>,
    /// The next starts fail so; the last of them first.
    pub starts_fail: Vec<Failure>,
    /// Told to take no new job.
    pub quiet: BTreeSet<InstanceId>,
    // The router.
    pub routes: Option<Routes>,
    pub staged: BTreeMap<Generation, StagedRoutes>,
    pub highest: Generation,
    pub fallback: Option<Routes>,
    pub fell_back: Option<Generation>,
    pub starts: u64,
    pub held: bool,
    // The releases.
    pub releases: Vec<Release>,
    pub placed: BTreeSet<String>,
    pub prepared: Vec<String>,
    pub links: (Option<String>, Option<String>),
    pub manifest: Option<serde_json::Value>,
    // The journal.
    pub deployments: Vec<DeploymentRecord>,
    pub records: BTreeMap<DeploymentId, Vec<Record>>,
    pub reserved: Generation,
    pub standings: Vec<(ReleaseId, String, Standing)>,
    pub retired: Vec<(Instance, u64)>,
    pub leased: BTreeMap<InstanceId, u16>,
    pub marks: Marks,
    /// Builds that were run.
    pub builds: u32,
    /// They fail.
    pub bad_build: bool,
    /// Migrations, by the ids of their processes.
    pub migrations: BTreeMap<InstanceId, Process>,
    pub migrations_begun: u32,
    /// What the next ones come to.
    pub fate: Fate,
    /// Versions whose migrations the database has.
    pub schema: BTreeSet<String>,
    /// Hooks that were run, each once.
    pub hooks: Vec<(InstanceId, String)>,
    /// Names of hooks that fail.
    pub bad_hooks: BTreeSet<String>,
    /// What the application works on.
    pub data: String,
    /// Oldest first.
    pub backups: Vec<Backup>,
    pub unfinished: BTreeSet<BackupName>,
    pub backup_fails: bool,
    // What the test looks at.
    pub news: Vec<News>,
    /// Served before the deployment under test.
    pub old: BTreeSet<InstanceId>,
}

#[derive(Clone)]
pub struct World(pub Arc<Mutex<State>>);

/// One life of the controller, as the world knows it.
#[derive(Clone)]
pub struct Life {
    pub world: World,
    pub epoch: u64,
}

pub fn refused(message: &str) -> Failure {
    Failure::new(Blame::Platform, message)
}

impl World {
    pub fn of(state: State) -> World {
        World(Arc::new(Mutex::new(state)))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Life {
    /// A call that may have an effect, and that anything may befall.
    pub async fn call<T>(
        &self,
        effect: impl FnOnce(&mut State) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.alive().await;
        let (fault, effect) = {
            let mut state = self.world.state();
            state.calls += 1;
            let at = state.calls;
            let fault = state.faults.iter().find(|(when, _)| *when == at).map(|(_, it)| *it);
            let effect = match fault {
                Some(Fault::Before | Fault::CrashBefore) => None,
                _ if self.epoch < state.epoch => Some(Err(refused("act in a life that is over"))),
                _ => Some(effect(&mut state)),
            };
            state.befall(fault);
            state.assert_serving();
            (fault, effect)
        };
        self.alive().await;
        match (fault, effect) {
            (Some(Fault::Before | Fault::After), _) | (_, None) => {
                Err(refused("reach the platform"))
            }
            (_, Some(effect)) => effect,
        }
    }

    /// A call that only looks.
    pub async fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        self.alive().await;
        at(&self.world.state())
    }

    async fn alive(&self) {
        let dead = {
            let state = self.world.state();
            state.dead
        };
        if dead {
            std::future::pending::<()>().await;
        }
    }
}

impl State {
    fn befall(&mut self, fault: Option<Fault>) {
        match fault {
            Some(Fault::Crash | Fault::CrashBefore) => self.dead = true,
            Some(Fault::Abort) => self.ask_to_abort(),
            Some(Fault::AbortCrash) => {
                self.ask_to_abort();
                self.dead = true;
            }
            Some(Fault::FallBack) => self.fall_back(),
            Some(Fault::FallBackCrash) => {
                self.fall_back();
                self.dead = true;
            }
            Some(Fault::CandidatesDie) => self.candidates_die(),
            Some(Fault::RouterRestarts) => self.starts += 1,
            Some(Fault::Reboot) => self.reboot(),
            Some(Fault::Before | Fault::After) | None => {}
        }
    }

    /// As the engine does it: not where it is too late.
    fn ask_to_abort(&mut self) {
        let Some(plan) = self.plan().cloned() else { return };
        if !self.ledger(&plan).committed(&plan) {
            self.records.entry(plan.deployment.clone()).or_default().push(Record::AbortAsked);
        }
    }

    /// The router ends a probation, where there is one.
    pub fn fall_back(&mut self) {
        if let (Some(fallback), Some(routes)) = (self.fallback.take(), &self.routes) {
            self.fell_back = Some(routes.generation);
            self.routes = Some(fallback);
        }
    }

    fn candidates_die(&mut self) {
        let confirmed = self.plan().is_none_or(|plan| {
            let Some(model::plan::Step::Confirm { by, .. }) = plan.steps.get(plan.commit - 1)
            else {
                return true;
            };
            self.routes.as_ref().is_some_and(|it| it.generation == by.generation)
        });
        if confirmed {
            return;
        }
        let young: Vec<InstanceId> =
            self.running.keys().filter(|it| !self.old.contains(*it)).cloned().collect();
        for id in young {
            self.exit(&id);
        }
        // The router looks every 250 ms.
        self.fall_back_if_refused();
    }

    pub fn exit(&mut self, id: &InstanceId) {
        self.quiet.remove(id);
        if let Some(instance) = self.running.remove(id) {
            self.exited.insert(id.clone(), instance);
        }
    }

    fn fall_back_if_refused(&mut self) {
        let Some(fallback) = &self.fallback else { return };
        let routes = self.routes.iter().flat_map(|it| it.instances());
        let tried: Vec<_> = routes.filter(|it| !fallback.leads_to(&it.id)).collect();
        if !tried.is_empty() && tried.iter().all(|it| !self.running.contains_key(&it.id)) {
            self.fall_back();
        }
    }

    fn reboot(&mut self) {
        self.dead = true;
        self.dark = true;
        self.starts += 1;
        let all: Vec<InstanceId> = self.running.keys().cloned().collect();
        all.iter().for_each(|id| self.exit(id));
        self.cut_migrations();
        self.fall_back_if_refused();
    }

    /// The plan of the deployment that is on its way.
    pub fn plan(&self) -> Option<&Plan> {
        let newest = self.deployments.last()?;
        let active = newest.stage == Stage::Running;
        newest.plan.as_ref().filter(|_| active)
    }

    pub fn ledger(&self, plan: &Plan) -> Ledger {
        let records = self.records.get(&plan.deployment).map_or(&[][..], Vec::as_slice);
        let sound = |ledger: Ledger, it| ledger.after(it).expect("the journal is sound");
        records.iter().fold(Ledger::new(plan), sound)
    }

    pub fn assert_serving(&mut self) {
        let Some(routes) = &self.routes else { return };
        assert_ne!(self.fell_back, Some(routes.generation), "what fell back serves again");
        // Where it needs attention the hold ends by itself, too: with 503.
        let newest = self.deployments.last().filter(|it| {
            let attention = Stage::Ended(Outcome::NeedsAttention);
            it.stage == Stage::Running || it.stage == attention
        });
        let plan = newest.and_then(|it| it.plan.as_ref());
        let cold = plan.is_some_and(|it| it.way_back() == WayBack::Cold);
        self.held |= routes.hold.is_some();
        assert!(routes.hold.is_none() || cold, "requests are held, and no plan says so");
        if self.dark || routes.hold.is_some() {
            return;
        }
        for instance in routes.instances() {
            let runs = self.running.contains_key(&instance.id);
            assert!(runs, "routes {} lead to {}, which is dead", routes.generation, instance.id);
        }
    }
}
