//! One-off processes: run as an instance is, once, and never left behind.

use crate::world::{EPOCH, World, eventually};
use engine::{
    one_off::OneOffs,
    port::{one_off::Seen, releases::Releases},
};
use model::{
    failure::Blame,
    id::InstanceId,
    one_off::{Asked, Ended, Life, OneOff},
};
use std::{fs, sync::Arc};

/// As ULIDs are.
const ID: &str = "01JD0000000000000000000001";

fn one_offs(world: &World) -> OneOffs {
    OneOffs {
        runner: world.local.one_offs.clone(),
        releases: world.local.releases.clone(),
        router: world.local.router.clone(),
        clock: world.local.clock.clone(),
        epoch: EPOCH,
        busy: Arc::default(),
    }
}

fn asked(world: &World, script: &str) -> Asked {
    Asked {
        id: ID.to_owned(),
        environment: world.environment.clone(),
        service: None,
        version: None,
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        time_limit_ms: None,
        detached: false,
        by: "ann".to_owned(),
        migration: None,
    }
}

async fn deployed(world: &World) {
    let release = world
        .release_with("1.0.0", "good", |service| {
            service.env.insert("TOKEN".to_owned(), "a secret value".to_owned());
            service.secret_env.push("TOKEN".to_owned());
        })
        .await;
    world.local.releases.link(&world.environment, Some(&release.version), None).await.unwrap();
}

async fn ended(world: &World, one_off: &OneOff) -> Ended {
    let mut last = None;
    eventually("it has ended", async || {
        let seen = world.local.one_offs.look(&one_off.id).await.unwrap().unwrap();
        if let Life::Ended(ended) = seen.life {
            last = Some(ended);
        }
        last.is_some()
    })
    .await;
    last.unwrap()
}

fn written(world: &World, one_off: &OneOff) -> String {
    let [out, ..] = world.layout.one_off_logs(&one_off.environment, &one_off.id);
    fs::read_to_string(out).unwrap_or_default()
}

async fn seen(world: &World, id: &InstanceId) -> Option<Seen> {
    world.local.one_offs.look(id).await.unwrap()
}

#[tokio::test]
async fn it_gets_what_an_instance_gets_and_no_port() {
    let world = World::new();
    deployed(&world).await;
    let script = "pwd; echo $MODE $CUTOVER_VERSION ${PORT-none} $CUTOVER_INSTANCE $TOKEN; exit 3";
    let one_off = one_offs(&world).begin(&asked(&world, script)).await.unwrap();
    assert_eq!(ended(&world, &one_off).await.exit_code(), 3);
    let directory = world.layout.release(&world.environment, "1.0.0").canonicalize().unwrap();
    let id = format!("shop.production.web.run.{ID}");
    let expected = format!("{}\ngood 1.0.0 none {id} [secret TOKEN]\n", directory.display());
    assert_eq!(written(&world, &one_off), expected);
    // It is no instance: nothing that looks after those ever meets it.
    assert_eq!(world.local.runtime.list().await.unwrap(), []);
    // It is run once, however often it is asked for.
    one_offs(&world).begin(&asked(&world, script)).await.unwrap();
    assert_eq!(written(&world, &one_off), expected);
    world.local.one_offs.forget(&one_off.id, EPOCH).await.unwrap();
    assert_eq!(seen(&world, &one_off.id).await, None);
    let left = fs::read_dir(world.layout.logs_directory(&world.environment).join("runs")).unwrap();
    assert_eq!(left.count(), 0, "its output is gone as well");
}

#[tokio::test]
async fn what_names_nothing_is_refused() {
    let world = World::new();
    let good = asked(&world, "true");
    let refused = async |asked: Asked| one_offs(&world).begin(&asked).await.unwrap_err();
    let failure = refused(good.clone()).await;
    assert!(failure.message.contains("nothing was deployed"), "{failure:?}");
    deployed(&world).await;
    for (asked, said) in [
        (Asked { version: Some("2.0.0".to_owned()), ..good.clone() }, "find release `2.0.0`"),
        (Asked { service: Some("worker".parse().unwrap()), ..good.clone() }, "find service"),
        (Asked { command: vec![], ..good.clone() }, "no command"),
        (Asked { command: vec![String::new()], ..good.clone() }, "no command"),
    ] {
        let failure = refused(asked).await;
        assert_eq!(failure.blame, Blame::Request);
        assert!(failure.message.contains(said), "{failure:?}");
    }
    let none = Asked { command: vec!["./not-there".to_owned()], ..good };
    let one_off = one_offs(&world).begin(&none).await.unwrap();
    let ended = ended(&world, &one_off).await;
    assert_eq!(ended.exit_code(), 127, "{ended:?}");
    assert!(ended.how().contains("could not be executed"), "{}", ended.how());
}

