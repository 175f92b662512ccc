//! Idle connections to instances, kept by one thread.

use super::upstream::Upstream;
use crate::limits::{POOL_IDLE_TIMEOUT, POOL_PER_INSTANCE_MAX, POOL_UNSAFE_IDLE};
use rustix::net::RecvFlags;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// By instance number; the last one put in is the first taken out.
pub(crate) struct Pool {
    instances: HashMap<u64, Kept>,
    count: usize,
    count_max: usize,
}

struct Kept {
    idle: VecDeque<Idle>,
    /// The longest that a connection was seen idle and open.
    proven: Duration,
    /// The shortest idle time after which the instance was seen closing a connection unannounced.
    shortest_close: Duration,
}

impl Kept {
    /// Whether a connection this long idle is surely not about to be closed.
    fn is_safe_at(&self, age: Duration) -> bool {
        age * 2 < self.proven.min(self.shortest_close)
    }
}

struct Idle {
    stream: Upstream,
    since: Instant,
    limit: Duration,
}

impl Pool {
    pub(crate) fn new(count_max: usize) -> Self {
        Pool { instances: HashMap::new(), count: 0, count_max }
    }

    /// A connection that is still open.  With `repeatable` the request can be sent once more, so
    /// one that closes right now does no harm; else only one is given that was used a moment ago,
    /// of an instance that has proven to keep its connections longer, and that is seen to be open.
    pub(crate) fn take(&mut self, number: u64, repeatable: bool) -> Option<Upstream> {
        let kept = self.instances.get_mut(&number)?;
        let now = Instant::now();
        while let Some(idle) = kept.idle.pop_back() {
            self.count -= 1;
            let age = now.duration_since(idle.since);
            if age >= idle.limit {
                continue;
            }
            if !repeatable && !kept.is_safe_at(age) {
                // It is good for another request yet.
                kept.idle.push_back(idle);
                self.count += 1;
                return None;
            }
            if is_open(&idle.stream, repeatable) {
                return Some(idle.stream);
            }
            kept.shortest_close = kept.shortest_close.min(age);
        }
        None
    }

    /// A connection taken from here was closed by the instance before it answered.
    pub(crate) fn closed_early(&mut self, number: u64) {
        if let Some(kept) = self.instances.get_mut(&number) {
            kept.shortest_close = Duration::ZERO;
        }
    }

    /// Keeps a connection, for at most as long as the instance says that it will.
    pub(crate) fn put(&mut self, number: u64, stream: Upstream, idle_s: Option<u64>) {
        // Half of the announced time: the instance counts from an earlier moment.
        let limit = idle_s.map_or(POOL_IDLE_TIMEOUT, |announced| {
            POOL_IDLE_TIMEOUT.min(Duration::from_millis(announced.saturating_mul(500)))
        });
        let kept = self.instances.entry(number).or_insert_with(|| Kept {
            idle: VecDeque::new(),
            proven: Duration::ZERO,
            shortest_close: POOL_UNSAFE_IDLE,
        });
        // The one used last is the least likely to be closed by the instance.
        if (kept.idle.len() >= POOL_PER_INSTANCE_MAX || self.count >= self.count_max)
            && kept.idle.pop_front().is_some()
        {
            self.count -= 1;
        }
        if self.count < self.count_max {
            kept.idle.push_back(Idle { stream, since: Instant::now(), limit });
            self.count += 1;
        }
    }

    /// Closes what is too old or was closed by the instance.
    pub(crate) fn sweep(&mut self) {
        let now = Instant::now();
        for kept in self.instances.values_mut() {
            let Kept { idle, proven, shortest_close } = kept;
            idle.retain(|idle| {
                let age = now.duration_since(idle.since);
                if age >= idle.limit {
                    return false;
                }
                let open = is_open(&idle.stream, false);
                match open {
                    true => *proven = age.max(*proven),
                    false => *shortest_close = age.min(*shortest_close),
                }
                open
            });
        }
        self.recount();
    }

    /// Closes all connections to instances that are not `wanted`, and forgets the instances.
    pub(crate) fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        self.instances.retain(|number, _| wanted(*number));
        self.recount();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn recount(&mut self) {
        self.count = self.instances.values().map(|kept| kept.idle.len()).sum();
    }
}

/// Whether the instance has neither closed it nor sent anything.  The cheap look asks only what
/// the runtime has been told so far; the other asks the kernel.
fn is_open(stream: &Upstream, cheap: bool) -> bool {
    let mut byte = [0];
    if cheap {
        let read = stream.try_read(&mut byte);
        return matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    }
    let seen = rustix::net::recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(seen, Err(rustix::io::Errno::AGAIN))
}
