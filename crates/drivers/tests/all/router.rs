//! The router's contract, kept by the real proxy under its real holder.

use crate::world::{EPOCH, World, eventually, get, health_check, silent, staged};
use engine::port::router::Confirmed;
use model::{
    failure::Blame,
    id::{Epoch, Generation},
    instance::Instance,
    plan::PublicRequest,
    release::Release,
    routes::Claim,
    service::Millis,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

fn listen() -> Vec<String> {
    vec!["127.0.0.1:0".to_owned()]
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// A release and one instance of it that is ready.
async fn ready(world: &World, version: &str) -> (Release, Instance) {
    let release = world.release(version, "good").await;
    let instance = world.instance(&release, 1);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    let check = health_check();
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
    (release, instance)
}

/// The version that answers.
fn answers(world: &World) -> String {
    let (status, body) = get(&world.public_address(), "shop.test", "/version");
    assert_eq!(status, 200, "{body}");
    let about: serde_json::Value = serde_json::from_str(&body).unwrap();
    about["version"].as_str().unwrap().to_owned()
}

/// A proxy that serves `1.0.0` by generation 1.
async fn serving(world: &World) -> (Release, Instance) {
    let router = &world.local.router;
    router.ensure(&listen()).await.unwrap();
    let (release, instance) = ready(world, "1.0.0").await;
    let routes = staged(world.routes(1, &[&instance]), None, 0);
    router.stage(&world.environment, &[routes], EPOCH).await.unwrap();
    router.install(&world.environment, Generation(1), EPOCH).await.unwrap();
    (release, instance)
}

async fn generation(world: &World) -> u64 {
    let in_force = world.local.router.in_force(&world.environment).await.unwrap();
    in_force.routes.map_or(0, |it| it.generation.0)
}

#[tokio::test]
async fn a_release_is_tried_out_confirmed_and_left_again() {
    let world = World::new();
    let router = &world.local.router;
    let environment = &world.environment;
    let (old, old_instance) = serving(&world).await;
    assert_eq!(answers(&world), "1.0.0");
    let (new, instance) = ready(&world, "2.0.0").await;
    let on_trial = staged(world.routes(2, &[&instance]), Some(1), 20_000);
    let back = staged(world.routes(4, &[&old_instance]), None, 0);
    router.stage(environment, &[on_trial.clone(), back.clone()], EPOCH).await.unwrap();
    router.stage(environment, &[on_trial, back], EPOCH).await.expect("repeated");
    router.try_out(environment, Generation(1), Generation(2), EPOCH).await.unwrap();
    router.try_out(environment, Generation(1), Generation(2), EPOCH).await.expect("repeated");
    assert_eq!(answers(&world), "2.0.0");
    let request = PublicRequest { host: "shop.test".to_owned(), path: "/".to_owned() };
    let requests = [request];
    world.local.prober.verify(environment, &listen(), &requests, &new.id).await.unwrap();
    let in_force = router.in_force(environment).await.unwrap();
    assert_eq!(in_force.probation, Some(Generation(1)));
    assert!(in_force.alive);
    let routes = in_force.routes.unwrap();
    assert_eq!(routes, world.routes(2, &[&instance]), "the slot is known too");
    let by = world.routes(3, &[&instance]);
    let confirm = async |nonce: &str| {
        router.confirm(environment, Generation(2), nonce, &by, EPOCH).await.unwrap()
    };
    assert_eq!(confirm("another start").await, Confirmed::BakeAgain);
    assert_eq!(confirm(&in_force.nonce).await, Confirmed::InForce);
    assert_eq!(confirm(&in_force.nonce).await, Confirmed::InForce, "repeated");
    assert_eq!(router.in_force(environment).await.unwrap().probation, None);
    router.install(environment, Generation(4), EPOCH).await.unwrap();
    router.install(environment, Generation(4), EPOCH).await.expect("repeated");
    assert_eq!(answers(&world), "1.0.0");
    let counters = router.counters(environment).await.unwrap();
    // What verifies is nobody's traffic, and counted apart.
    let (new, old) = (&counters[&new.id], &counters[&old.id]);
    assert!(new.completed >= 1 && new.verified == 1 && old.completed >= 2, "{counters:?}");
    router.install(environment, Generation(2), EPOCH).await.expect_err("it is below the highest");
}

#[tokio::test]
async fn what_is_on_disk_is_known_and_what_is_of_no_use_is_removed() {
    let world = World::new();
    let router = &world.local.router;
    let environment = &world.environment;
    let (_, instance) = serving(&world).await;
    let release = world.release("2.0.0", "good").await;
    let other = world.instance(&release, 1);
    let unused = staged(world.routes(2, &[&other]), Some(1), 20_000);
    router.stage(environment, &[unused], EPOCH).await.unwrap();
    let mut named = router.named_on_disk().await.unwrap();
    named.sort();
    let mut wanted = vec![instance.id.clone(), other.id.clone()];
    wanted.sort();
    assert_eq!(named, wanted);
    assert!(router.ports_on_disk().await.unwrap().contains(&other.port.unwrap()));
    router.unstage(environment, &[Generation(1), Generation(2), Generation(9)]).await.unwrap();
    assert_eq!(router.named_on_disk().await.unwrap(), [instance.id]);
    assert_eq!(answers(&world), "1.0.0");
    let claims = |host: &str, path: &str| Claim::all(&[host.to_owned()], [path].into_iter());
    let hosts = claims("shop.test", "/");
    assert_eq!(router.conflict(environment, &hosts).await.unwrap(), None);
    let staging = "shop/staging".parse().unwrap();
    let taken = router.conflict(&staging, &hosts).await.unwrap();
    let taken = taken.map(|(claim, owner)| (claim.to_string(), owner));
    assert_eq!(taken, Some(("shop.test/".to_owned(), "shop/production".to_owned())));
    assert_eq!(router.conflict(&staging, &claims("other.test", "/")).await.unwrap(), None);
    assert_eq!(router.conflict(&staging, &claims("shop.test", "/api/")).await.unwrap(), None);
}

#[tokio::test]
async fn a_proxy_that_dies_is_waited_for() {
    let world = World::new();
    serving(&world).await;
    let before = world.local.router.in_force(&world.environment).await.unwrap();
    let root = world.layout.root();
    let holder = supervise::client::read_holder_status(root).unwrap();
    kill(holder.proxy_pid.unwrap());
    let after = world.local.router.in_force(&world.environment).await.unwrap();
    assert!(after.alive);
    assert_ne!(after.nonce, before.nonce);
    assert_eq!(after.routes, before.routes);
    kill(supervise::client::read_holder_status(root).unwrap().pid);
    assert_eq!(generation(&world).await, 1, "it serves on without its holder");
    world.local.router.ensure(&listen()).await.unwrap();
    let replaced = supervise::client::read_holder_status(root).unwrap();
    assert_ne!(replaced.pid, holder.pid);
    assert_eq!(answers(&world), "1.0.0");
}

#[tokio::test]
async fn without_a_proxy_the_files_say_what_is_in_force() {
    let world = World::new();
    let router = &world.local.router;
    let environment = &world.environment;
    let nothing = router.in_force(environment).await.unwrap();
    assert_eq!((nothing.routes, nothing.alive), (None, false));
    let (_, instance) = serving(&world).await;
    let alive = router.in_force(environment).await.unwrap();
    let stop = supervise::HolderAsk::Stop;
    let root = world.layout.root();
    supervise::client::ask_holder(root, &stop, Duration::from_secs(30)).unwrap();
    let dead = router.in_force(environment).await.unwrap();
    assert!(!dead.alive && dead.nonce.is_empty());
    assert_eq!((dead.routes, dead.highest), (alive.routes, alive.highest));
    let failure = router.install(environment, Generation(2), EPOCH).await.unwrap_err();
    assert!(failure.message.contains("not running"), "{failure:?}");
    let instances = [instance.id.clone()];
    assert_eq!(router.drain(&instances, Millis(100), EPOCH).await.unwrap().cut, 0);
    let marker = serde_json::json!({ "generation": 1, "fallback": 0, "reason": "all refused" });
    std::fs::write(world.layout.routes().join("shop.production.fellback"), marker.to_string())
        .unwrap();
    let fell_back = router.in_force(environment).await.unwrap();
    assert_eq!(fell_back.routes, None, "the marker outranks the live file");
    assert_eq!(fell_back.fell_back, Some((Generation(1), "all refused".to_owned())));
    assert_eq!(fell_back.highest, Generation(1));
}

#[tokio::test]
async fn a_drain_waits_for_requests_and_cuts_them_at_the_deadline() {
    let world = World::new();
    let router = Arc::clone(&world.local.router);
    let (_, instance) = serving(&world).await;
    let instances = [instance.id.clone()];
    for (deadline_ms, is_cut) in [(5_000, false), (20, true)] {
        let address = world.public_address();
        let request = std::thread::spawn(move || get(&address, "shop.test", "/slow").0);
        eventually("the request is in flight", async || {
            let ask = proxy::control::Ask::Status;
            let root = world.layout.root();
            match proxy::client::ask(root, &ask, Duration::from_secs(5)) {
                Ok(proxy::control::Answer::Status(status)) => {
                    !status.environments["shop.production"].in_flight.is_empty()
                }
                _ => false,
            }
        })
        .await;
        let begun = Instant::now();
        let drained = router.drain(&instances, Millis(deadline_ms), EPOCH).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8));
        assert_eq!(drained.cut > 0, is_cut, "{drained:?}");
        let status = request.join().unwrap();
        assert_eq!(status == 200, !is_cut, "{status}");
    }
}

