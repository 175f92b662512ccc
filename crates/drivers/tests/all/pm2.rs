//! What PM2 does otherwise, and what it must not do to anybody else.

use crate::world::{EPOCH, World, eventually, get, port_check, silent};
use engine::port::runtime::Life;
use model::{instance::Instance, release::Release};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;

async fn running_pid(world: &World, instance: &Instance) -> u32 {
    match world.local.runtime.observe(&instance.id).await.unwrap() {
        Life::Running(running) => running.pid,
        other => panic!("{other:?}"),
    }
}

async fn ready(world: &World, instance: &Instance, release: &Release) {
    world.local.prober.ready(instance, release, &port_check(20_000), &silent).await.unwrap();
}

fn kill(number: u32) {
    kill_process(Pid::from_raw(number.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

fn names(world: &World) -> Vec<String> {
    let list = world.pm2().list();
    let mut names: Vec<String> =
        list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_foreign_process_of_a_similar_name_is_never_touched() {
    let world = World::in_pm2();
    let release = world.release("1.0.0", "good").await;
    let instance = world.instance(&release, 1);
    let name = instance.id.0.replace('.', "-");
    let foreign = world.outside("foreign");
    fs::write(foreign.join("idle.py"), "import time\nwhile True: time.sleep(60)\n").unwrap();
    let app = json!({ "name": name, "script": foreign.join("idle.py"), "interpreter": "python3" });
    let other = json!({ "name": format!("{name}-2"), "script": foreign.join("idle.py"),
        "interpreter": "python3", "env": { "CUTOVER_INSTANCE": instance.id.0 } });
    let file = foreign.join("ecosystem.json");
    fs::write(&file, json!({ "apps": [app, other] }).to_string()).unwrap();
    world.pm2().run(&["start", file.to_str().unwrap()]);
    let before: Vec<Value> = world.pm2().list().iter().map(|it| it["pid"].clone()).collect();
    assert_eq!(before.len(), 2);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    ready(&world, &instance, &release).await;
    assert_eq!(names(&world).len(), 3, "{:?}", names(&world));
    world.local.runtime.stop(&instance.id, EPOCH).await.unwrap();
    let after: Vec<Value> = world.pm2().list().iter().map(|it| it["pid"].clone()).collect();
    assert_eq!(after, before);
    assert_eq!(world.local.runtime.observe(&instance.id).await.unwrap(), Life::Absent);
}

#[tokio::test]
async fn pm2_killed_is_seen_and_the_process_is_started_anew_once_it_ends() {
    let world = World::in_pm2();
    let (release, instance) = world.started("good").await;
    let runtime = &world.local.runtime;
    ready(&world, &instance, &release).await;
    runtime.keep(&instance.id, true, EPOCH).await.unwrap();
    let first = running_pid(&world, &instance).await;
    world.pm2().signal(Signal::KILL);
    // It serves on, and nobody would start it again.
    assert_eq!(running_pid(&world, &instance).await, first);
    assert_eq!(get(&instance.address().unwrap(), "x", "/").0, 200);
    kill(first);
    eventually("it is seen to have ended", async || {
        matches!(runtime.observe(&instance.id).await, Ok(Life::Exited(_)))
    })
    .await;
    assert!(runtime.keep(&instance.id, true, EPOCH).await.is_err(), "nobody is left to keep it");
    runtime.start(&instance, &release, EPOCH).await.unwrap();
    ready(&world, &instance, &release).await;
    assert_ne!(running_pid(&world, &instance).await, first);
    assert_eq!(world.pm2().list().len(), 1);
}

#[tokio::test]
async fn pm2_that_does_not_answer_is_unknown_and_never_absent() {
    let world = World::in_pm2();
    let (release, instance) = world.started("good").await;
    let runtime = &world.local.runtime;
    ready(&world, &instance, &release).await;
    let process = running_pid(&world, &instance).await;
    world.pm2().signal(Signal::STOP);
    // The kernel still says that it lives.
    assert_eq!(running_pid(&world, &instance).await, process);
    kill(process);
    let observed = runtime.observe(&instance.id).await;
    let stopped = runtime.stop(&instance.id, EPOCH).await;
    world.pm2().signal(Signal::CONT);
    let failure = observed.unwrap_err();
    assert!(failure.message.contains("no answer in time"), "{failure:?}");
    assert!(stopped.is_err(), "{stopped:?}");
    runtime.stop(&instance.id, EPOCH).await.unwrap();
    assert!(world.pm2().list().is_empty());
}

/// PM2 keeps what it once was told: a variable that is gone from the configuration stays.
#[tokio::test]
async fn a_variable_that_was_removed_is_gone_also_after_pm2_started_it_again() {
    let world = World::in_pm2();
    let (release, instance) = world.started("good").await;
    ready(&world, &instance, &release).await;
    world.local.runtime.keep(&instance.id, true, EPOCH).await.unwrap();
    let first = running_pid(&world, &instance).await;
    let name = instance.id.0.replace('.', "-");
    let file = world.outside("env").join("env.json");
    let app = json!({ "name": name, "script": "x", "env": { "STALE": "1" } });
    fs::write(&file, json!({ "apps": [app] }).to_string()).unwrap();
    world.pm2().run(&["restart", &name, "--update-env"]);
    eventually("PM2 has started it again", async || {
        matches!(world.local.runtime.observe(&instance.id).await,
            Ok(Life::Running(it)) if it.pid != first)
    })
    .await;
    ready(&world, &instance, &release).await;
    let text = get(&instance.address().unwrap(), "x", "/env").1;
    let told: Value = serde_json::from_str(&text).unwrap();
    for name in ["STALE", "PM2_HOME", "pm_id", "pm_exec_path", "PM2_DISCRETE_MODE"] {
        assert_eq!(told[name], Value::Null, "{name}");
    }
    let secret = world.pm2().list()[0].to_string();
    assert!(!secret.contains("\"MODE\""), "PM2 is not told the service's variables");
}

#[tokio::test]
async fn what_is_not_kept_is_not_started_again_by_pm2() {
    let world = World::in_pm2();
    let (_, instance) = world.started("good").await;
    kill(running_pid(&world, &instance).await);
    eventually("its end is seen", async || match world.local.runtime.observe(&instance.id).await {
        Ok(Life::Exited(it)) => it.how == "signal 9" && it.restarts == 0,
        _ => false,
    })
    .await;
    let entry = || world.pm2().list()[0]["pm2_env"]["status"].clone();
    eventually("PM2 has given it up", async || entry() != "online").await;
    assert!(supervise::kin::of_token(&token(&world, &instance)).is_empty());
}

fn token(world: &World, instance: &Instance) -> String {
    let text = fs::read(world.layout.instance_spec(&instance.id)).unwrap();
    let spec: Value = serde_json::from_slice(&text).unwrap();
    spec["token"].as_str().unwrap().to_owned()
}
