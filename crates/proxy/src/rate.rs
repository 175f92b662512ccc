//! How many requests a client may send in a second.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Clients are counted in parts, so that threads seldom wait for each other.
const PARTS: usize = 16;
/// Clients of one part; who comes when it is full takes the place of another.
const CLIENTS_PER_PART_MAX: usize = 4096;
/// Between two looks for clients that are quiet, of a part that is full.
const SWEEP_INTERVAL_US: u64 = 100_000;
const SECOND_US: u64 = 1_000_000;
/// Requests in a second, and at once.
pub const RATE_MAX: u32 = 1_000_000;

/// How many requests a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, after it was quiet.
    pub burst: u32,
}

/// Who sent how many.
pub(crate) struct Limiter {
    pub(crate) rate: Rate,
    parts: [Mutex<Part>; PARTS],
    started: Instant,
}

/// A client is known by the moment at which it will have been quiet enough; once that is past it
/// need not be known.
#[derive(Default)]
struct Part {
    quiet_at_us: HashMap<u128, u64>,
    swept_at_us: u64,
}

impl Rate {
    /// Whether it can be kept to.
    ///
    /// # Errors
    /// In words.
    pub fn check(self) -> Result<(), String> {
        let fits = |it: u32| (1..=RATE_MAX).contains(&it);
        if fits(self.per_second) && fits(self.burst) {
            return Ok(());
        }
        Err(format!("a rate is from 1 to {RATE_MAX} requests"))
    }
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Limiter {
        Limiter { rate, parts: Default::default(), started: Instant::now() }
    }

    /// Counts one more request; false: it is too many, and not counted.
    pub(crate) fn lets(&self, client: IpAddr) -> bool {
        let now_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.lets_at(client, now_us)
    }

    fn lets_at(&self, client: IpAddr, now_us: u64) -> bool {
        let key = key(client);
        let part = &self.parts[part_of(key)];
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let each_us = SECOND_US / u64::from(self.rate.per_second.max(1));
        let room_us = each_us * u64::from(self.rate.burst.max(1));
        let quiet_at_us = part.quiet_at_us.get(&key).copied().unwrap_or(0).max(now_us);
        let next_us = quiet_at_us + each_us;
        if next_us > now_us + room_us {
            return false;
        }
        part.make_room(key, now_us);
        part.quiet_at_us.insert(key, next_us);
        true
    }
}

impl Part {
    fn make_room(&mut self, key: u128, now_us: u64) {
        if self.quiet_at_us.len() < CLIENTS_PER_PART_MAX || self.quiet_at_us.contains_key(&key) {
            return;
        }
        if now_us >= self.swept_at_us + SWEEP_INTERVAL_US {
            self.swept_at_us = now_us;
            self.quiet_at_us.retain(|_, quiet_at_us| *quiet_at_us > now_us);
        }
        if self.quiet_at_us.len() >= CLIENTS_PER_PART_MAX
            && let Some(other) = self.quiet_at_us.keys().next().copied()
        {
            self.quiet_at_us.remove(&other);
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rate.fmt(formatter)
    }
}

/// Whoever has one address of IPv6 has all of its /64.
fn key(client: IpAddr) -> u128 {
    const HOST_BITS: u32 = 64;
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> HOST_BITS << HOST_BITS,
    }
}

/// One of the parts, also for addresses that lie beside each other.
fn part_of(key: u128) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let folded = (key >> 64) as u64 ^ key as u64;
    (folded.wrapping_mul(ODD) >> 32) as usize % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32, burst: u32) -> Limiter {
        Limiter::new(Rate { per_second, burst })
    }

    fn lets(limiter: &Limiter, client: &str, now_us: u64) -> bool {
        limiter.lets_at(client.parse().unwrap(), now_us)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter(10, 5);
        let at = |now_us: u64| (0..20).filter(|_| lets(&limiter, "192.0.2.1", now_us)).count();
        assert_eq!(at(0), 5);
        assert_eq!(at(50_000), 0);
        assert_eq!(at(100_000), 1);
        assert_eq!(at(400_000), 3);
        assert_eq!(at(60 * SECOND_US), 5, "who is quiet saves no more than a burst");
        assert!(lets(&limiter, "192.0.2.2", 0), "another is another");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let limiter = limiter(1, 1);
        assert!(lets(&limiter, "2001:db8::1", 0));
        assert!(!lets(&limiter, "2001:db8::ffff:1", 0));
        assert!(lets(&limiter, "2001:db8:0:1::1", 0));
        assert!(lets(&limiter, "192.0.2.1", 0));
        assert!(!lets(&limiter, "::ffff:192.0.2.1", 0), "the same in another form");
        assert!(lets(&limiter, "::ffff:192.0.2.2", 0));
    }

    #[test]
    fn many_clients_take_no_more_than_their_room() {
        let limiter = limiter(1, 10);
        for number in 0..200_000_u32 {
            let client = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
            assert!(limiter.lets_at(client, u64::from(number)));
        }
        let known: usize =
            limiter.parts.iter().map(|it| it.lock().unwrap().quiet_at_us.len()).sum();
        assert!(known <= PARTS * CLIENTS_PER_PART_MAX, "{known}");
        assert!(known > PARTS * CLIENTS_PER_PART_MAX / 2, "{known}");
        for rate in [(0, 1), (1, 0), (RATE_MAX + 1, 1)] {
            assert!(Rate { per_second: rate.0, burst: rate.1 }.check().is_err());
        }
    }
}