#[tokio::test]
async fn a_taken_address_names_its_owner_and_the_way_out() {
    let world = World::new();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let failure = world.local.router.ensure(&[address]).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Request);
    let owner = format!("(pid {})", std::process::id());
    assert!(failure.message.contains(&owner), "{failure:?}");
    assert!(failure.hints[0].contains("proxy.listen"), "{failure:?}");
    world.local.router.ensure(&listen()).await.unwrap();
    world.local.router.ensure(&listen()).await.expect("repeated");
    let other = ["127.0.0.1:1".to_owned()];
    let failure = world.local.router.ensure(&other).await.unwrap_err();
    assert!(failure.message.contains("it runs on 127.0.0.1:0"), "{failure:?}");
    assert!(world.local.router.ensure(&[]).await.is_err());
}

#[tokio::test]
async fn an_older_controller_is_refused() {
    let world = World::new();
    let (_, instance) = serving(&world).await;
    let router = &world.local.router;
    let newer = staged(world.routes(2, &[&instance]), None, 0);
    router.stage(&world.environment, &[newer], Epoch(5)).await.unwrap();
    router.install(&world.environment, Generation(2), Epoch(5)).await.unwrap();
    let older = staged(world.routes(3, &[&instance]), None, 0);
    router.stage(&world.environment, &[older], Epoch(4)).await.unwrap();
    let refused = router.install(&world.environment, Generation(3), Epoch(4)).await.unwrap_err();
    assert!(refused.hints[0].contains("another controller"), "{refused:?}");
    assert_eq!(generation(&world).await, 2);
}

#[tokio::test]
async fn verify_sees_that_another_release_answers() {
    let world = World::new();
    let (old, _) = serving(&world).await;
    let request = PublicRequest { host: "shop.test".to_owned(), path: "/broken".to_owned() };
    let prober = &world.local.prober;
    let verified = prober.verify(&world.environment, &listen(), &[request], &old.id).await;
    let failure = verified.unwrap_err();
    assert_eq!(failure.blame, Blame::Release);
    assert!(failure.message.contains("the answer is 500"), "{failure:?}");
    let other = model::id::ReleaseId(crate::world::ulid("9"));
    let request = PublicRequest { host: "shop.test".to_owned(), path: "/".to_owned() };
    let verified = prober.verify(&world.environment, &listen(), &[request], &other).await;
    assert!(verified.unwrap_err().message.contains("another release answered"));
}
