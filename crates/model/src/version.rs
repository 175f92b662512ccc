//! Versions: checked, made, and told apart from one another.

use crate::{
    build,
    failure::{Blame, Failure},
    planner::Kept,
    release::{Artifact, Release, part::Part},
    service::VersionScheme,
};
use jiff::{Timestamp, tz::TimeZone};

/// The longest version.
pub const VERSION_LENGTH_MAX: usize = 64;
/// Releases of one minute, at most.
const SAME_MINUTE_MAX: u32 = 99;
/// Characters of a short commit.
const COMMIT_CHARACTERS: usize = 12;
const COMMIT_CHARACTERS_MIN: usize = 7;
const COMMIT_CHARACTERS_MAX: usize = 40;
/// Names that mean something else where a version may stand.
const RESERVED: [&str; 6] = ["current", "previous", "latest", "shared", "releases", "backups"];

/// What a version is made from where it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Unix time in ms.
    pub now_ms: u64,
    /// Of the source.
    pub commit: Option<&'a str>,
    /// A branch or tag of the source.
    pub reference: Option<&'a str>,
}

/// The version to deploy: the asked one, checked, or one made by the scheme that is not `taken`.
///
/// # Errors
///
/// Where the asked one does not fit the scheme, or there is nothing to make one from.
pub fn choose(
    scheme: VersionScheme,
    asked: Option<&str>,
    origin: Origin<'_>,
    taken: impl Fn(&str) -> bool,
) -> Result<String, Failure> {
    match (asked, scheme) {
        (Some(asked), _) => check(scheme, asked),
        (None, VersionScheme::Timestamp) => by_minute(origin.now_ms, taken),
        (None, VersionScheme::Git) => match origin.commit {
            Some(commit) => check(scheme, commit.get(..COMMIT_CHARACTERS).unwrap_or(commit)),
            None => Err(left_out("the source has no commit to name it by")),
        },
        (None, VersionScheme::Semver) => match origin.reference {
            Some(tag) => check(scheme, tag.rsplit('/').next().unwrap_or(tag)),
            None => Err(left_out("the source has no tag to name it by")),
        },
        (None, VersionScheme::Any) => Err(left_out("nothing says how it is made")),
    }
}

/// A version as it is written down, if it may be one.
///
/// # Errors
///
/// Where it is no path segment that is safe everywhere, or does not fit the scheme.
pub fn check(scheme: VersionScheme, text: &str) -> Result<String, Failure> {
    let version = match scheme {
        VersionScheme::Semver => text.strip_prefix('v').unwrap_or(text),
        _ => text,
    };
    expect_segment(version)?;
    let (fits, looks) = match scheme {
        VersionScheme::Timestamp => (is_timestamp(version), "YYYYMMDD-HHMM, in UTC"),
        VersionScheme::Semver => (semver::Version::parse(version).is_ok(), "X.Y.Z"),
        VersionScheme::Git => (is_commit(version), "7 to 40 hexadecimal digits of a commit"),
        VersionScheme::Any => (true, ""),
    };
    if fits {
        return Ok(version.to_owned());
    }
    let message = format!("take `{version}` for a version: it does not look like {looks}");
    Err(Failure::new(Blame::Request, message)
        .hint("`version: any` in the configuration takes any word"))
}

/// The kept release that is the same in all, or of which only the configuration differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known<'a> {
    /// Nothing of this version is kept.
    New,
    /// The content is in its place, under another configuration: as this release has it.
    Content(&'a Release),
    /// The very same release.
    Same(&'a Release),
}

/// Whether content of this version is kept already.
///
/// # Errors
///
/// Where the version names other content.
pub fn known<'a>(
    kept: &'a [Kept],
    version: &str,
    artifact: &Artifact,
    part: &Part,
) -> Result<Known<'a>, Failure> {
    let mut same = kept.iter().map(|it| &it.release).filter(|it| it.version == version).peekable();
    let Some(first) = same.peek().copied() else { return Ok(Known::New) };
    if first.artifact.digest != artifact.digest {
        let message = format!(
            "deploy version {version}: it is kept with the digest {}, and the source has {}",
            first.artifact.digest, artifact.digest
        );
        return Err(Failure::new(Blame::Request, message)
            .hint("a version names one content for good: use another version"));
    }
    if !build::alike(&first.spec, &part.spec) {
        let message = format!("deploy version {version}: it is kept as it was built otherwise");
        return Err(Failure::new(Blame::Request, message)
            .hint("commands and variables of the build change the content: use another version"));
    }
    Ok(same
        .find(|it| it.spec == part.spec && it.left == part.left)
        .map_or(Known::Content(first), Known::Same))
}

/// A single path segment that is neither an option nor a word of ours.
fn expect_segment(version: &str) -> Result<(), Failure> {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._+-".contains(&it);
    let why = if version.is_empty() {
        "it is empty".to_owned()
    } else if version.len() > VERSION_LENGTH_MAX {
        format!("it has more than {VERSION_LENGTH_MAX} characters")
    } else if !version.bytes().all(allowed) {
        "it may hold letters, digits, `.`, `_`, `+` and `-` only".to_owned()
    } else if !version.as_bytes()[0].is_ascii_alphanumeric() {
        "it must begin with a letter or a digit".to_owned()
    } else if RESERVED.contains(&version.to_ascii_lowercase().as_str()) {
        "the word has a meaning of its own, and names no release".to_owned()
    } else {
        return Ok(());
    };
    let shown: String = version.chars().take(VERSION_LENGTH_MAX).collect();
    Err(Failure::new(Blame::Request, format!("take {shown:?} for a version: {why}"))
        .hint("a version is the name of one release: `1.3.0`, `20260131-0930`"))
}

fn by_minute(now_ms: u64, taken: impl Fn(&str) -> bool) -> Result<String, Failure> {
    let stamp = i64::try_from(now_ms).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
    let Some(stamp) = stamp else {
        return Err(Failure::new(
            Blame::Platform,
            "name the release by the time: the clock is off",
        ));
    };
    let minute = stamp.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M").to_string();
    let numbered = (2..=SAME_MINUTE_MAX).map(|it| format!("{minute}-{it}"));
    let mut names = std::iter::once(minute.clone()).chain(numbered);
    names.find(|it| !taken(it)).ok_or_else(|| {
        Failure::new(Blame::Request, format!("name one more release of the minute {minute}"))
            .hint("wait a minute, or tell the version")
    })
}

fn is_timestamp(version: &str) -> bool {
    let mut parts = version.split('-');
    let digits = |part: Option<&str>, length: usize| {
        part.is_some_and(|it| it.len() == length && it.bytes().all(|it| it.is_ascii_digit()))
    };
    let (date, minute) = (digits(parts.next(), 8), digits(parts.next(), 4));
    let number = parts.next();
    let numbered = number.is_none_or(|it| it.parse::<u32>().is_ok_and(|it| it >= 2));
    let is_time = || {
        let text: String = version.chars().take("YYYYMMDD-HHMM".len()).collect();
        jiff::civil::DateTime::strptime("%Y%m%d-%H%M", &text).is_ok()
    };
    date && minute && numbered && parts.next().is_none() && is_time()
}

fn is_commit(version: &str) -> bool {
    (COMMIT_CHARACTERS_MIN..=COMMIT_CHARACTERS_MAX).contains(&version.len())
        && version.bytes().all(|it| it.is_ascii_hexdigit() && !it.is_ascii_uppercase())
}

fn left_out(why: &str) -> Failure {
    Failure::new(Blame::Request, format!("name the release: {why}"))
        .hint("tell the version: `cutover deploy ENVIRONMENT VERSION`")
}
