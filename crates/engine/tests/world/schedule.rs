//! Jobs that run by the clock, through deployments, stops and deaths of the controller.

use crate::{
    build::{deploy, production, request, spec, web},
    drive::{once, world},
    state::{Fault, State, World, refused},
};
use async_trait::async_trait;
use engine::{
    port::{
        job_book::JobBook,
        one_off::{OneOffRunner, Seen},
    },
    schedule::Schedules,
};
use model::{
    deployment::Change,
    failure::Failure,
    id::{Epoch, InstanceId},
    journal::Outcome,
    name::{EnvironmentId, Name},
    one_off::{Ended, Life, OneOff},
    release::Release,
    schedule::{Memory, Overlap, Schedule},
    service::{EnvironmentSpec, Millis, ServiceSpec},
};
use std::sync::{Arc, Mutex};

const MINUTE: u64 = 60_000;

/// Runs, and remembers, in memory; both outlive the controller.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    seen: Vec<Seen>,
    memory: Option<Memory>,
    /// The controller dies before it begins one.
    dies: bool,
}

#[async_trait]
impl OneOffRunner for Desk {
    async fn begin(&self, one_off: &OneOff, release: &Release, _: Epoch) -> Result<(), Failure> {
        let mut kept = self.0.lock().unwrap();
        if kept.dies {
            return Err(refused("live on"));
        }
        assert_eq!((&one_off.release, one_off.scheduled), (&release.id, true));
        if kept.seen.iter().all(|it| it.one_off.id != one_off.id) {
            let alive = |it: &Seen| !matches!(it.life, Life::Ended(_));
            assert!(!kept.seen.iter().any(alive), "two of one job at once");
            let (one_off, life) = (one_off.clone(), Life::Running { pid: 1 });
            kept.seen.push(Seen { one_off, life, held: true });
        }
        Ok(())
    }

    async fn look(&self, _: &InstanceId) -> Result<Option<Seen>, Failure> {
        unreachable!("all are listed")
    }

    async fn list(&self) -> Result<Vec<Seen>, Failure> {
        Ok(self.0.lock().unwrap().seen.clone())
    }

    async fn signal(&self, _: &InstanceId, _: i32, _: Epoch) -> Result<(), Failure> {
        unreachable!("no job is signalled")
    }

    async fn stop(&self, _: &InstanceId, _: Epoch) -> Result<(), Failure> {
        unreachable!("a job ends by itself or at its time limit")
    }

    async fn forget(&self, _: &InstanceId, _: Epoch) -> Result<(), Failure> {
        unreachable!("others forget")
    }
}

#[async_trait]
impl JobBook for Desk {
    async fn environments(&self) -> Result<Vec<EnvironmentId>, Failure> {
        Ok(vec![production()])
    }

    async fn job(&self, _: &EnvironmentId, service: &Name) -> Result<Option<Memory>, Failure> {
        assert_eq!(service.as_str(), "report");
        Ok(self.0.lock().unwrap().memory.clone())
    }

    async fn set_job(&self, _: &EnvironmentId, _: &Name, it: &Memory) -> Result<(), Failure> {
        self.0.lock().unwrap().memory = Some(it.clone());
        Ok(())
    }
}

/// A world at the start of an hour, with what runs there by the clock.
struct Scene {
    world: World,
    desk: Desk,
    schedules: Schedules,
}

impl Scene {
    fn new(state: State) -> Scene {
        let world = World::of(state);
        world.state().now_ms = 1_774_656_000_000;
        let desk = Desk::default();
        let schedules = of(&world, &desk);
        let scene = Scene { world, desk, schedules };
        scene.tend();
        scene
    }

    fn tend(&self) {
        once(self.schedules.tend()).expect("nobody dies").expect("it is looked at");
    }

    /// A while later, to a time of day that is due every five minutes.
    fn after(&self, minutes: u64) {
        let mut state = self.world.state();
        state.now_ms = (state.now_ms / MINUTE + minutes) * MINUTE;
        drop(state);
        self.tend();
    }

    /// The next controller.
    fn again(&mut self) {
        self.schedules = of(&self.world, &self.desk);
        self.desk.0.lock().unwrap().dies = false;
        self.tend();
    }

    fn end(&self, code: i32) {
        let mut kept = self.desk.0.lock().unwrap();
        let ended = Ended { code: Some(code), at_ms: 1, ..Ended::default() };
        kept.seen.last_mut().unwrap().life = Life::Ended(ended);
        drop(kept);
        self.tend();
    }

    /// Versions of the runs, in order.
    fn runs(&self) -> Vec<String> {
        let kept = self.desk.0.lock().unwrap();
        kept.seen.iter().map(|it| it.one_off.version.clone()).collect()
    }

    fn memory(&self) -> Memory {
        self.desk.0.lock().unwrap().memory.clone().unwrap()
    }
}

fn of(world: &World, desk: &Desk) -> Schedules {
    let desk = Arc::new(desk.clone());
    Schedules { engine: Arc::new(world.engine()), runner: desk.clone(), book: desk }
}

