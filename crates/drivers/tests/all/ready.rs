//! Every misbehaviour of a candidate leads to the right failure, in bounded time.

use crate::world::{EPOCH, World, eventually, health_check, port_check, silent};
use engine::port::runtime::Life;
use model::{
    failure::{Blame, Failure},
    plan::ReadyCheck,
    role::QuietSignal,
    service::{HealthSpec, Millis, Probe, Readiness, SmokeTest},
};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The failure of a candidate in `mode`, which must come within `time_max`.
async fn failure_of(mode: &str, check: &ReadyCheck, time_max: Duration) -> Failure {
    let world = World::new();
    let (release, instance) = world.started(mode).await;
    let begun = Instant::now();
    let ready = world.local.prober.ready(&instance, &release, check, &silent).await;
    assert!(begun.elapsed() < time_max, "{mode} took {:?}", begun.elapsed());
    let failure = ready.expect_err("it must not be taken for ready");
    world.local.runtime.stop(&instance.id, EPOCH).await.unwrap();
    failure
}

fn seen(failure: &Failure) -> String {
    failure.evidence.join("\n")
}

const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_good_one_is_ready_soon_after_it_accepts() {
    let world = World::new();
    let (release, instance) = world.started("good").await;
    let check = health_check();
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
    // What is ready is so at once when it is asked again.
    let begun = Instant::now();
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_exit_is_a_verdict_at_once_with_the_last_lines() {
    let failure = failure_of("exits", &health_check(), SOON).await;
    assert_eq!(failure.blame, Blame::Release);
    assert!(failure.message.contains("exit code 3"), "{failure:?}");
    assert!(seen(&failure).contains("there is no database"), "{failure:?}");
    assert!(!seen(&failure).contains('\u{1b}'), "{failure:?}");
    let failure = failure_of("ends", &health_check(), SOON).await;
    assert!(failure.message.contains("exit code 0"), "{failure:?}");
    let failure = failure_of("misses", &health_check(), SOON).await;
    assert!(failure.hints[0].contains("a module is missing"), "{failure:?}");
}

#[tokio::test]
async fn a_candidate_that_listens_elsewhere_is_told_where() {
    let failure = failure_of("elsewhere", &port_check(1_500), SOON).await;
    assert!(failure.hints[0].contains("it listens on "), "{failure:?}");
    assert!(failure.hints[0].contains("not on PORT"), "{failure:?}");
    let failure = failure_of("sleeps", &port_check(500), SOON).await;
    assert!(failure.hints[0].contains("it listens on no port"), "{failure:?}");
    assert!(seen(&failure).contains("nobody listens on port"), "{failure:?}");
}

#[tokio::test]
async fn what_hangs_or_drips_is_given_up() {
    for (mode, what) in [("hangs", "was silent within 300 ms"), ("drips", "did not end its body")] {
        let failure = failure_of(mode, &health_check(), SOON).await;
        assert_eq!(failure.blame, Blame::Release);
        assert!(failure.message.contains(what), "{mode}: {failure:?}");
        assert!(failure.message.contains("2 askings failed"), "{mode}: {failure:?}");
    }
}

#[tokio::test]
async fn a_body_without_bounds_is_not_read_to_its_end() {
    let mut check = health_check();
    check.health.as_mut().unwrap().timeout = Millis::seconds(5);
    let failure = failure_of("big", &check, SOON).await;
    assert!(failure.message.contains("more than 1048576 bytes"), "{failure:?}");
}

#[tokio::test]
async fn redirects_are_explained_and_not_followed() {
    let failure = failure_of("redirects", &health_check(), SOON).await;
    assert!(failure.message.contains("302 instead of 200, a redirect to /health"), "{failure:?}");
    assert!(failure.hints[0].contains("endless"), "{failure:?}");
    let failure = failure_of("insists", &health_check(), SOON).await;
    assert!(failure.hints[0].contains("insists on https"), "{failure:?}");
}

#[tokio::test]
async fn a_bad_answer_is_shown() {
    let failure = failure_of("unhealthy", &health_check(), SOON).await;
    assert!(failure.message.contains("503 instead of 200"), "{failure:?}");
    assert!(seen(&failure).contains("| database is down"), "{failure:?}");
    assert!(seen(&failure).contains("begun in mode unhealthy"), "{failure:?}");
    let failure = failure_of("degraded", &health_check(), SOON).await;
    assert!(failure.message.contains("it is degraded (cache)"), "{failure:?}");
    let failure = failure_of("garbage", &health_check(), SOON).await;
    assert!(failure.message.contains("no proper HTTP"), "{failure:?}");
}

#[tokio::test]
async fn passes_must_come_in_a_row() {
    let mut check = health_check();
    let health = check.health.as_mut().unwrap();
    (health.successes, health.tries, health.interval) = (2, 6, Millis(10));
    let failure = failure_of("flaps", &check, SOON).await;
    assert!(failure.message.contains("6 askings failed"), "{failure:?}");
    let world = World::new();
    let (release, instance) = world.started("warms").await;
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
}

#[tokio::test]
async fn nothing_is_ever_sent_to_a_stranger() {
    let world = World::new();
    let (release, instance) = world.started("sleeps").await;
    let stranger = TcpListener::bind(("127.0.0.1", instance.port.unwrap())).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    let ready = world.local.prober.ready(&instance, &release, &health_check(), &silent).await;
    assert!(begun.elapsed() < SOON);
    let failure = ready.unwrap_err();
    assert_eq!(failure.blame, Blame::Platform);
    assert!(failure.message.contains(&format!("(pid {})", std::process::id())), "{failure:?}");
    let accepted = stranger.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(accepted, Err(std::io::ErrorKind::WouldBlock), "nobody connected");
}

#[tokio::test]
async fn a_slow_start_is_waited_for_and_a_watcher_hears_of_it() {
    let world = World::new();
    let (release, instance) = world.started("slow").await;
    let begun = Instant::now();
    let check = port_check(20_000);
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    world.local.runtime.stop(&instance.id, EPOCH).await.unwrap();

    let world = World::new();
    let (release, instance) = world.started("sleeps").await;
    let notes = Arc::new(Mutex::new(vec![]));
    let heard = Arc::clone(&notes);
    let note = move |text: String| heard.lock().unwrap().push(text);
    let ready = world.local.prober.ready(&instance, &release, &port_check(3_500), &note).await;
    assert!(ready.is_err());
    let notes = notes.lock().unwrap();
    assert!(notes.iter().any(|it| it.contains("nobody accepts")), "{notes:?}");
}

#[tokio::test]
async fn one_that_says_it_itself_is_not_ready_before() {
    let world = World::new();
    let notify = |it: &mut model::service::ServiceSpec| it.readiness = Readiness::Notify;
    let release = world.release_with("1.0.0", "notifies", notify).await;
    let instance = world.instance(&release, 1);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    let check = ReadyCheck { readiness: Readiness::Notify, ..port_check(10_000) };
    let begun = Instant::now();
    world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());

    let release = world.release_with("1.0.1", "sleeps", notify).await;
    let instance = world.instance(&release, 1);
    world.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
    let check = ReadyCheck { readiness: Readiness::Notify, ..port_check(300) };
    let failure = world.local.prober.ready(&instance, &release, &check, &silent).await.unwrap_err();
    assert!(failure.hints[0].contains("NOTIFY_SOCKET"), "{failure:?}");
}

