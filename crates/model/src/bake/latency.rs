//! Does the new release answer later than the old?  By ranks, so that a few answers that took very
//! long say no more than that they were later.

use super::{SAMPLES_MIN, Times};

/// Beyond this many standard deviations a difference is not taken for chance: one-sided, 1 of
/// 10 000.  A rolling or staged release is judged several times, and stays far below 1 of 1 000.
const DEVIATIONS: f64 = 3.719;
/// The median must be later by this factor, too: with many samples any difference is no chance.
const RATIO: f64 = 1.5;

/// By how much it is slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slower {
    /// The median of the new, in microseconds.
    pub new_us: u64,
    /// That of the old.
    pub old_us: u64,
}

/// Whether the new is slower: by its median, by more than `floor_us` and half as much again, and
/// not by chance.  None also where there are too few samples of either.
pub fn slower(new: &Times, old: &Times, floor_us: u64) -> Option<Slower> {
    if new.count() < SAMPLES_MIN || old.count() < SAMPLES_MIN {
        return None;
    }
    let (new_us, old_us) = (new.median_us()?, old.median_us()?);
    let later =
        new_us.saturating_sub(old_us) >= floor_us.max(1) && new_us as f64 >= old_us as f64 * RATIO;
    (later && deviations(new, old) >= DEVIATIONS).then_some(Slower { new_us, old_us })
}

/// How many standard deviations the new lies above the old, by the rank-sum test.
///
/// U counts the pairs in which the new is later, ties by half.  Without a difference its mean is
/// `n m / 2` and its variance `n m / 12 * (N + 1 - sum(t^3 - t) / (N (N - 1)))`, with `N = n + m`
/// and `t` samples in each tie.  The normal approximation, corrected by one half for continuity; it
/// is good from some twenty samples a side on.  After H. B. Mann and D. R. Whitney, "On a Test of
/// Whether one of Two Random Variables is Stochastically Larger than the Other" (1947); with ties:
/// M. Hollander, D. A. Wolfe, E. Chicken, "Nonparametric Statistical Methods", section 4.1.
fn deviations(new: &Times, old: &Times) -> f64 {
    let mut places: Vec<u64> = new.0.iter().chain(&old.0).map(|it| it.0).collect();
    places.sort_unstable();
    places.dedup();
    let at = |times: &Times, place: u64| -> f64 {
        let here = times.0.iter().filter(|it| it.0 == place);
        here.map(|it| it.1 as f64).sum()
    };
    let (mut later, mut old_below, mut ties) = (0.0, 0.0, 0.0);
    for place in places {
        let (of_new, of_old) = (at(new, place), at(old, place));
        later += of_new * (old_below + of_old / 2.0);
        old_below += of_old;
        let tied = of_new + of_old;
        ties += tied * tied * tied - tied;
    }
    let (n, m) = (new.count() as f64, old.count() as f64);
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        // All samples are the same.
        return 0.0;
    }
    (later - n * m / 2.0 - 0.5) / variance.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values: &[u64]) -> Times {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let mut entries: Vec<(u64, u64)> = vec![];
        for value in sorted {
            match entries.last_mut() {
                Some(last) if last.0 == value => last.1 += 1,
                _ => entries.push((value, 1)),
            }
        }
        Times(entries)
    }

    /// U of a worked example by counting all pairs, and its deviations by hand.
    #[test]
    fn it_is_the_rank_sum_test() {
        let (new, old) = (times(&[3, 4, 4, 6]), times(&[1, 2, 4, 5, 5]));
        // Pairs in which the new is later: 2 + 2.5 + 2.5 + 5 = 12; mean 10; ties of 3 and 2.
        let variance: f64 = 20.0 / 12.0 * (10.0 - (24.0 + 6.0) / 72.0);
        let wanted = (12.0 - 10.0 - 0.5) / variance.sqrt();
        assert!((deviations(&new, &old) - wanted).abs() < 1e-12);
    }

    #[test]
    fn equal_samples_differ_in_nothing() {
        let same = times(&[7; 60]);
        assert!(deviations(&same, &same).abs() < 1e-12);
        assert_eq!(slower(&same, &same, 1), None);
    }

    #[test]
    fn it_needs_enough_of_both_and_more_than_the_floor() {
        let (quick, late) = (times(&[10_000; 50]), times(&[30_000; 50]));
        let found = Slower { new_us: 30_000, old_us: 10_000 };
        assert_eq!(slower(&late, &quick, 20_000), Some(found));
        assert_eq!(slower(&late, &quick, 20_001), None);
        assert_eq!(slower(&times(&[30_000; 49]), &quick, 1), None);
        assert_eq!(slower(&late, &times(&[10_000; 49]), 1), None);
        assert_eq!(slower(&quick, &late, 1), None, "quicker is not slower");
    }
}
