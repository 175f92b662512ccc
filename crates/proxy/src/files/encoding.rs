//! Which of the files that were compressed beforehand a client takes.

/// How a file beside another one holds the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `.br`
    Brotli,
    /// `.zst`
    Zstandard,
    /// `.gz`
    Gzip,
}

/// The best first.
const ALL: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstandard, Encoding::Gzip];
/// Words of a header that are looked at.
const WORDS_MAX: usize = 32;

impl Encoding {
    /// As HTTP calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Encoding::Brotli => "br",
            Encoding::Zstandard => "zstd",
            Encoding::Gzip => "gzip",
        }
    }

    /// What the name of the file ends with.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Encoding::Brotli => ".br",
            Encoding::Zstandard => ".zst",
            Encoding::Gzip => ".gz",
        }
    }

    /// Those that the header admits, by its weights and then the best first.
    pub(super) fn accepted(header: &str) -> Vec<Encoding> {
        let mut weighed: Vec<(u16, Encoding)> = ALL
            .into_iter()
            .map(|it| (weight(header, it.word()), it))
            .filter(|(weight, _)| *weight > 0)
            .collect();
        weighed.sort_by_key(|(weight, _)| u16::MAX - weight);
        weighed.into_iter().map(|(_, it)| it).collect()
    }
}

/// In thousandths; 0: it is not taken.
fn weight(header: &str, word: &str) -> u16 {
    let mut any = 0;
    for part in header.split(',').take(WORDS_MAX) {
        let (name, rest) = part.split_once(';').unwrap_or((part, ""));
        let weight = rest.trim().strip_prefix("q=").map_or(1000, thousandths);
        let name = name.trim();
        if name.eq_ignore_ascii_case(word) {
            return weight;
        }
        if name == "*" {
            any = weight;
        }
    }
    any
}

fn thousandths(text: &str) -> u16 {
    let value: f32 = text.trim().parse().unwrap_or(0.0);
    // Within bounds, so that nothing is cut off.
    (value.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide_and_then_the_best() {
        let words = |header: &str| -> Vec<&str> {
            Encoding::accepted(header).into_iter().map(Encoding::word).collect()
        };
        assert_eq!(words("gzip, deflate, br, zstd"), ["br", "zstd", "gzip"]);
        assert_eq!(words("gzip;q=1.0, br;q=0.5"), ["gzip", "br"]);
        assert_eq!(words("br;q=0, *"), ["zstd", "gzip"]);
        assert_eq!(words("GZIP"), ["gzip"]);
        for none in ["", "identity", "br;q=0", "*;q=0", "br;q=nonsense"] {
            assert!(words(none).is_empty(), "{none}");
        }
    }
}