#[tokio::test]
async fn other_probes_ask_the_port_or_a_program() {
    let world = World::new();
    let (release, instance) = world.started("good").await;
    let with = |probe: Probe| ReadyCheck {
        health: Some(HealthSpec { probe, timeout: Millis::seconds(5), ..health_spec() }),
        ..port_check(10_000)
    };
    let prober = &world.local.prober;
    prober.ready(&instance, &release, &with(Probe::Tcp), &silent).await.unwrap();
    let python = |script: &str| Probe::Command {
        command: ["python3", "-c", script, "{version}"].map(str::to_owned).to_vec(),
    };
    let fine = "import os, sys; sys.exit(not (sys.argv[1] == os.environ['CUTOVER_VERSION'] \
                and os.path.exists('app.py')))";
    prober.ready(&instance, &release, &with(python(fine)), &silent).await.unwrap();
    let bad = "import sys; sys.exit('the queue is stuck')";
    let check = with(python(bad));
    let failure = prober.ready(&instance, &release, &check, &silent).await.unwrap_err();
    assert!(failure.message.contains("exit code 1"), "{failure:?}");
    assert!(seen(&failure).contains("the queue is stuck"), "{failure:?}");
}

fn health_spec() -> HealthSpec {
    health_check().health.unwrap()
}

