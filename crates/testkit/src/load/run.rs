//! A whole load, in this process: clients, end, sum.

use super::{
    client::{Client, Habit, Scene},
    events,
    options::Options,
    post_log,
    recorder::Recorder,
    rhythm::Rhythm,
    summary::{Progress, Summary},
    websocket,
};
use anyhow::{Result, bail, ensure};
use std::{
    process,
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// How often the end is looked for.
const LOOK_UP: Duration = Duration::from_millis(10);

/// More clients than this is a slip of the pen.
const CLIENTS_MAX: u32 = 10_000;

const STACK_BYTES: usize = 512 << 10;

/// Makes the load and returns its sum.  `asked_to_end` says whether the caller wants it over;
/// `tell` gets the counts every `tell_every`.
///
/// # Errors
/// If the options make no load, a file cannot be read or written, or a client cannot be started.
pub fn run(
    options: &Options,
    asked_to_end: impl Fn() -> bool,
    tell_every: Option<Duration>,
    tell: impl Fn(&Progress),
) -> Result<Summary> {
    check(options)?;
    let scene = Scene {
        options: options.clone(),
        recorder: Recorder::new(options.history.as_deref())?,
        rhythm: Rhythm::new(options.rate, options.requests),
        prefix: format!("{:x}-{:x}-", super::recorder::unix_ms(), process::id()),
    };
    thread::scope(|scope| -> Result<()> {
        let started = start_clients(scope, &scene);
        if started.is_err() {
            scene.rhythm.end();
        }
        started?;
        await_end(&scene, asked_to_end, tell_every, tell);
        scene.recorder.clients_end();
        scene.rhythm.end();
        Ok(())
    })?;
    if let Some(error) = scene.recorder.error() {
        bail!("{error}");
    }
    let (mut summary, acknowledged) = scene.recorder.sum_up()?;
    post_log::compare(&mut summary.posts, &acknowledged, &options.post_log, &scene.prefix)?;
    summary.ok = summary.failed == 0
        && summary.streams_failed == 0
        && summary.posts.lost == 0
        && summary.posts.doubled == 0;
    Ok(summary)
}

fn check(options: &Options) -> Result<()> {
    let counts = [
        options.get_clients,
        options.post_clients,
        options.connect_clients,
        options.slow_clients,
        options.websocket_clients,
        options.event_clients,
    ];
    let clients = counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
    ensure!(clients > 0, "no client is asked for: give one of the --…-clients a count");
    ensure!(clients <= CLIENTS_MAX, "{clients} clients; at most {CLIENTS_MAX} are possible");
    let positive = |number: Option<f64>| number.is_none_or(|number| number > 0.0 && number < 1e9);
    ensure!(positive(options.rate), "the rate must be above 0");
    ensure!(positive(options.seconds), "the seconds must be above 0");
    Ok(())
}

fn start_clients<'scope>(
    scope: &'scope Scope<'scope, '_>,
    scene: &'scope Scene,
) -> std::io::Result<()> {
    let spawn = |name: String, work: Box<dyn FnOnce() + Send + 'scope>| {
        thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn_scoped(scope, work)
    };
    let options = &scene.options;
    let habits = [
        (Habit::Get, options.get_clients),
        (Habit::Post, options.post_clients),
        (Habit::Connect, options.connect_clients),
        (Habit::Slow, options.slow_clients),
    ];
    for (habit, count) in habits {
        for index in 0..count {
            let client = Client::new(scene, habit, index);
            spawn(format!("{habit:?}-{index}"), Box::new(move || client.run()))?;
        }
    }
    for index in 0..options.websocket_clients {
        spawn(format!("ws-{index}"), Box::new(move || websocket::run(scene, index)))?;
    }
    for index in 0..options.event_clients {
        spawn(format!("events-{index}"), Box::new(move || events::run(scene)))?;
    }
    Ok(())
}

fn await_end(
    scene: &Scene,
    asked_to_end: impl Fn() -> bool,
    tell_every: Option<Duration>,
    tell: impl Fn(&Progress),
) {
    let started = Instant::now();
    let limit = scene.options.seconds.map(Duration::from_secs_f64);
    let mut told = started;
    loop {
        let over = limit.is_some_and(|limit| started.elapsed() >= limit);
        if over || asked_to_end() || scene.rhythm.ended() || scene.recorder.error().is_some() {
            return;
        }
        if let Some(every) = tell_every
            && told.elapsed() >= every
        {
            told = Instant::now();
            tell(&scene.recorder.progress());
        }
        thread::sleep(LOOK_UP);
    }
}
