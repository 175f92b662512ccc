//! When a certificate that an authority issues is asked for: the first time, again, and after
//! failures.  All times are Unix times in seconds, by the wall clock, as certificates have it.

use serde::{Deserialize, Serialize};

/// Between two tries that fail; the last one holds for all that follow.  An authority counts
/// failures by the hour, and five are too many.
const PAUSES_S: [i64; 5] = [60, 15 * 60, 3600, 6 * 3600, 24 * 3600];
/// An authority counts certificates for the same names by the week, and five are too many.
pub const ISSUED_MAX: usize = 4;
/// See [`ISSUED_MAX`].
pub const ISSUED_WINDOW_S: i64 = 7 * 24 * 3600;
/// Orders of all hosts within [`ORDERS_WINDOW_S`]; the best known authority takes 300.
pub const ORDERS_MAX: usize = 200;
/// See [`ORDERS_MAX`].
pub const ORDERS_WINDOW_S: i64 = 3 * 3600;
/// One that an authority asks for is kept up to this long: what it says may be nonsense.
const PATIENCE_MAX_S: i64 = 7 * 24 * 3600;

/// What is known of a host's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Of the one that was issued last.
    pub life: Option<Life>,
    /// Tries since then.
    pub failures: u32,
    /// When the last of them began.
    pub tried_at_s: Option<i64>,
    /// Not before then, by the authority's word.
    pub not_before_s: Option<i64>,
    /// When certificates were issued, as many as count.
    pub issued_at_s: Vec<i64>,
}

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Its first second.
    pub begins_at_s: i64,
    /// Its last one.
    pub ends_at_s: i64,
}

impl Standing {
    /// When the next try is made.  Hosts with the same times are not all due at once.
    pub fn due_at_s(&self, host: &str, now_s: i64) -> i64 {
        let wanted = self.life.map_or(now_s, |it| renews_at_s(it, host));
        let tried = self.tried_at_s.filter(|it| self.failures > 0 && *it <= now_s);
        let paused = tried.map_or(wanted, |it| wanted.max(it + pause_s(self.failures, host)));
        let asked = self.not_before_s.filter(|it| *it - now_s <= PATIENCE_MAX_S);
        asked.map_or(paused, |it| paused.max(it))
    }

    /// A try begins: until it succeeds it counts as failed, so that one that ends in a crash does.
    pub fn begin(&mut self, now_s: i64) {
        self.failures = self.failures.saturating_add(1);
        self.tried_at_s = Some(now_s);
        self.not_before_s = None;
    }

    /// It was issued.
    pub fn succeed(&mut self, life: Life, now_s: i64) {
        *self = Standing {
            life: Some(life),
            issued_at_s: within(&self.issued_at_s, ISSUED_WINDOW_S, now_s),
            ..Standing::default()
        };
        self.issued_at_s.push(now_s);
    }

    /// Whether the authority would take one more for too many.
    pub fn is_spent(&self, now_s: i64) -> bool {
        within(&self.issued_at_s, ISSUED_WINDOW_S, now_s).len() >= ISSUED_MAX
    }
}

/// At two thirds of its life, and up to a twentieth of it before.
pub fn renews_at_s(life: Life, host: &str) -> i64 {
    let whole_s = (life.ends_at_s - life.begins_at_s).max(0);
    life.begins_at_s + whole_s.saturating_mul(2) / 3 - part_of(whole_s / 20, host)
}

/// Those of the times that count.
pub fn within(times: &[i64], window_s: i64, now_s: i64) -> Vec<i64> {
    times.iter().copied().filter(|it| (0..window_s).contains(&(now_s - it))).collect()
}

fn pause_s(failures: u32, host: &str) -> i64 {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause_s = PAUSES_S[index.min(PAUSES_S.len() - 1)];
    pause_s + part_of(pause_s / 10, host)
}

/// A part of `most` that depends on nothing but the host.
fn part_of(most: i64, host: &str) -> i64 {
    const PARTS: i64 = 1024;
    let mixed = host.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let part = i64::try_from(mixed >> 54).unwrap_or(0);
    most / PARTS * part + most % PARTS * part / PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_800_000_000;
    const DAY_S: i64 = 24 * 3600;
    const LIFE: Life = Life { begins_at_s: NOW_S, ends_at_s: NOW_S + 90 * DAY_S };

    #[test]
    fn it_is_renewed_at_two_thirds_and_not_all_at_once() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..50 {
            let at = renews_at_s(LIFE, &format!("{number}.test")) - NOW_S;
            assert!((55 * DAY_S..=60 * DAY_S).contains(&at), "{at}");
            seen.insert(at / 3600);
        }
        assert!(seen.len() > 25, "{seen:?}");
        let short = Life { begins_at_s: NOW_S, ends_at_s: NOW_S + 9 };
        assert_eq!(renews_at_s(short, "a.test"), NOW_S + 6);
    }

    #[test]
    fn failures_are_further_and_further_apart_and_survive_a_crash() {
        let mut standing = Standing::default();
        assert_eq!(standing.due_at_s("a.test", NOW_S), NOW_S, "the first one at once");
        let (mut now, mut gaps) = (NOW_S, vec![]);
        for _ in 0..8 {
            standing.begin(now);
            let next = standing.due_at_s("a.test", now);
            gaps.push(next - now);
            assert_eq!(standing.due_at_s("a.test", next), next);
            now = next;
        }
        assert!(gaps.is_sorted() && gaps[0] >= 60 && gaps[7] <= 27 * 3600, "{gaps:?}");
        assert!(gaps[..4].iter().sum::<i64>() > 3600, "fewer than five an hour: {gaps:?}");
        standing.succeed(LIFE, now);
        assert_eq!(standing.failures, 0);
        assert_eq!(standing.due_at_s("a.test", now), renews_at_s(LIFE, "a.test"));
    }

    #[test]
    fn an_authority_is_obeyed_and_a_clock_that_leapt_holds_nothing_up() {
        let mut standing = Standing { life: Some(LIFE), ..Standing::default() };
        standing.begin(NOW_S + 80 * DAY_S);
        let now = NOW_S + 80 * DAY_S;
        standing.not_before_s = Some(now + 2 * DAY_S);
        assert_eq!(standing.due_at_s("a.test", now), now + 2 * DAY_S);
        standing.not_before_s = Some(now + 9000 * DAY_S);
        assert!(standing.due_at_s("a.test", now) < now + DAY_S);
        // It was tried in what is the future by now.
        let mut early = Standing::default();
        early.begin(NOW_S + 1000 * DAY_S);
        assert_eq!(early.due_at_s("a.test", NOW_S), NOW_S);
    }

    #[test]
    fn too_many_for_the_same_host_are_not_asked_for() {
        let mut standing = Standing::default();
        for turn in 0..4 {
            assert!(!standing.is_spent(NOW_S + turn * 60));
            standing.succeed(LIFE, NOW_S + turn * 60);
        }
        assert!(standing.is_spent(NOW_S + 300));
        assert!(!standing.is_spent(NOW_S + 7 * DAY_S));
        assert_eq!(within(&[1, 5, 9], 5, 9), [5, 9]);
    }
}
