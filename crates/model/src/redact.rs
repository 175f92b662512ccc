//! Secret values, replaced by their names wherever something is shown or stored.

mod form;

use crate::{
    deployment::{Finding, News},
    failure::Failure,
    journal::{Event, Record},
    service::{EnvironmentSpec, ServiceSpec},
};
use aho_corasick::{AhoCorasick, MatchKind};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

/// A shorter value is found in any text, and is no secret.
const CHARACTERS_MIN: usize = 4;
/// A number of fewer digits is a port, a time or a count, and is found in any log.
const DIGITS_MIN: usize = 6;
/// So much of a value's beginning is recognized where a text was cut.
const BEGINNING_BYTES_MIN: usize = 8;
/// What env files hold beside secrets.  Masked, they would make every text unreadable.
const PLAIN: [&str; 20] = [
    "0.0.0.0",
    "127.0.0.1",
    "debug",
    "development",
    "disabled",
    "enabled",
    "error",
    "false",
    "http",
    "https",
    "info",
    "localhost",
    "none",
    "null",
    "production",
    "secret",
    "staging",
    "test",
    "true",
    "warn",
];

/// Replaces secret values by `[secret NAME]`: as they are, and as base64, percent-encoding and
/// JSON write them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// None: there are no secrets.
    matcher: Option<AhoCorasick>,
    /// What is shown instead, for each form.
    shown: Vec<String>,
    /// In the same order.
    forms: Vec<Vec<u8>>,
    /// Of the longest form.
    bytes_max: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redactor({} forms)", self.shown.len())
    }
}

