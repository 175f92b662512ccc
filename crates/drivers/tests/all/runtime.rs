//! The runtime's contract, kept by real processes: those that we supervise, those of
//! PM2, and units of systemd.

use crate::world::{EPOCH, World, eventually, get, port_check, silent};
use engine::port::runtime::{Life, Runtime, Stopped};
use model::{
    failure::Blame,
    id::{Epoch, InstanceId},
    instance::Instance,
    release::Release,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

/// The same for everything that runs instances.
macro_rules! contract {
    ($($name:ident)*) => {
        mod processes {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::new()).await;
            })*
        }

        mod pm2 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::in_pm2()).await;
            })*
        }

        mod systemd {
            $(#[test]
            fn $name() {
                let name = concat!("runtime::systemd::", stringify!($name));
                crate::machine::inside(name, async || {
                    super::$name(super::World::in_systemd()).await;
                });
            })*
        }
    };
}

contract! {
    start_and_stop_may_be_repeated
    an_instance_is_told_its_contract_and_nothing_else
    what_ignores_the_stop_signal_is_killed_with_its_children
    a_taken_port_is_a_failure_that_names_the_owner
    an_exit_is_seen_with_its_last_lines_and_can_be_started_again
    what_cannot_be_executed_is_the_releases_fault
    what_is_kept_is_started_again_when_it_ends
    an_older_controller_is_refused
    what_never_was_is_absent_and_an_odd_id_is_refused
    an_instance_runs_as_its_user
    an_unknown_user_cannot_be_enforced
}

#[test]
fn a_unit_that_is_not_ours_is_left_as_it_is() {
    crate::machine::inside("runtime::a_unit_that_is_not_ours_is_left_as_it_is", async || {
        let world = World::in_systemd();
        let (release, instance) = world.started("good").await;
        let runtime = &world.local.runtime;
        runtime.stop(&instance.id, EPOCH).await.unwrap();
        let unit = format!("/run/systemd/system/cutover-{}.service", instance.id);
        let theirs = "[Service]\nExecStart=/bin/sleep 600\n";
        std::fs::write(&unit, theirs).unwrap();
        let refused = runtime.start(&instance, &release, EPOCH).await.unwrap_err();
        assert!(refused.message.contains("it is not ours"), "{refused:?}");
        assert_eq!(refused.blame, Blame::Platform);
        runtime.stop(&instance.id, EPOCH).await.unwrap();
        assert_eq!(std::fs::read_to_string(&unit).unwrap(), theirs);
        assert_eq!(runtime.observe(&instance.id).await.unwrap(), Life::Absent);
    });
}

