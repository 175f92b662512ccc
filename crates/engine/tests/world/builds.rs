//! Content that is built where it lies.

use crate::{
    build::{deploy, request, spec, web},
    drive::world,
    state::{Fault, Life, World, refused},
};
use async_trait::async_trait;
use engine::port::{builder::Builder, prober::Note};
use model::{
    build::{BuildRun, BuildSpec, Built, TIMEOUT},
    deployment::{Change, News, Request},
    failure::Failure,
    id::Epoch,
    journal::Outcome,
    name::EnvironmentId,
    release::{Release, Source},
    service::{EnvironmentSpec, Limits},
};

#[async_trait]
impl Builder for Life {
    async fn build(
        &self,
        _: &EnvironmentId,
        build: &BuildRun,
        release: &Release,
        _: Epoch,
        note: &Note,
    ) -> Result<(), Failure> {
        assert_eq!(build.release, release.id);
        let built = self.call(|it| {
            assert!(it.placed.contains(&build.version), "there is nothing to build");
            it.builds += 1;
            if it.bad_build {
                return Ok(false);
            }
            let kept = it.releases.iter_mut().find(|it| it.id == build.release).unwrap();
            let digest = format!("built of {}", kept.artifact.digest);
            kept.artifact.built = Some(Built { digest, bytes: 20, files: 2 });
            Ok(true)
        });
        let built = built.await?;
        note("build | says so".to_owned());
        if built { Ok(()) } else { Err(refused("build")) }
    }

    async fn undo(&self, _: &EnvironmentId, build: &BuildRun, _: Epoch) -> Result<(), Failure> {
        self.call(|it| {
            let whole = it.releases.iter().any(|it| it.version == build.version && it.is_whole());
            if !whole {
                it.placed.remove(&build.version);
            }
            Ok(())
        })
        .await
    }
}

fn built() -> EnvironmentSpec {
    let build = BuildSpec {
        service: None,
        directory: None,
        clean: vec![],
        clean_dependencies: false,
        install: Some(vec!["npm".into(), "ci".into()]),
        commands: vec![vec!["npm".into(), "run".into(), "build".into()]],
        test: vec![],
        dependencies: None,
        timeout: TIMEOUT,
        limits: Limits::default(),
        user: None,
        env: [].into(),
        secrets: vec![],
    };
    EnvironmentSpec { builds: vec![build], ..spec(vec![web()]) }
}

/// As `deploy`, of content that may have been deployed before, under no version of its own.
fn again(number: u32, content: u32, spec: &EnvironmentSpec) -> Request {
    let described = format!("content {content}");
    let source = Source::Upload { upload: format!("{number}"), described, commit: None };
    let (spec, version) = (Box::new(spec.clone()), None);
    request(number, Change::Deploy { spec, version, source, services: vec![] })
}

fn serving(world: &World) -> String {
    world.state().routes.as_ref().unwrap().instances()[0].version.clone()
}

#[test]
fn what_was_built_is_used_again() {
    let world = World::of(world(&[deploy(1, &spec(vec![web()]))]));
    assert_eq!(world.ask(&deploy(2, &built())), Outcome::Deployed);
    assert_eq!((serving(&world).as_str(), world.state().builds), ("v2", 1));
    let said = |it: &News| matches!(it, News::Note { text } if text == "build | says so");
    assert!(world.state().news.iter().any(said));
    assert_eq!(world.ask(&deploy(3, &spec(vec![web()]))), Outcome::Deployed);
    // The same content under the same build: it is there already.
    assert_eq!(world.ask(&again(4, 2, &built())), Outcome::Deployed);
    assert_eq!((serving(&world).as_str(), world.state().builds), ("v2", 1));
    // Under another variable it comes to something else, and the version is taken.
    let mut other = built();
    other.builds[0].env.insert("VITE_API".into(), "x".into());
    let mut same_version = deploy(5, &other);
    if let Change::Deploy { version, source, .. } = &mut same_version.change {
        *version = Some("v2".into());
        let described = "content 2".to_owned();
        *source = Source::Upload { upload: "5".into(), described, commit: None };
    }
    assert_eq!(world.ask(&same_version), Outcome::Refused);
    assert_eq!(world.ask(&deploy(6, &other)), Outcome::Deployed);
    assert_eq!(world.state().builds, 2);
}

#[test]
fn a_build_that_fails_leaves_the_old_and_nothing_else() {
    let world = World::of(world(&[deploy(1, &spec(vec![web()]))]));
    world.state().bad_build = true;
    assert_eq!(world.ask(&deploy(2, &built())), Outcome::Aborted);
    assert_eq!(serving(&world), "v1");
    assert!(!world.state().placed.contains("v2"));
    world.state().bad_build = false;
    assert_eq!(world.ask(&deploy(2 + 1, &built())), Outcome::Deployed);
}

#[test]
fn a_crash_at_any_call_of_a_build_is_survived() {
    let state = world(&[deploy(1, &spec(vec![web()]))]);
    let whole = World::of(state.clone());
    assert_eq!(whole.ask(&deploy(2, &built())), Outcome::Deployed);
    let calls = whole.state().calls - state.calls;
    for bad_build in [false, true] {
        for at in 1..=calls {
            let world = World::of(state.clone());
            world.state().bad_build = bad_build;
            world.state().faults = vec![(state.calls + at, Fault::Crash)];
            let outcome = world.ask(&deploy(2, &built()));
            let there = world.state().placed.contains("v2");
            match outcome {
                Outcome::Deployed => {
                    assert_eq!((serving(&world).as_str(), bad_build), ("v2", false))
                }
                Outcome::Aborted | Outcome::RolledBack => {
                    assert_eq!(serving(&world), "v1", "call {at}");
                    assert!(!(there && bad_build), "call {at}: what was built in part is there");
                }
                other => panic!("call {at}: {other:?}"),
            }
        }
    }
}