impl Redactor {
    /// Of names and their values.  Of two names with one value the first is shown.
    pub fn new<'s>(secrets: impl IntoIterator<Item = (&'s str, &'s str)>) -> Redactor {
        let mut forms: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
        for (name, value) in secrets {
            if may_be_secret(value) {
                for form in form::all(value) {
                    forms.entry(form).or_insert(name);
                }
            }
        }
        if forms.is_empty() {
            return Redactor::default();
        }
        let matcher =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms.keys());
        Redactor {
            // Too many forms for its numbers are more than a request can hold.
            matcher: Some(matcher.expect("fewer than 2^31 bytes of values")),
            bytes_max: forms.keys().map(Vec::len).max().unwrap_or_default(),
            shown: forms.values().map(|name| format!("[secret {name}]")).collect(),
            forms: forms.into_keys().collect(),
        }
    }

    /// The same text, without secrets.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Forms are text, so that what is left between them is text too.
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The same bytes, without secrets.
    pub fn bytes<'t>(&self, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        let mut masked = Vec::new();
        let mut from = 0;
        for (range, form) in self.found(bytes) {
            masked.extend_from_slice(&bytes[from..range.start]);
            masked.extend_from_slice(self.shown[form].as_bytes());
            from = range.end;
        }
        if from == 0 {
            return Cow::Borrowed(bytes);
        }
        masked.extend_from_slice(&bytes[from..]);
        Cow::Owned(masked)
    }

    /// Where to cut bytes of which more will come, so that no secret is cut in two.
    pub fn cut(&self, bytes: &[u8]) -> usize {
        let held = self.bytes_max.saturating_sub(1).min(bytes.len() / 2);
        let at = bytes.len() - held;
        let over = |(range, _): &(Range<usize>, usize)| range.start < at && range.end > at;
        match self.found(bytes).into_iter().find(over) {
            Some((range, _)) if range.start > 0 => range.start,
            Some((range, _)) => range.end,
            None => at,
        }
    }

    /// The same failure, without secrets.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        let texts = |all: Vec<String>| all.iter().map(|it| self.seen(it)).collect();
        Failure {
            blame: failure.blame,
            message: self.seen(&failure.message),
            hints: texts(failure.hints),
            evidence: texts(failure.evidence),
        }
    }

    /// The same finding, without secrets.
    #[must_use]
    pub fn finding(&self, finding: Finding) -> Finding {
        Finding { failure: self.failure(finding.failure), ..finding }
    }

    /// The same line of a journal, without secrets.
    #[must_use]
    pub fn record(&self, record: Record) -> Record {
        let event = |event| match event {
            Event::Failed(it) => Event::Failed(self.failure(it)),
            Event::Unclear(it) => Event::Unclear(self.failure(it)),
            Event::FellBack(it) => Event::FellBack(self.failure(it)),
            Event::UndoFailed(it) => Event::UndoFailed(self.failure(it)),
            other => other,
        };
        match record {
            Record::Step(step, it) => Record::Step(step, event(it)),
            other => other,
        }
    }

    /// The same news, without secrets.
    #[must_use]
    pub fn news(&self, news: News) -> News {
        match news {
            News::Note { text } => News::Note { text: self.text(&text).into_owned() },
            News::Found { finding, overridden } => {
                News::Found { finding: self.finding(finding), overridden }
            }
            News::Step { index, word, subject, status, failure } => {
                let failure = failure.map(|it| self.failure(it));
                News::Step { index, word, subject, status, failure }
            }
            News::Ended { outcome, failure, traffic, serving, warm } => {
                let failure = failure.map(|it| self.failure(it));
                News::Ended { outcome, failure, traffic, serving, warm }
            }
            other @ (News::Accepted { .. } | News::Planned { .. } | News::Judged { .. }) => other,
        }
    }

    /// What was seen of an answer may have been cut, and a value with it.
    fn seen(&self, text: &str) -> String {
        const ENDS: [char; 4] = ['\n', '…', '`', '\u{fffd}'];
        let text = self.text(text);
        if self.forms.is_empty() {
            return text.into_owned();
        }
        let mut seen = String::new();
        for part in text.split_inclusive(ENDS) {
            let inner = part.trim_end_matches(ENDS);
            match self.beginning(inner.as_bytes()).filter(|(at, _)| inner.is_char_boundary(*at)) {
                Some((at, form)) => {
                    seen.push_str(&inner[..at]);
                    seen.push_str(&self.shown[form]);
                    seen.push_str(&part[inner.len()..]);
                }
                None => seen.push_str(part),
            }
        }
        seen
    }

    /// Where the beginning of a value stands at the end of a text, if one does; and its form.
    fn beginning(&self, text: &[u8]) -> Option<(usize, usize)> {
        let longest = |form: &Vec<u8>| {
            let least = BEGINNING_BYTES_MIN.min((form.len() / 2).max(CHARACTERS_MIN));
            let most = form.len().saturating_sub(1).min(text.len());
            (least..=most).rev().find(|count| text.ends_with(&form[..*count]))
        };
        let all = self.forms.iter().enumerate();
        let found = all.filter_map(|(at, form)| Some((longest(form)?, at))).max()?;
        Some((text.len() - found.0, found.1))
    }

    /// Where there are secrets, and in which form; those that overlap are one.
    fn found(&self, bytes: &[u8]) -> Vec<(Range<usize>, usize)> {
        let mut all: Vec<(Range<usize>, usize)> = vec![];
        let Some(matcher) = &self.matcher else { return all };
        let mut from = 0;
        while from < bytes.len() {
            let Some(next) = matcher.find(aho_corasick::Input::new(bytes).range(from..)) else {
                break;
            };
            match all.last_mut() {
                Some((last, _)) if next.start() < last.end => last.end = last.end.max(next.end()),
                _ => all.push((next.start()..next.end(), next.pattern().as_usize())),
            }
            // One may begin within another, and go on after it.
            from = next.start() + 1;
        }
        all
    }
}

/// Names and values of all secrets of an environment.
pub fn secrets_of(spec: &EnvironmentSpec) -> BTreeSet<(String, String)> {
    let of = |service: &ServiceSpec| {
        let value = |name: String| service.env.get(&name).map(|it| (name.clone(), it.clone()));
        secret_names(spec, service).into_iter().filter_map(value).collect::<Vec<_>>()
    };
    spec.services.iter().flat_map(of).collect()
}

/// The variables of a service whose values are not shown.  What the environment is called by, and
/// where it is found, is said everywhere and stays so.
pub fn secret_names(spec: &EnvironmentSpec, service: &ServiceSpec) -> Vec<String> {
    let mut said: BTreeSet<&str> = spec.domains.iter().map(String::as_str).collect();
    said.extend([spec.id.project.as_str(), spec.id.environment.as_str()]);
    said.extend(spec.services.iter().map(|it| it.name.as_str()));
    let secret =
        |name: &&String| service.env.get(*name).is_some_and(|it| !said.contains(it.as_str()));
    service.secret_env.iter().filter(secret).cloned().collect()
}

