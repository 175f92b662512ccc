//! A database that is migrated, by a process that outlives the controller and not the machine.

use crate::{
    build::{deploy, request, spec, web},
    drive::world,
    state::{Fault, Life, State, World, refused},
};
use async_trait::async_trait;
use engine::port::{
    migrator::{Migrator, NotMigrated},
    prober::Note,
};
use model::{
    deployment::{Change, News, Overrides, Request},
    failure::Failure,
    id::Epoch,
    journal::Outcome,
    migrate::{MigrateRun, MigrateSpec, Migrated, TIMEOUT, Tool},
    name::EnvironmentId,
    release::Release,
    service::{EnvironmentSpec, ServiceSpec},
};

/// How a process of a migration is, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    Runs,
    Well,
    Badly,
    /// The machine went down under it; nobody knows how far it came.
    Cut,
}

/// What the next migrations come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Well,
    /// It fails, and takes back what it did.
    Badly,
    /// It fails, or is cut short, in the middle.
    Halfway,
}

impl State {
    /// It comes to its end by itself.
    fn finish(&mut self, run: &MigrateRun) {
        let Some(process @ Process::Runs) = self.migrations.get_mut(&run.id) else { return };
        *process = match self.fate {
            Fate::Well => Process::Well,
            Fate::Badly | Fate::Halfway => Process::Badly,
        };
        if self.fate == Fate::Well {
            self.schema.insert(run.version.clone());
        }
    }

    /// No process outlives its machine.
    pub fn cut_migrations(&mut self) {
        for process in self.migrations.values_mut().filter(|it| **it == Process::Runs) {
            *process = Process::Cut;
        }
    }
}

#[async_trait]
impl Migrator for Life {
    async fn migrate(
        &self,
        _: &EnvironmentId,
        run: &MigrateRun,
        release: &Release,
        _: Epoch,
        note: &Note,
    ) -> Result<Migrated, NotMigrated> {
        assert_eq!(run.release, release.id);
        let begun = self.call(|it| {
            assert!(it.placed.contains(&run.version), "its code is not there");
            if !it.migrations.contains_key(&run.id) {
                it.migrations.insert(run.id.clone(), Process::Runs);
                it.migrations_begun += 1;
            }
            Ok(())
        });
        if let Err(failure) = begun.await {
            let is_there = self.look(|it| it.migrations.contains_key(&run.id)).await;
            return Err(NotMigrated { failure, unclear: is_there });
        }
        note("migrate | says so".to_owned());
        let ended = self.call(|it| {
            it.finish(run);
            Ok((it.migrations[&run.id], it.fate))
        });
        let migrated = || Migrated { destructive: vec![], ..Migrated::default() };
        match ended.await.map_err(NotMigrated::unclear)? {
            (Process::Well, _) => Ok(migrated()),
            (_, Fate::Halfway) => Err(NotMigrated::unclear(refused("migrate: half of it is done"))),
            _ => Err(NotMigrated::untouched(refused("migrate: it was taken back"))),
        }
    }

    async fn settle(&self, run: &MigrateRun, _: Epoch) -> Result<(), Failure> {
        self.call(|it| {
            it.finish(run);
            Ok(())
        })
        .await
    }
}

/// The same, with a database of its own.
pub fn migrated() -> EnvironmentSpec {
    let words = |text: &str| Some(vec![text.to_owned()]);
    let migrate = MigrateSpec {
        tool: Tool::Command,
        up: vec!["./migrate".into()],
        status: words("./status"),
        undo: words("./undo"),
        directory: None,
        timeout: TIMEOUT,
        lock_timeout: None,
    };
    spec(vec![ServiceSpec { migrate: Some(migrate), ..web() }])
}

/// Nothing of it runs when a deployment has ended, and the new serves on what it needs only.
pub fn assert_migrated(state: &State, request: &Request, outcome: Outcome) {
    let runs = state.migrations.values().any(|it| *it == Process::Runs);
    assert!(!runs, "{outcome:?}: a migration runs, and nobody waits for it");
    let record = state.deployments.iter().find(|it| it.id == request.deployment);
    let plan = record.and_then(|it| it.plan.as_ref());
    let migrations = plan.iter().flat_map(|it| &it.steps).filter_map(|it| match it {
        model::plan::Step::Migrate { migration } => Some(migration),
        _ => None,
    });
    for run in migrations {
        if matches!(outcome, Outcome::Deployed | Outcome::DeployedUntidy) {
            assert!(state.schema.contains(&run.version), "it serves, and is not migrated");
            let release = state.releases.iter().find(|it| it.id == run.release).unwrap();
            assert!(release.migrated.contains_key(&run.service), "nobody remembers it");
        }
    }
}

fn serving(world: &World) -> String {
    world.state().routes.as_ref().unwrap().instances()[0].version.clone()
}

#[test]
fn a_migration_that_fails_leaves_the_old_and_is_run_once() {
    let state = world(&[deploy(1, &migrated())]);
    for (fate, outcome) in
        [(Fate::Badly, Outcome::Aborted), (Fate::Halfway, Outcome::NeedsAttention)]
    {
        let world = World::of(State { fate, ..state.clone() });
        assert_eq!(world.ask(&deploy(2, &migrated())), outcome);
        assert_eq!((serving(&world).as_str(), world.state().migrations_begun), ("v1", 2));
        let said = |it: &News| matches!(it, News::Note { text } if text == "migrate | says so");
        assert!(world.state().news.iter().any(said));
        if outcome == Outcome::NeedsAttention {
            let id = deploy(2, &migrated()).deployment;
            assert_eq!(world.mend(&id, true), Outcome::Aborted);
        }
        world.state().fate = Fate::Well;
        assert_eq!(world.ask(&deploy(3, &migrated())), Outcome::Deployed);
    }
}