#[tokio::test]
async fn one_that_nobody_waits_for_is_stopped_and_a_detached_one_goes_on() {
    let world = World::new();
    deployed(&world).await;
    let one_offs = one_offs(&world);
    let left = one_offs.begin(&asked(&world, "sleep 1000 & sleep 1000")).await.unwrap();
    let detached =
        Asked { detached: true, id: ID.replace("01JD", "01JE"), ..asked(&world, "sleep 1000") };
    let detached = one_offs.begin(&detached).await.unwrap();
    one_offs.tend(|_| Some(99), 100).await.unwrap();
    assert!(matches!(seen(&world, &left.id).await.unwrap().life, Life::Running { .. }));
    eventually("it is forgotten", async || {
        one_offs.tend(|_| Some(100), 100).await.unwrap();
        seen(&world, &left.id).await.is_none()
    })
    .await;
    let goes_on = seen(&world, &detached.id).await.unwrap();
    assert!(matches!(goes_on.life, Life::Running { .. }) && goes_on.held);
    // While it runs its release stays, whoever wants it away.
    world.release("2.0.0", "good").await;
    let releases = &world.local.releases;
    releases.link(&world.environment, Some("2.0.0"), None).await.unwrap();
    let failure = releases.remove(&world.environment, "1.0.0").await.unwrap_err();
    assert!(failure.message.contains("still runs in it"), "{failure:?}");
    // Its id's end is enough to find it.
    let found = one_offs.find(&detached.id.0[detached.id.0.len() - 26..]).await.unwrap();
    assert_eq!(found.one_off, detached);
    world.local.one_offs.stop(&detached.id, EPOCH).await.unwrap();
    let over = seen(&world, &detached.id).await.unwrap();
    assert!(matches!(over.life, Life::Ended(_)) && !over.held, "how it ended is kept: {over:?}");
    releases.remove(&world.environment, "1.0.0").await.unwrap();
}

#[tokio::test]
async fn one_whose_supervise_was_killed_is_found_and_ended() {
    let world = World::new();
    deployed(&world).await;
    let one_offs = one_offs(&world);
    let one_off = one_offs.begin(&asked(&world, "sleep 1000")).await.unwrap();
    let root = world.layout.one_off();
    let status = supervise::client::read_status(root.root(), &one_off.id.0).unwrap();
    let (child, holder) = (status.child.unwrap().pid, status.supervisor_pid);
    let raw = rustix::process::Pid::from_raw(i32::try_from(holder).unwrap()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    eventually("it is forgotten", async || {
        one_offs.tend(|_| Some(u64::MAX), 100).await.unwrap();
        seen(&world, &one_off.id).await.is_none()
    })
    .await;
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "{stat}");
}

#[tokio::test]
async fn what_the_schedule_runs_writes_where_instances_do_and_is_filled_in() {
    let world = World::new();
    deployed(&world).await;
    let runner = one_offs(&world);
    let releases = world.local.releases.list(&world.environment).await.unwrap();
    let mut one_off = OneOff {
        format: model::one_off::FORMAT,
        id: InstanceId("shop.production.web.run.1774656000000".to_owned()),
        environment: world.environment.clone(),
        service: "web".parse().unwrap(),
        release: releases[0].id.clone(),
        version: releases[0].version.clone(),
        command: ["sh", "-c", "echo of {version}; exit 4"].map(str::to_owned).to_vec(),
        time_limit_ms: Some(60_000),
        detached: true,
        by: "schedule".to_owned(),
        begun_at_ms: 1,
        scheduled: true,
        migration: None,
    };
    runner.runner.begin(&one_off, &releases[0], EPOCH).await.unwrap();
    assert_eq!(ended(&world, &one_off).await.exit_code(), 4);
    let log = world.layout.logs(&world.environment).2;
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains(&format!(" {} of 1.0.0\n", one_off.id)), "{text}");
    // Its time limit ends it though nobody watches.
    one_off.id.0.push('1');
    (one_off.command, one_off.time_limit_ms) = (vec!["sleep".into(), "600".into()], Some(300));
    runner.runner.begin(&one_off, &releases[0], EPOCH).await.unwrap();
    assert!(ended(&world, &one_off).await.timed_out);
}
