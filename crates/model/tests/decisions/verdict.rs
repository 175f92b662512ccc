//! The verdict on a release under traffic, by simulated traffic of fixed seeds.

use model::{
    bake::{BakeRule, Evidence, OnUndecided, Times, Verdict, judge, told},
    service::Millis,
};
use std::collections::BTreeMap;

/// A fixed sequence of numbers in 0..1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around `median_ms`, as latencies are: many near it, some much later.
    fn usual(&mut self, median_ms: f64) -> f64 {
        let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        median_ms * (0.5 * normal).exp()
    }

    /// As `usual`, and one in ten is later without any bound to speak of.
    fn heavy(&mut self, median_ms: f64) -> f64 {
        let tail = if self.next() < 0.1 { self.next().max(1e-4).recip() } else { 1.0 };
        self.usual(median_ms) * tail
    }
}

/// In entries as coarse as those of the proxy.
fn sampled(count: u64, mut draw: impl FnMut() -> f64) -> Times {
    let mut entries: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..count {
        let us = (draw() * 1e3).max(1.0);
        let power = us.log2().floor();
        let step = ((us / power.exp2() - 1.0) * 8.0).floor();
        let upper = (power.exp2() * (1.0 + (step + 1.0) / 8.0)).ceil() as u64;
        *entries.entry(upper).or_default() += 1;
    }
    Times(entries.into_iter().collect())
}

fn seen(new: Times, old: Times) -> Evidence {
    Evidence { requests: new.count(), failures: 0, new, old }
}

const STRICT: BakeRule =
    BakeRule { on_undecided: OnUndecided::Confirm, slower_by: Some(Millis(1)) };

fn is_slower(rule: &BakeRule, evidence: &Evidence) -> bool {
    matches!(judge(rule, evidence), Verdict::Slower(_))
}

#[test]
fn what_is_as_quick_is_not_taken_for_slower() {
    let mut random = Random(0x5eed_cafe_f00d_0011);
    let mut wrong = 0;
    for run in 0..6_000 {
        let count = [50, 60, 120, 400][run % 4];
        let new = sampled(count, || random.usual(20.0));
        let old = sampled(400, || random.usual(20.0));
        wrong += u32::from(is_slower(&STRICT, &seen(new, old)));
    }
    assert!(wrong <= 6, "{wrong} of 6 000 good releases");
}

#[test]
fn heavy_tails_are_not_taken_for_slower() {
    let mut random = Random(0x5eed_cafe_f00d_0012);
    let mut wrong = 0;
    for _ in 0..4_000 {
        let new = sampled(60, || random.heavy(20.0));
        let old = sampled(60, || random.heavy(20.0));
        wrong += u32::from(is_slower(&STRICT, &seen(new, old)));
    }
    assert!(wrong <= 4, "{wrong} of 4 000 good releases");
}

#[test]
fn three_times_as_slow_is_seen() {
    let mut random = Random(0x5eed_cafe_f00d_0013);
    let rule = BakeRule::default();
    for heavy in [false, true] {
        let mut draw =
            |median: f64| if heavy { random.heavy(median) } else { random.usual(median) };
        let mut caught = 0;
        for _ in 0..1_000 {
            let new = sampled(60, || draw(60.0));
            let old = sampled(200, || draw(20.0));
            caught += u32::from(is_slower(&rule, &seen(new, old)));
        }
        assert!(caught >= 990, "{caught} of 1 000");
    }
}

#[test]
fn a_difference_below_the_floor_is_nobodys_concern() {
    let mut random = Random(0x5eed_cafe_f00d_0014);
    let new = sampled(5_000, || random.usual(6.0));
    let old = sampled(5_000, || random.usual(2.0));
    let evidence = seen(new, old);
    assert_eq!(judge(&BakeRule::default(), &evidence), Verdict::Good);
    assert!(is_slower(&STRICT, &evidence));
    let unjudged = BakeRule { slower_by: None, ..STRICT };
    assert_eq!(judge(&unjudged, &evidence), Verdict::Good);
}

#[test]
fn too_little_is_undecided_and_said() {
    let rule = BakeRule::default();
    for (requests, verdict, text) in [
        (0, Verdict::Undecided, "undecided: 0 requests, 0 failed"),
        (1, Verdict::Undecided, "undecided: 1 request, 0 failed"),
        (59, Verdict::Undecided, "undecided: 59 requests, 0 failed"),
        (60, Verdict::Good, "good: 60 requests, 0 failed, median 4.0 ms, it was 5.0 ms"),
    ] {
        let new = Times(vec![(4_000, requests)]);
        let evidence = Evidence { old: Times(vec![(5_000, 100)]), ..seen(new, Times::default()) };
        assert_eq!(judge(&rule, &evidence), verdict, "{requests}");
        assert_eq!(told(&verdict, &rule, &evidence), text);
    }
}

#[test]
fn the_verdict_says_its_numbers() {
    let rule = BakeRule::default();
    let evidence = seen(Times(vec![(61_000, 80)]), Times(vec![(20_000, 300)]));
    let verdict = judge(&rule, &evidence);
    assert_eq!(
        told(&verdict, &rule, &evidence),
        "slower: the median is 61 ms, it was 20 ms (80 against 300 answers; by chance in less \
         than 1 of 10 000)"
    );
    let alone = seen(Times(vec![(61_000, 80)]), Times::default());
    let text = told(&judge(&rule, &alone), &rule, &alone);
    assert_eq!(text, "good: 80 requests, 0 failed, median 61 ms, nothing to compare it with");
}

#[test]
fn of_several_services_the_stricter_rule_holds() {
    let held = BakeRule { on_undecided: OnUndecided::Hold, slower_by: None };
    let both = STRICT.and(held);
    assert_eq!(both, BakeRule { on_undecided: OnUndecided::Hold, slower_by: Some(Millis(1)) });
}

#[test]
fn what_came_since_is_the_rest() {
    let (before, now) = (Times(vec![(10, 2), (20, 1)]), Times(vec![(10, 5), (20, 1), (30, 4)]));
    assert_eq!(now.since(&before), Times(vec![(10, 3), (30, 4)]));
    assert_eq!(now.since(&Times::default()), now);
}
