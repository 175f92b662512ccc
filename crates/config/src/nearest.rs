//! The word that was probably meant.

/// The known word that is nearest to what was written, if one is near enough to be meant: a third
/// of its letters may be wrong, missing, too many or swapped with their neighbour.
pub(crate) fn nearest<'k, T: AsRef<str>>(written: &str, known: &'k [T]) -> Option<&'k str> {
    let written = written.to_lowercase().replace('-', "_");
    let scored = known.iter().map(|it| {
        let word = it.as_ref();
        (distance(&written, &word.to_lowercase().replace('-', "_")), word)
    });
    let (least, word) = scored.min_by_key(|(score, _)| *score)?;
    let tolerated = (word.chars().count().max(written.chars().count()) / 3).max(1);
    (least <= tolerated).then_some(word)
}

/// Longer words are cut: nobody means a known word by them.
const COMPARED_CHARACTERS_MAX: usize = 64;

/// Letters to insert, remove, replace or swap with their neighbour to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(COMPARED_CHARACTERS_MAX).collect();
    let other: Vec<char> = other.chars().take(COMPARED_CHARACTERS_MAX).collect();
    let mut before_last = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for row in 1..=one.len() {
        let mut current = vec![row; other.len() + 1];
        for column in 1..=other.len() {
            let same = one[row - 1] == other[column - 1];
            let mut best = (last[column - 1] + usize::from(!same))
                .min(last[column] + 1)
                .min(current[column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && one[row - 1] == other[column - 2]
                && one[row - 2] == other[column - 1];
            if swapped {
                best = best.min(before_last[column - 2] + 1);
            }
            current[column] = best;
        }
        before_last = last;
        last = current;
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        let cases =
            [("", "", 0), ("", "abc", 3), ("comand", "command", 1), ("haelth", "health", 1)];
        for (one, other, expected) in cases {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn names_only_what_is_near() {
        let known = ["command", "instances", "stop_signal", "env"];
        assert_eq!(nearest("comand", &known), Some("command"));
        assert_eq!(nearest("stop-signal", &known), Some("stop_signal"));
        assert_eq!(nearest("Instance", &known), Some("instances"));
        assert_eq!(nearest("replicas", &known), None);
    }
}