fn may_be_secret(value: &str) -> bool {
    let value = value.trim();
    let count = value.chars().count();
    let small_number = count < DIGITS_MIN && value.bytes().all(|it| it.is_ascii_digit());
    count >= CHARACTERS_MIN && !small_number && !PLAIN.contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Blame;

    fn redactor() -> Redactor {
        Redactor::new([
            ("TOKEN", "hunter2-hunter2"),
            ("URL", "postgres://u:p%40ss w\"rd@db/shop"),
            ("KEY", "-----BEGIN-----\nabcdefgh\n-----END-----\n"),
            ("OVER", "hunter2-tail"),
        ])
    }

    #[test]
    fn values_are_replaced_by_names_in_every_form() {
        let it = redactor();
        for (text, masked) in [
            ("a hunter2-hunter2 b", "a [secret TOKEN] b"),
            ("{\"u\":\"postgres://u:p%40ss w\\\"rd@db/shop\"}", "{\"u\":\"[secret URL]\"}"),
            ("?t=postgres%3A%2F%2Fu%3Ap%2540ss%20w%22rd%40db%2Fshop&", "?t=[secret URL]&"),
            ("?t=postgres%3a%2f%2fu%3ap%2540ss+w%22rd%40db%2fshop&", "?t=[secret URL]&"),
            ("aHVudGVyMi1odW50ZXIy.", "[secret TOKEN]."),
            ("one line: abcdefgh", "one line: [secret KEY]"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(it.text(text), masked);
        }
        // `user:hunter2-hunter2`, as HTTP's basic authentication writes it.
        let basic = it.text("Basic dXNlcjpodW50ZXIyLWh1bnRlcjI=").into_owned();
        assert!(basic.contains("[secret TOKEN]") && !basic.contains("dW50ZXI"), "{basic}");
    }

    #[test]
    fn what_overlaps_is_one() {
        assert_eq!(redactor().text("<hunter2-hunter2-tail>"), "<[secret TOKEN]>");
        let twice = redactor().text("hunter2-hunter2hunter2-hunter2").into_owned();
        assert_eq!(twice, "[secret TOKEN][secret TOKEN]");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let masked = redactor().bytes(b"\xff\x00hunter2-hunter2\xfe").into_owned();
        assert_eq!(masked, b"\xff\x00[secret TOKEN]\xfe");
    }

    #[test]
    fn a_cut_goes_through_no_secret() {
        let it = redactor();
        let text = format!("{}hunter2-hunter2{}", "x".repeat(200), "y".repeat(200));
        for end in 0..text.len() {
            let at = it.cut(&text.as_bytes()[..end]);
            let parts = [&text[..at], &text[at..]];
            let masked: String = parts.iter().map(|part| it.text(part)).collect();
            assert!(at <= end && masked.contains("[secret TOKEN]"), "{end} {at}: {masked}");
        }
    }

    #[test]
    fn what_is_in_every_text_is_no_secret() {
        let plain = [("A", "abc"), ("B", "3000"), ("C", "production"), ("D", "Localhost")];
        let it = Redactor::new(plain);
        assert_eq!(it.text("abc 3000 production Localhost"), "abc 3000 production Localhost");
        assert_eq!(Redactor::new([("PIN", "123456")]).text("123456"), "[secret PIN]");
    }

    #[test]
    fn a_value_that_was_cut_is_masked_too() {
        let failure = Failure::new(Blame::Release, "ask: it says `hunter2-hun`, no status")
            .evidence("| token: hunter2-h\n| … (9000 bytes)")
            .evidence("postgres://u:p%40s…");
        let masked = redactor().failure(failure);
        assert_eq!(masked.message, "ask: it says `[secret TOKEN]`, no status");
        assert_eq!(masked.evidence[0], "| token: [secret TOKEN]\n| … (9000 bytes)");
        assert_eq!(masked.evidence[1], "[secret URL]…");
    }

    #[test]
    fn failures_and_news_are_masked_whole() {
        let it = redactor();
        let failure = Failure::new(Blame::Release, "read hunter2-hunter2")
            .hint("not hunter2-hunter2")
            .evidence("one\nhunter2-hunter2");
        let note = News::Note { text: "hunter2-hunter2".into() };
        let shown = format!(
            "{:?} {:?} {:?} {it:?}",
            it.failure(failure.clone()),
            it.record(Record::Step(1, Event::UndoFailed(failure))),
            it.news(note)
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("[secret TOKEN]").count(), 7, "{shown}");
    }
}
