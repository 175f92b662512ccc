//! Time in tests: one knob that stretches every deadline, and the one way to wait.

use std::{
    env, thread,
    time::{Duration, Instant},
};

/// The environment variable that multiplies every deadline of the tests, for slow machines.
pub const SCALE_VARIABLE: &str = "CUTOVER_TEST_TIME_SCALE";

const POLL_FIRST_MS: u64 = 2;
const POLL_LAST_MS: u64 = 100;

/// What deadlines are multiplied by: [`SCALE_VARIABLE`], else 1.
///
/// # Panics
/// If the variable is set and is not a number above 0: a test run must not go on with a knob that
/// does nothing.
pub fn scale() -> f64 {
    let Ok(text) = env::var(SCALE_VARIABLE) else { return 1.0 };
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => scale,
        _ => panic!("{SCALE_VARIABLE} must be a number above 0, not {text:?}"),
    }
}

/// `duration` times [`scale`].
pub fn scaled(duration: Duration) -> Duration {
    duration.mul_f64(scale())
}

/// Asks `attempt` until it answers, and returns the answer.  The timeout is scaled.
///
/// # Panics
/// With `what` if there was no answer in time.
pub fn eventually<T>(what: &str, timeout: Duration, attempt: impl FnMut() -> Option<T>) -> T {
    within(timeout, attempt).unwrap_or_else(|| panic!("not within {:?}: {what}", scaled(timeout)))
}

/// Asks `attempt` until it answers or the timeout, which is scaled, is over.
pub fn within<T>(timeout: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    let timeout = scaled(timeout);
    let mut pause_ms = POLL_FIRST_MS;
    loop {
        let answer = attempt();
        if answer.is_some() || started.elapsed() >= timeout {
            return answer;
        }
        thread::sleep(Duration::from_millis(pause_ms));
        pause_ms = (pause_ms * 3 / 2 + 1).min(POLL_LAST_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_answer() {
        let mut asked = 0;
        let answer = eventually("third try", Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer, 3);
    }

    #[test]
    #[should_panic(expected = "never true")]
    fn panics_with_what_was_waited_for() {
        eventually("never true", Duration::from_millis(5), || None::<()>);
    }
}
