//! How long the application needs by itself, with nothing around it.

use super::APP;
use anyhow::{Result, ensure};
use std::{
    thread,
    time::{Duration, Instant},
};
use testkit::app::{Running, get};

const ASK_EVERY: Duration = Duration::from_millis(2);
const READY_WITHIN: Duration = Duration::from_secs(20);

/// From its start to its first healthy answer, in ms.
pub fn start_alone_ms(version: &str) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    APP.release(folder.path(), version, "")?;
    let began = Instant::now();
    let running = Running::start(APP, folder.path(), &[]);
    loop {
        let answer = get(running.address, "/api/health");
        if answer.is_ok_and(|it| it.starts_with("HTTP/1.1 200")) {
            return Ok(ms(began.elapsed()));
        }
        ensure!(began.elapsed() < READY_WITHIN, "the application does not start by itself");
        thread::sleep(ASK_EVERY);
    }
}

/// With its fraction.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
