//! Does the new release fail more often than the old?  A sequential probability ratio test: each
//! request moves the evidence, and it may be looked at after every one.

/// Wrongly leaving a good release: at most one probation in this many.
const FALSE_ALARMS_ONE_IN: f64 = 1000.0;
/// The new release is thought bad if it fails this many times as often as the old.
const RATIO: f64 = 10.0;
/// An old release that never failed is taken to fail this often.
const RATE_MIN: f64 = 0.005;
/// Beyond this rate of failures nothing can be told.
const RATE_MAX: f64 = 0.9;
/// Fewer requests than this say nothing of the old release.
const REQUESTS_MIN: u64 = 200;
/// Sums of logarithms are compared with this tolerance, so that three failures are three.
const ROUNDING: f64 = 1e-9;

/// The evidence so far that the failure rate is the bad one.
#[derive(Clone, Debug)]
pub(crate) struct ErrorTest {
    evidence: f64,
    successes: u64,
    per_failure: f64,
    per_success: f64,
}

impl ErrorTest {
    /// Against an old release that failed `failures` of `requests`.
    pub(crate) fn against(requests: u64, failures: u64) -> Self {
        let measured =
            if requests < REQUESTS_MIN { 0.0 } else { failures as f64 / requests as f64 };
        let old = measured.clamp(RATE_MIN, RATE_MAX / 2.0);
        let bad = (old * RATIO).min(RATE_MAX);
        ErrorTest {
            evidence: 0.0,
            successes: 0,
            per_failure: (bad / old).ln(),
            per_success: ((1.0 - old) / (1.0 - bad)).ln(),
        }
    }

    /// One more failure, after `successes` in all; whether the release is to be left.
    ///
    /// Successes only lower the evidence, so it needs to be looked at after failures alone.  It
    /// does not fall below the alarm's mirror image: a long good time excuses no later collapse.
    pub(crate) fn failure(&mut self, successes: u64) -> bool {
        let alarm = FALSE_ALARMS_ONE_IN.ln();
        let since = successes.saturating_sub(self.successes);
        self.successes = successes;
        self.evidence = (self.evidence - since as f64 * self.per_success).max(-alarm);
        self.evidence += self.per_failure;
        self.evidence >= alarm - ROUNDING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence of numbers in 0..1.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// After how many requests the release is left, if within `requests`.
    fn left_after(rate: f64, test: &ErrorTest, requests: u64, random: &mut Random) -> Option<u64> {
        let mut test = test.clone();
        let mut successes = 0;
        for request in 1..=requests {
            if random.next() >= rate {
                successes += 1;
            } else if test.failure(successes) {
                return Some(request);
            }
        }
        None
    }

    #[test]
    fn all_failing_is_out_after_three() {
        for (requests, failures) in [(0, 0), (1_000_000, 0), (1_000, 5), (1_000, 60)] {
            let mut test = ErrorTest::against(requests, failures);
            let verdicts = [test.failure(0), test.failure(0), test.failure(0)];
            assert_eq!(verdicts, [false, false, true], "{failures} of {requests}");
        }
    }

    #[test]
    fn a_good_time_excuses_no_collapse() {
        let mut test = ErrorTest::against(0, 0);
        let failures = (1..).find(|_| test.failure(1_000_000));
        assert_eq!(failures, Some(6));
    }

    #[test]
    fn as_bad_as_the_old_is_left_in_one_of_a_thousand() {
        let mut random = Random(0x5eed_cafe_f00d_0001);
        for (requests, failures, rate) in
            [(0, 0, 0.0), (0, 0, 0.005), (10_000, 100, 0.01), (10_000, 500, 0.05)]
        {
            let test = ErrorTest::against(requests, failures);
            let left = (0..20_000)
                .filter(|_| left_after(rate, &test, 1_000, &mut random).is_some())
                .count();
            assert!(left <= 20, "{left} of 20,000 at a rate of {rate}");
        }
    }

    #[test]
    fn ten_times_worse_is_left_soon() {
        let mut random = Random(0x5eed_cafe_f00d_0002);
        let test = ErrorTest::against(0, 0);
        let mut after: Vec<u64> =
            (0..1_000).filter_map(|_| left_after(0.2, &test, 10_000, &mut random)).collect();
        after.sort_unstable();
        assert_eq!(after.len(), 1_000);
        assert!(after[500] < 40, "median {}", after[500]);
    }

    /// How it decides: of many probations of a length, how many are left, and after how many
    /// requests in the middle.
    #[test]
    fn one_in_ten_that_fails_is_left_soon_and_surely() {
        let mut random = Random(0x5eed_cafe_f00d_0003);
        let test = ErrorTest::against(10_000, 10);
        for (rate, requests, least_per_mille, middle) in
            [(1.0, 5, 1000, 3), (0.5, 40, 999, 8), (0.1, 150, 950, 60), (0.05, 600, 950, 250)]
        {
            let mut after: Vec<u64> =
                (0..4_000).filter_map(|_| left_after(rate, &test, requests, &mut random)).collect();
            after.sort_unstable();
            assert!(after.len() >= 4 * least_per_mille, "{} of 4 000 at {rate}", after.len());
            assert!(after[2_000] <= middle, "{} at {rate}", after[2_000]);
        }
    }

    #[test]
    fn an_old_release_that_always_failed_leaves_nothing_to_tell() {
        let mut test = ErrorTest::against(1_000, 1_000);
        assert!(!(0..3).any(|_| test.failure(0)));
    }
}
