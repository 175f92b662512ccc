//! Sees a process end, or makes it.

use drivers::state::is_alive;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::time::{Duration, Instant};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Signals a process; one that is gone needs none.
pub fn signal(pid: u32, signal: Signal) {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(Ok(process)) = raw.map(|it| pidfd_open(it, PidfdFlags::empty())) {
        // It may end before the signal comes.
        let _ = pidfd_send_signal(&process, signal);
    }
}

/// Waits until a process is gone; false where it is not within `wait`.
pub async fn until_gone(pid: u32, wait: Duration) -> bool {
    let began = Instant::now();
    while is_alive(pid) {
        if began.elapsed() > wait {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