#[tokio::test]
async fn smoke_tests_compare_status_text_and_fields() {
    let world = World::new();
    let (release, instance) = world.started("good").await;
    let prober = &world.local.prober;
    prober.ready(&instance, &release, &health_check(), &silent).await.unwrap();
    let test = |path: &str, version: &str| SmokeTest {
        json: BTreeMap::from([("version".to_owned(), version.into())]),
        ..SmokeTest::get(path)
    };
    let good = [test("/version", "{version}")];
    prober.smoke(&instance, &release, &good).await.unwrap();
    let other = [good[0].clone(), test("/version", "9.9.9")];
    let failure = prober.smoke(&instance, &release, &other).await.unwrap_err();
    assert!(failure.message.contains("instead of \"9.9.9\""), "{failure:?}");
    let broken = [SmokeTest { json: BTreeMap::new(), ..test("/broken", "") }];
    let failure = prober.smoke(&instance, &release, &broken).await.unwrap_err();
    assert!(failure.message.contains("500 instead of 200"), "{failure:?}");
    assert!(seen(&failure).contains("GET http://127.0.0.1:"), "{failure:?}");
}

#[tokio::test]
async fn a_worker_is_ready_when_it_has_lived_or_written_what_is_waited_for() {
    let world = World::new();
    let prober = &world.local.prober;
    let (release, mut instance) = world.worker("works").await;
    let check = |readiness, patience| ReadyCheck { readiness, ..port_check(patience) };
    let begun = Instant::now();
    let lived = check(Readiness::Alive(Millis(700)), 10_000);
    prober.ready(&instance, &release, &lived, &silent).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    let said = check(Readiness::Log("^working as \\d+$".to_owned()), 10_000);
    prober.ready(&instance, &release, &said, &silent).await.unwrap();
    let silent_one = check(Readiness::Log("^never$".to_owned()), 300);
    let failure = prober.ready(&instance, &release, &silent_one, &silent).await.unwrap_err();
    assert!(failure.message.contains("no line like `^never$`"), "{failure:?}");

    let (release, ends) = world.worker("exits").await;
    instance = ends;
    let failure =
        prober.ready(&instance, &release, &check(Readiness::Running, 10_000), &silent).await;
    assert!(failure.unwrap_err().message.contains("exit code"), "an exit is a verdict");
}

#[tokio::test]
async fn a_worker_that_was_told_to_be_quiet_runs_on_and_is_left_when_it_ends() {
    let world = World::new();
    let (_, instance) = world.worker("works").await;
    let runtime = &world.local.runtime;
    runtime.keep(&instance.id, true, EPOCH).await.unwrap();
    let said = async |text: &str| {
        let lines = runtime.last_lines(&instance.id, 100).await;
        lines.iter().any(|it| it.starts_with(text))
    };
    eventually("it works", async || said("working as").await).await;
    runtime.quiet(&instance.id, QuietSignal::SigUsr1, EPOCH).await.unwrap();
    eventually("it heard", async || said("quiet").await).await;
    eventually("it ended", async || {
        matches!(runtime.observe(&instance.id).await.unwrap(), Life::Exited(_))
    })
    .await;
    // What has ended is quiet, and what never was, too.
    runtime.quiet(&instance.id, QuietSignal::SigUsr1, EPOCH).await.unwrap();
    let mut none = instance.clone();
    none.id.0.push('x');
    runtime.quiet(&none.id, QuietSignal::SigUsr1, EPOCH).await.unwrap();
    assert!(matches!(runtime.observe(&instance.id).await.unwrap(), Life::Exited(_)));
    runtime.stop(&instance.id, EPOCH).await.unwrap();
}