#[test]
fn it_may_be_left_out() {
    let world = World::of(world(&[deploy(1, &migrated())]));
    let skipped = Request {
        overrides: Overrides { skip_migrate: true, ..Overrides::default() },
        ..deploy(2, &migrated())
    };
    assert_eq!(world.ask(&skipped), Outcome::Deployed);
    let record = world.state().deployments.last().cloned().unwrap();
    assert!(record.overrides.skip_migrate);
    assert_eq!(world.state().migrations_begun, 1);
}

#[test]
fn every_end_is_told_apart_whatever_befalls_it() {
    let state = world(&[deploy(1, &migrated())]);
    let whole = World::of(state.clone());
    assert_eq!(whole.ask(&deploy(2, &migrated())), Outcome::Deployed);
    let calls = whole.state().calls;
    for fate in [Fate::Badly, Fate::Halfway] {
        for fault in [Fault::Crash, Fault::CrashBefore, Fault::AbortCrash, Fault::Reboot] {
            for at in 1..=calls {
                let faults = vec![(at, fault)];
                let world = World::of(State { fate, faults, ..state.clone() });
                let outcome = world.ask(&deploy(2, &migrated()));
                let what = format!("{fate:?} {fault:?} {at}: {outcome:?}");
                assert_eq!(serving(&world), "v1", "{what}");
                assert!(world.state().migrations_begun <= 2, "{what}: it was run again");
                let begun = world.state().migrations_begun == 2;
                let expected = match (fate, begun) {
                    (Fate::Halfway, true) => Outcome::NeedsAttention,
                    _ => Outcome::Aborted,
                };
                assert_eq!(outcome, expected, "{what}");
            }
        }
    }
}

#[test]
fn code_does_not_go_back_past_what_it_may_not_live_with() {
    let back = |number| request(number, Change::Rollback { to: None, with_data: false });
    let world = World::of(world(&[deploy(1, &migrated()), deploy(2, &migrated())]));
    let mut state = world.state().clone();
    for release in state.releases.iter_mut().filter(|it| it.version == "v2") {
        let done = release.migrated.values_mut().next().unwrap();
        done.destructive = vec!["0002_drop.sql: `drop column`".into()];
    }
    let world = World::of(state);
    assert_eq!(world.ask(&back(3)), Outcome::Refused);
    let failure = world.state().deployments.last().unwrap().failure.clone().unwrap();
    assert!(failure.message.contains("0002_drop.sql"), "{failure:?}");
    assert!(failure.hints.iter().any(|it| it.contains("--accept-schema")), "{failure:?}");
    let forced = Overrides { force: true, ..Overrides::default() };
    assert_eq!(world.ask(&Request { overrides: forced, ..back(4) }), Outcome::Refused);
    let accepted = Overrides { accept_schema: true, ..Overrides::default() };
    assert_eq!(world.ask(&Request { overrides: accepted, ..back(5) }), Outcome::Deployed);
    assert_eq!(serving(&world), "v1");
    assert_eq!(world.state().migrations_begun, 2, "what goes back migrates nothing");
    // Forward again: it is not older, and needs what it brought.
    let forward = request(6, Change::Rollback { to: Some("v2".into()), with_data: false });
    assert_eq!(world.ask(&forward), Outcome::Deployed);
    assert_eq!(world.state().migrations_begun, 3);
}

#[test]
fn what_was_taken_back_stands_in_no_way() {
    let back = |number| request(number, Change::Rollback { to: None, with_data: false });
    let world = World::of(world(&[deploy(1, &migrated()), deploy(2, &migrated())]));
    let of_second = |change: &dyn Fn(&mut Migrated)| {
        let mut state = world.state().clone();
        for release in state.releases.iter_mut().filter(|it| it.version == "v2") {
            let done = release.migrated.values_mut().next().unwrap();
            done.brought = vec!["0002_drop.sql".into(), "0003_add.sql".into()];
            done.destructive = vec!["0002_drop.sql: `drop column`".into()];
            change(done);
        }
        World::of(state)
    };
    // A part of it is not all of it.
    assert_eq!(of_second(&|it| it.undone = 1).ask(&back(3)), Outcome::Refused);
    assert_eq!(of_second(&|it| it.undone = 2).ask(&back(3)), Outcome::Deployed);
    assert_eq!(of_second(&|it| it.restored = true).ask(&back(3)), Outcome::Deployed);
    // What a later release took back is the newest; it brought nothing itself.
    let third = of_second(&|_| ());
    assert_eq!(third.ask(&deploy(3, &migrated())), Outcome::Deployed);
    let mut state = third.state().clone();
    let to_first = request(4, Change::Rollback { to: Some("v1".into()), with_data: false });
    assert_eq!(World::of(state.clone()).ask(&to_first), Outcome::Refused);
    for release in state.releases.iter_mut().filter(|it| it.version == "v3") {
        release.migrated.values_mut().for_each(|it| it.undone = 2);
    }
    assert_eq!(World::of(state).ask(&to_first), Outcome::Deployed);
}
