//! What is watched while a release is on probation.

use crate::world::{EPOCH, World, eventually, get, health_check, silent, staged};
use engine::port::prober::Baked;
use model::{
    bake::{BakeRule, OnUndecided, REQUESTS_MIN},
    failure::Blame,
    id::Generation,
    instance::Instance,
    service::Millis,
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The old serves; the new, which runs in `mode`, is on probation as generation 2.
async fn on_trial(world: &World, mode: &str, expires_ms: u64) -> Instance {
    let router = &world.local.router;
    let environment = &world.environment;
    router.ensure(&["127.0.0.1:0".to_owned()]).await.unwrap();
    let mut instances = vec![];
    for (version, mode) in [("1.0.0", "good"), ("2.0.0", mode)] {
        let release = world
            .release_with(version, mode, |service| {
                service.env.insert("DIES_AFTER".to_owned(), "2".to_owned());
            })
            .await;
        let instance = world.instance(&release, 1);
        world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
        let check = health_check();
        world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
        instances.push(instance);
    }
    let all = [
        staged(world.routes(1, &[&instances[0]]), None, 0),
        staged(world.routes(2, &[&instances[1]]), Some(1), expires_ms),
    ];
    router.stage(environment, &all, EPOCH).await.unwrap();
    router.install(environment, Generation(1), EPOCH).await.unwrap();
    router.try_out(environment, Generation(1), Generation(2), EPOCH).await.unwrap();
    instances.remove(1)
}

#[tokio::test]
async fn a_good_release_is_watched_long_enough_and_too_little_traffic_is_said() {
    let world = World::new();
    let instance = on_trial(&world, "good", 20_000).await;
    let notes = Arc::new(Mutex::new(vec![]));
    let heard = Arc::clone(&notes);
    let note = move |text: String| heard.lock().unwrap().push(text);
    let ids = [instance.id];
    let prober = &world.local.prober;
    let begun = Instant::now();
    let (environment, rule) = (&world.environment, BakeRule::default());
    let bake = async |ms, rule| {
        prober.bake(environment, Generation(2), &ids, Millis(ms), &rule, &note).await
    };
    let Baked { nonce, verdict } = bake(1_500, rule).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(1_000), "{:?}", begun.elapsed());
    let in_force = world.local.router.in_force(&world.environment).await.unwrap();
    assert_eq!(nonce, in_force.nonce);
    assert_eq!(verdict, "undecided: 0 requests, 0 failed; it stays all the same");
    for _ in 0..REQUESTS_MIN - 1 {
        get(&world.public_address(), "shop.test", "/");
    }
    let back = BakeRule { on_undecided: OnUndecided::Rollback, ..rule };
    let failure = bake(1, back).await.unwrap_err();
    assert!(failure.message.contains("undecided: 59 requests"), "{failure:?}");
    let hold = BakeRule { on_undecided: OnUndecided::Hold, ..rule };
    let (held, ()) = tokio::join!(bake(1, hold), async {
        eventually("it waits for more", async || {
            notes.lock().unwrap().iter().any(|it| it.starts_with("undecided: 59 requests"))
        })
        .await;
        get(&world.public_address(), "shop.test", "/");
    });
    assert!(held.unwrap().verdict.starts_with("good: 60 requests, 0 failed"));
}

#[tokio::test]
async fn an_exit_ends_the_bake_at_once() {
    let world = World::new();
    let instance = on_trial(&world, "dies", 60_000).await;
    let ids = [instance.id];
    let begun = Instant::now();
    let (environment, rule) = (&world.environment, BakeRule::default());
    let baked =
        world.local.prober.bake(environment, Generation(2), &ids, Millis(30_000), &rule, &silent);
    let failure = baked.await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(failure.blame, Blame::Release);
    assert!(failure.message.contains("exit code 9"), "{failure:?}");
}

#[tokio::test]
async fn a_fall_back_of_the_proxy_ends_the_bake_with_its_reason() {
    let world = World::new();
    let instance = on_trial(&world, "good", 1_000).await;
    let ids = [instance.id];
    let (environment, rule) = (&world.environment, BakeRule::default());
    let baked =
        world.local.prober.bake(environment, Generation(2), &ids, Millis(30_000), &rule, &silent);
    let failure = baked.await.unwrap_err();
    assert_eq!(failure.blame, Blame::Release);
    assert!(failure.message.contains("the proxy went back"), "{failure:?}");
    let router = &world.local.router;
    eventually("the old serves", async || {
        let in_force = router.in_force(environment).await.unwrap();
        in_force.routes.is_some_and(|it| it.generation == Generation(1))
    })
    .await;
    let left = router.in_force(environment).await.unwrap();
    assert_eq!(left.fell_back.map(|it| it.0), Some(Generation(2)));
    assert_eq!(left.probation, None);
}
