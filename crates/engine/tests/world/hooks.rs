//! The owner's programs beside the steps.

use crate::{
    build::{deploy, request, spec, web},
    drive::world,
    state::{Fault, Life, World, refused},
};
use async_trait::async_trait;
use engine::port::{hook::HookRunner, prober::Note};
use model::{
    deployment::{Change, News},
    failure::Failure,
    hook::{Hook, HookRun, TIMEOUT, When},
    id::Epoch,
    journal::Outcome,
    name::EnvironmentId,
    release::Release,
    service::EnvironmentSpec,
};

#[async_trait]
impl HookRunner for Life {
    async fn run(
        &self,
        _: &EnvironmentId,
        hook: &HookRun,
        release: &Release,
        _: Epoch,
        note: &Note,
    ) -> Result<(), Failure> {
        assert_eq!(hook.release, release.id);
        let ran = self.call(|it| {
            assert!(it.placed.contains(&hook.version), "there is no directory to run in");
            // One that ran is not run again: its end is remembered.
            if !it.hooks.iter().any(|(id, _)| *id == hook.id) {
                it.hooks.push((hook.id.clone(), hook.name.clone()));
            }
            Ok(it.bad_hooks.contains(&hook.name))
        });
        let bad = ran.await?;
        note(format!("{} | says so", hook.name));
        if bad { Err(refused(&format!("run the hook {}", hook.name))) } else { Ok(()) }
    }

    async fn stop(&self, _: &HookRun, _: Epoch) -> Result<(), Failure> {
        self.call(|_| Ok(())).await
    }
}

fn hook(when: When, of: &str) -> Hook {
    let command = vec!["./hook".to_owned()];
    Hook { when, of: of.into(), command, timeout: TIMEOUT, service: None }
}

fn hooked() -> EnvironmentSpec {
    let mut spec = spec(vec![web()]);
    let after = ["stage", "switch", "confirm", "deployed", "rolled_back", "failed"];
    let before = ["start", "switch", "keep"];
    let before = before.iter().map(|it| hook(When::Before, it));
    spec.control.hooks = before.chain(after.iter().map(|it| hook(When::After, it))).collect();
    spec
}

fn names(world: &World) -> Vec<String> {
    world.state().hooks.iter().map(|it| it.1.clone()).collect()
}

#[test]
fn hooks_run_once_each_at_their_steps_and_at_the_end() {
    let world = World::of(world(&[deploy(1, &spec(vec![web()]))]));
    assert_eq!(world.ask(&deploy(2, &hooked())), Outcome::Deployed);
    let expected = [
        "after stage",
        "before start",
        "before switch",
        "after switch",
        "after confirm",
        "before keep",
        "after deployed",
    ];
    assert_eq!(names(&world), expected);
    let said = |it: &News| matches!(it, News::Note { text } if text == "before switch | says so");
    assert!(world.state().news.iter().any(said));
    // Going back brings another release, which has none.
    assert_eq!(
        world.ask(&request(3, Change::Rollback { to: None, with_data: false })),
        Outcome::Deployed
    );
    assert_eq!(names(&world).len(), expected.len());
}

#[test]
fn a_hook_that_fails_fails_its_step() {
    for (bad, outcome, last) in [
        ("after stage", Outcome::Aborted, "after failed"),
        ("before switch", Outcome::Aborted, "after failed"),
        ("after switch", Outcome::RolledBack, "after rolled_back"),
        // What only goes forward is not turned back.
        ("before keep", Outcome::DeployedUntidy, "after deployed"),
        // The end is told, and stays.
        ("after deployed", Outcome::Deployed, "after deployed"),
    ] {
        let world = World::of(world(&[deploy(1, &spec(vec![web()]))]));
        world.state().bad_hooks.insert(bad.into());
        assert_eq!(world.ask(&deploy(2, &hooked())), outcome, "{bad}");
        assert_eq!(names(&world).last().map(String::as_str), Some(last), "{bad}");
        let state = world.state();
        let serves_old = matches!(outcome, Outcome::Aborted | Outcome::RolledBack);
        let serving = &state.routes.as_ref().unwrap().instances()[0].version;
        assert_eq!(serving == "v1", serves_old, "{bad}");
    }
}

#[test]
fn a_crash_in_a_hook_runs_nothing_twice() {
    let state = world(&[deploy(1, &spec(vec![web()]))]);
    let whole = World::of(state.clone());
    assert_eq!(whole.ask(&deploy(2, &hooked())), Outcome::Deployed);
    let calls = whole.state().calls - state.calls;
    for at in 1..=calls {
        let world = World::of(state.clone());
        world.state().faults = vec![(state.calls + at, Fault::Crash)];
        let outcome = world.ask(&deploy(2, &hooked()));
        let names = names(&world);
        for name in ["before switch", "after deployed", "after confirm"] {
            let count = names.iter().filter(|it| *it == name).count();
            assert!(count <= 1, "call {at}: {name} ran {count} times");
        }
        assert!(matches!(outcome, Outcome::Deployed | Outcome::Aborted | Outcome::RolledBack));
    }
}