fn every_five(overlap: Overlap, catch_up: bool) -> EnvironmentSpec {
    let schedule = Schedule {
        pattern: "*/5 * * * *".into(),
        timezone: "UTC".into(),
        overlap,
        time_limit: Millis::seconds(60),
        catch_up,
    };
    let report = ServiceSpec {
        name: "report".parse().unwrap(),
        instances: 0,
        schedule: Some(schedule),
        routes: vec![],
        smoke: vec![],
        checks: vec![],
        ..web()
    };
    let mut spec = spec(vec![web(), report]);
    spec.keep_releases = 5;
    spec
}

fn skipping() -> Scene {
    Scene::new(world(&[deploy(1, &every_five(Overlap::Skip, false))]))
}

#[test]
fn it_runs_when_it_is_due_and_how_it_ended_is_remembered() {
    let scene = skipping();
    assert_eq!(scene.runs().len(), 0, "what was due before it was there is nobody's");
    scene.after(4);
    assert_eq!(scene.runs().len(), 0);
    scene.after(1);
    scene.after(0);
    assert_eq!(scene.runs(), ["v1"], "once");
    assert!(scene.memory().open().is_some());
    scene.end(3);
    assert_eq!(scene.memory().last.unwrap().ended.unwrap().code, Some(3));
    scene.after(5);
    assert_eq!(scene.runs().len(), 2);
    assert!(!scene.world.state().running.keys().any(|it| it.0.contains("report")));
}

#[test]
fn while_one_runs_the_next_is_skipped_or_one_waits() {
    let scene = skipping();
    (0..4).for_each(|_| scene.after(5));
    assert_eq!((scene.runs().len(), scene.memory().skipped), (1, 3));
    scene.end(0);
    assert_eq!(scene.runs().len(), 1);
    let scene = Scene::new(world(&[deploy(1, &every_five(Overlap::QueueOne, false))]));
    (0..4).for_each(|_| scene.after(5));
    assert_eq!(scene.runs().len(), 1);
    scene.end(0);
    assert_eq!(scene.runs().len(), 2, "the one that waited");
    scene.end(0);
    scene.after(1);
    assert_eq!(scene.runs().len(), 2, "one waited, not three");
}

#[test]
fn the_release_in_force_runs_it_and_a_former_run_ends_first() {
    let scene = skipping();
    scene.after(5);
    let two = every_five(Overlap::Skip, false);
    assert_eq!(scene.world.ask(&deploy(2, &two)), Outcome::Deployed);
    scene.after(5);
    assert_eq!(scene.runs(), ["v1"], "the former release's still runs");
    scene.end(0);
    scene.after(5);
    assert_eq!(scene.runs(), ["v1", "v2"]);
    scene.end(0);
    // One that is taken back changes nothing.
    let from = scene.world.state().calls;
    let faults = (1..40).map(|it| (from + it, Fault::CandidatesDie)).collect();
    scene.world.state().faults = faults;
    let outcome = scene.world.ask(&deploy(3, &two));
    assert!(matches!(outcome, Outcome::Aborted | Outcome::RolledBack), "{outcome:?}");
    scene.world.state().faults.clear();
    scene.after(5);
    assert_eq!(scene.runs(), ["v1", "v2", "v2"]);
    scene.end(0);
    assert_eq!(scene.world.ask(&request(4, Change::Stop)), Outcome::Deployed);
    scene.after(5);
    assert_eq!(scene.runs().len(), 3, "what is stopped runs nothing");
    assert_eq!(scene.world.ask(&request(5, Change::Start)), Outcome::Deployed);
    scene.after(5);
    assert_eq!(scene.runs().len(), 4);
}

#[test]
fn a_controller_that_was_away_makes_up_for_it_only_where_it_shall() {
    for (catch_up, runs) in [(false, 0), (true, 1)] {
        let mut scene = Scene::new(world(&[deploy(1, &every_five(Overlap::Skip, catch_up))]));
        scene.world.state().now_ms += 33 * MINUTE;
        scene.again();
        scene.tend();
        assert_eq!(scene.runs().len(), runs, "{catch_up}");
    }
}

#[test]
fn one_that_was_cut_short_in_its_beginning_is_begun_once() {
    let mut scene = skipping();
    scene.desk.0.lock().unwrap().dies = true;
    scene.world.state().now_ms += 5 * MINUTE;
    assert!(once(scene.schedules.tend()).unwrap().is_err());
    assert_eq!(scene.runs().len(), 0);
    scene.again();
    assert_eq!(scene.runs(), ["v1"]);
    scene.again();
    assert_eq!(scene.runs(), ["v1"]);
    // One that nobody began in time is given up, and the next is begun.
    scene.end(0);
    scene.desk.0.lock().unwrap().dies = true;
    scene.world.state().now_ms += 5 * MINUTE;
    assert!(once(scene.schedules.tend()).unwrap().is_err());
    scene.world.state().now_ms += 2 * MINUTE;
    scene.again();
    assert_eq!(scene.runs().len(), 1);
    assert_eq!(scene.memory().last.unwrap().ended.unwrap().code, None);
    scene.after(3);
    assert_eq!(scene.runs().len(), 2);
}
