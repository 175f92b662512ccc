//! Which versions of a program will do.

use semver::{Version, VersionReq};

/// A requirement as it is written: `18`, `>=18`, `>=18 <23`, `18.x || >=20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    any_of: Vec<VersionReq>,
}

impl Requirement {
    /// None: it is none.
    pub fn parse(text: &str) -> Option<Requirement> {
        let one = |part: &str| {
            let spaced = part.replace(',', " ");
            let mut comparators: Vec<String> = vec![];
            for word in spaced.split_whitespace() {
                // `>= 18` is one comparator.
                match comparators.last_mut().filter(|it| !it.contains(char::is_numeric)) {
                    Some(sign) if !matches!(sign.as_str(), "*" | "x") => sign.push_str(word),
                    _ => comparators.push(word.to_owned()),
                }
            }
            VersionReq::parse(&comparators.join(", ")).ok().filter(|_| !comparators.is_empty())
        };
        let any_of = text.split("||").map(one).collect::<Option<Vec<_>>>()?;
        Some(Requirement { any_of })
    }

    /// Whether the version that a program said of itself will do; none: it said none.
    pub fn is_met(&self, said: &str) -> Option<bool> {
        let found = version(said)?;
        Some(self.any_of.iter().any(|it| it.matches(&found)))
    }
}

/// The first number with a point in it, or else the first number: `v20.11.1`, `Python 3.12`.
pub fn version(said: &str) -> Option<Version> {
    let is_part = |it: char| it.is_ascii_digit() || it == '.';
    let numbers = || said.split(|it| !is_part(it)).map(|it| it.trim_matches('.'));
    let pointed = numbers().find(|it| it.contains('.'));
    let found = pointed.or_else(|| numbers().find(|it| !it.is_empty()))?;
    let mut parts = found.split('.').map(|it| it.parse::<u64>().ok());
    let mut part = || parts.next().unwrap_or(Some(0));
    Some(Version::new(part()?, part()?, part()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version_of_it) in [
            ("v20.11.1\n", Some("20.11.1")),
            ("Python 3.12.3", Some("3.12.3")),
            ("10.8.2", Some("10.8.2")),
            ("ruby 3.2 (2023-02-08 revision e51)", Some("3.2.0")),
            ("bun 1", Some("1.0.0")),
            ("hello", None),
        ] {
            let found = version(said).map(|it| it.to_string());
            assert_eq!(found.as_deref(), version_of_it, "{said}");
        }
    }

    #[test]
    fn requirements_are_written_as_packages_write_them() {
        for (text, said, met) in [
            (">=18", "v20.11.1", Some(true)),
            (">=18 <20", "v20.11.1", Some(false)),
            (">= 18, < 21", "v20.11.1", Some(true)),
            ("18.x || >=20", "v20.11.1", Some(true)),
            ("18.x || >=20", "v19.0.0", Some(false)),
            ("20", "v20.11.1", Some(true)),
            ("^18.17", "v20.11.1", Some(false)),
            ("*", "v1.0.0", Some(true)),
            (">=18", "none", None),
        ] {
            let requirement = Requirement::parse(text).unwrap();
            assert_eq!(requirement.is_met(said), met, "{text} of {said}");
        }
        for text in ["", "new", ">=", "18 ||", "-1"] {
            assert_eq!(Requirement::parse(text), None, "{text}");
        }
    }
}