async fn running_pid(runtime: &Arc<dyn Runtime>, instance: &Instance) -> u32 {
    match runtime.observe(&instance.id).await.unwrap() {
        Life::Running(running) => running.pid,
        other => panic!("{other:?}"),
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

/// One that has ended may stay in the table until somebody asks how.
fn is_alive(number: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn kill(number: u32) {
    kill_process(pid(number), Signal::KILL).unwrap();
}

fn supervisor_pid(world: &World, instance: &Instance) -> u32 {
    supervise::client::read_status(world.layout.root(), &instance.id.0).unwrap().supervisor_pid
}

async fn ready(world: &World, instance: &Instance, release: &Release) {
    let check = port_check(10_000);
    world.local.prober.ready(instance, release, &check, &silent).await.unwrap();
}

async fn start_and_stop_may_be_repeated(world: World) {
    let runtime = &world.local.runtime;
    let (release, instance) = world.started("good").await;
    let first = running_pid(runtime, &instance).await;
    runtime.start(&instance, &release, EPOCH).await.unwrap();
    assert_eq!(running_pid(runtime, &instance).await, first, "nothing more was started");
    let listed = runtime.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].0, instance.id);
    runtime.stop(&instance.id, EPOCH).await.unwrap();
    assert!(!is_alive(first));
    assert_eq!(runtime.observe(&instance.id).await.unwrap(), Life::Absent);
    let again = runtime.stop(&instance.id, EPOCH).await.unwrap();
    assert_eq!(again, Stopped { killed: false });
    assert_eq!(runtime.list().await.unwrap(), []);
    assert!(!world.layout.instance(&instance.id).exists());
}

async fn an_instance_is_told_its_contract_and_nothing_else(world: World) {
    let release = world
        .release_with("1.0.0", "good", |service| {
            service.env.insert("SELF".to_owned(), "{version} on {port}".to_owned());
            service.env.insert("LANG".to_owned(), "de_DE.UTF-8".to_owned());
        })
        .await;
    let instance = world.instance(&release, 1);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    ready(&world, &instance, &release).await;
    let address = instance.address().unwrap();
    let told: Value = serde_json::from_str(&get(&address, "x", "/env").1).unwrap();
    let port = instance.port.unwrap();
    for (name, value) in [
        ("PORT", port.to_string().as_str()),
        ("HOST", "127.0.0.1"),
        ("CUTOVER_PROJECT", "shop"),
        ("CUTOVER_ENVIRONMENT", "production"),
        ("CUTOVER_SERVICE", "web"),
        ("CUTOVER_INSTANCE", &instance.id.0),
        ("CUTOVER_RELEASE", &release.id.0),
        ("CUTOVER_VERSION", "1.0.0"),
        ("CUTOVER_COMMIT", ""),
        ("CUTOVER_SLOT", "green"),
        ("CUTOVER_DEPLOYED_AT", "2026-11-21T13:22:01.123Z"),
        ("MODE", "good"),
        ("SELF", &format!("1.0.0 on {port}")),
        ("LANG", "de_DE.UTF-8"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    let allowed = ["PATH", "HOME", "LC_CTYPE", "CUTOVER_TOKEN", "PWD", "SHLVL", "_"];
    let known = ["PORT", "HOST", "MODE", "SELF", "LANG"];
    for name in told.as_object().unwrap().keys() {
        let is_known = allowed.contains(&name.as_str()) || known.contains(&name.as_str());
        assert!(is_known || name.starts_with("CUTOVER_"), "{name} was inherited");
    }
    let place: Value = serde_json::from_str(&get(&address, "x", "/where").1).unwrap();
    let directory = world.layout.release(&world.environment, "1.0.0").canonicalize().unwrap();
    assert_eq!(place["cwd"], directory.to_str().unwrap());
    let release_argument = format!("--release={}", release.id);
    assert_eq!(place["argv"], serde_json::json!([release_argument, format!("1.0.0:{port}")]));
}

#[tokio::test]
async fn a_supervise_that_died_is_replaced_and_the_process_lives_on() {
    let world = World::new();
    let runtime = &world.local.runtime;
    let (release, instance) = world.started("good").await;
    ready(&world, &instance, &release).await;
    let process = running_pid(runtime, &instance).await;
    let supervisor = supervisor_pid(&world, &instance);
    kill(supervisor);
    runtime.start(&instance, &release, EPOCH).await.unwrap();
    assert_eq!(running_pid(runtime, &instance).await, process);
    assert_ne!(supervisor_pid(&world, &instance), supervisor);
    assert_eq!(get(&instance.address().unwrap(), "x", "/").0, 200);
    kill(supervisor_pid(&world, &instance));
    runtime.stop(&instance.id, EPOCH).await.unwrap();
    assert!(!is_alive(process));
}

async fn what_ignores_the_stop_signal_is_killed_with_its_children(world: World) {
    let (release, instance) = world.started("stubborn").await;
    ready(&world, &instance, &release).await;
    let begun = Instant::now();
    let stopped = world.local.runtime.stop(&instance.id, EPOCH).await.unwrap();
    assert_eq!(stopped, Stopped { killed: true });
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

async fn a_taken_port_is_a_failure_that_names_the_owner(world: World) {
    let release = world.release("1.0.0", "good").await;
    let instance = world.instance(&release, 1);
    let stranger = TcpListener::bind(("127.0.0.1", instance.port.unwrap())).unwrap();
    let failure = world.local.runtime.start(&instance, &release, EPOCH).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Platform);
    let owner = format!("(pid {})", std::process::id());
    assert!(failure.message.contains(&owner), "{failure:?}");
    assert_eq!(world.local.runtime.observe(&instance.id).await.unwrap(), Life::Absent);
    drop(stranger);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
}

async fn an_exit_is_seen_with_its_last_lines_and_can_be_started_again(world: World) {
    let runtime = &world.local.runtime;
    let (release, instance) = world.started("exits").await;
    eventually("it exits", async || {
        matches!(runtime.observe(&instance.id).await, Ok(Life::Exited(_)))
    })
    .await;
    let Life::Exited(exited) = runtime.observe(&instance.id).await.unwrap() else { panic!() };
    assert_eq!((exited.how.as_str(), exited.restarts), ("exit code 3", 0));
    let lines = runtime.last_lines(&instance.id, 50).await;
    assert_eq!(lines, ["begun in mode exits", "there is no database"]);
    assert_eq!(runtime.last_lines(&instance.id, 1).await, ["there is no database"]);
    runtime.start(&instance, &release, EPOCH).await.unwrap();
    eventually("it wrote again", async || runtime.last_lines(&instance.id, 9).await.len() == 4)
        .await;
}

async fn what_cannot_be_executed_is_the_releases_fault(world: World) {
    let change = |service: &mut model::service::ServiceSpec| {
        service.command = vec!["./no-such-program".to_owned()];
    };
    let release = world.release_with("1.0.0", "good", change).await;
    let instance = world.instance(&release, 1);
    let failure = world.local.runtime.start(&instance, &release, EPOCH).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Release);
    assert!(failure.message.contains("./no-such-program"), "{failure:?}");
}

async fn what_is_kept_is_started_again_when_it_ends(world: World) {
    let runtime = &world.local.runtime;
    let (_, instance) = world.started("good").await;
    runtime.keep(&instance.id, true, EPOCH).await.unwrap();
    let first = running_pid(runtime, &instance).await;
    kill(first);
    eventually("it runs again", async || match runtime.observe(&instance.id).await {
        Ok(Life::Running(running)) => running.pid != first && running.restarts == 1,
        _ => false,
    })
    .await;
    runtime.keep(&instance.id, false, EPOCH).await.unwrap();
    kill(running_pid(runtime, &instance).await);
    eventually("it stays ended", async || match runtime.observe(&instance.id).await {
        Ok(Life::Exited(exited)) => exited.how == "signal 9",
        _ => false,
    })
    .await;
}

async fn an_older_controller_is_refused(world: World) {
    let runtime = &world.local.runtime;
    let (_, instance) = world.started("good").await;
    runtime.keep(&instance.id, true, Epoch(7)).await.unwrap();
    assert!(runtime.stop(&instance.id, Epoch(6)).await.is_err());
    running_pid(runtime, &instance).await;
    runtime.stop(&instance.id, Epoch(7)).await.unwrap();
}

async fn what_never_was_is_absent_and_an_odd_id_is_refused(world: World) {
    let runtime = &world.local.runtime;
    let unknown = InstanceId("shop.production.web.9.ZZZZZZZZ".to_owned());
    assert_eq!(runtime.observe(&unknown).await.unwrap(), Life::Absent);
    assert_eq!(runtime.last_lines(&unknown, 5).await, Vec::<String>::new());
    for id in ["../shop", "", ".", "a/b"] {
        assert!(runtime.stop(&InstanceId(id.to_owned()), EPOCH).await.is_err(), "{id}");
    }
}

#[tokio::test]
async fn an_unanswering_supervise_is_an_error_and_never_absent() {
    let world = World::new();
    let (_, instance) = world.started("good").await;
    let supervisor = supervisor_pid(&world, &instance);
    kill_process(pid(supervisor), Signal::STOP).unwrap();
    let observed = world.local.runtime.observe(&instance.id).await;
    kill_process(pid(supervisor), Signal::CONT).unwrap();
    assert!(observed.is_err(), "{observed:?}");
}

/// Root runs it as somebody else; anybody else as themselves.
async fn an_instance_runs_as_its_user(world: World) {
    let own = rustix::process::geteuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let is_wanted = |fields: &Vec<&str>| match own {
        0 => fields[0] == "nobody",
        _ => fields[2].parse() == Ok(own),
    };
    let account = accounts.lines().map(|line| line.split(':').collect()).find(is_wanted).unwrap();
    world.local.machine.may_run_as(account[0]).await.unwrap();
    let change = |service: &mut model::service::ServiceSpec| {
        service.user = Some(account[0].to_owned());
    };
    let release = world.release_with("1.0.0", "good", change).await;
    assert_eq!(world.local.runtime.unenforceable(&release), Vec::<String>::new());
    let instance = world.instance(&release, 1);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    ready(&world, &instance, &release).await;
    let (_, body) = get(&instance.address().unwrap(), "x", "/where");
    let place: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(place["uid"].to_string(), account[2]);
}

async fn an_unknown_user_cannot_be_enforced(world: World) {
    let change = |service: &mut model::service::ServiceSpec| {
        service.user = Some("nobody-of-this-name".to_owned());
    };
    let release = world.release_with("1.0.0", "good", change).await;
    let problems = world.local.runtime.unenforceable(&release);
    assert!(problems[0].contains("nobody-of-this-name"), "{problems:?}");
    let fine = world.release("1.0.1", "good").await;
    assert_eq!(world.local.runtime.unenforceable(&fine), Vec::<String>::new());
}
