//! Versions.

use crate::build::{artifact, kept, release, service, spec};
use model::release::part::Part;
use model::{
    release::Standing,
    service::VersionScheme::{self, Any, Git, Semver, Timestamp},
    version::{Known, Origin, VERSION_LENGTH_MAX, check, choose, known},
};
use proptest::prelude::*;

/// 2026-11-21 13:57:05 UTC.
const NOW_MS: u64 = 1_795_269_425_000;

#[test]
fn each_scheme_takes_its_own() {
    for (scheme, asked, written) in [
        (Timestamp, "20261121-1357", Some("20261121-1357")),
        (Timestamp, "20261121-1357-2", Some("20261121-1357-2")),
        (Timestamp, "20261121-1357-1", None),
        (Timestamp, "20261121-1357-2-3", None),
        (Timestamp, "20261321-1357", None),
        (Timestamp, "20261121-2460", None),
        (Timestamp, "2026112-1357", None),
        (Semver, "1.2.3", Some("1.2.3")),
        (Semver, "v1.2.3", Some("1.2.3")),
        (Semver, "v1.2.3-rc.1+5", Some("1.2.3-rc.1+5")),
        (Semver, "1.2", None),
        (Semver, "vv1.2.3", None),
        (Git, "0123abc", Some("0123abc")),
        (Git, "0123ab", None),
        (Git, "0123ABC", None),
        (Git, "main", None),
        (Any, "2026-autumn_1", Some("2026-autumn_1")),
    ] {
        assert_eq!(check(scheme, asked).ok().as_deref(), written, "{scheme:?} {asked}");
    }
}

#[test]
fn what_is_a_path_an_option_or_a_shell_word_is_refused() {
    let long = "x".repeat(VERSION_LENGTH_MAX + 1);
    for hostile in [
        "../../x",
        "-x",
        "--force",
        "1.0;id",
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "a b",
        "a\nb",
        "a\0b",
        "$(id)",
        "`id`",
        "1.0\u{a0}",
        "ä",
        "{}",
        "current",
        "previous",
        "Latest",
        &long,
    ] {
        for scheme in [Timestamp, Semver, Git, Any] {
            let failure = check(scheme, hostile).unwrap_err();
            assert!(failure.message.len() < 300, "{failure:?}");
        }
    }
}

fn chosen(scheme: VersionScheme, origin: Origin<'_>, taken: &[&str]) -> Option<String> {
    choose(scheme, None, Origin { now_ms: NOW_MS, ..origin }, |it| taken.contains(&it)).ok()
}

#[test]
fn what_is_left_out_is_made() {
    let commit = Origin { commit: Some("0123456789abcdef0123"), ..Origin::default() };
    let tag = Origin { reference: Some("refs/tags/v2.0.0"), ..Origin::default() };
    let none = Origin::default();
    assert_eq!(chosen(Timestamp, none, &[]).unwrap(), "20261121-1357");
    assert_eq!(chosen(Timestamp, none, &["20261121-1357"]).unwrap(), "20261121-1357-2");
    let two = ["20261121-1357", "20261121-1357-2"];
    assert_eq!(chosen(Timestamp, none, &two).unwrap(), "20261121-1357-3");
    assert_eq!(chosen(Git, commit, &[]).unwrap(), "0123456789ab");
    assert_eq!(chosen(Git, none, &[]), None);
    assert_eq!(chosen(Semver, tag, &[]).unwrap(), "2.0.0");
    assert_eq!(chosen(Semver, Origin { reference: Some("main"), ..none }, &[]), None);
    assert_eq!(chosen(Any, commit, &[]), None);
}

#[test]
fn a_minute_that_is_full_is_said() {
    let made = choose(Timestamp, None, Origin { now_ms: NOW_MS, ..Origin::default() }, |_| true);
    assert!(made.unwrap_err().hints[0].contains("wait"));
}

#[test]
fn a_version_names_one_content_for_good() {
    let one = spec(vec![service("web")]);
    let mut other = one.clone();
    other.services[0].instances = 7;
    let all = [kept(&release(1, &one), Standing::Accepted)];
    let same = artifact("digest 1");
    let whole = |spec: &model::service::EnvironmentSpec| Part::of(spec, &[], None).unwrap();
    let (one, other) = (whole(&one), whole(&other));
    assert_eq!(known(&all, "v2", &same, &one).unwrap(), Known::New);
    assert_eq!(known(&all, "v1", &same, &one).unwrap(), Known::Same(&all[0].release));
    assert_eq!(known(&all, "v1", &same, &other).unwrap(), Known::Content(&all[0].release));
    let failure = known(&all, "v1", &artifact("digest 9"), &one).unwrap_err();
    assert!(failure.message.contains("digest 1") && failure.message.contains("digest 9"));
}

proptest! {
    #[test]
    fn whatever_passes_is_one_plain_path_segment(text in "\\PC{0,80}") {
        for scheme in [Timestamp, Semver, Git, Any] {
            if let Ok(version) = check(scheme, &text) {
                let mut parts = std::path::Path::new(&version).components();
                let plain = matches!(parts.next(), Some(std::path::Component::Normal(_)));
                prop_assert!(plain && parts.next().is_none());
                prop_assert!(!version.starts_with('-') && version.len() <= VERSION_LENGTH_MAX);
                prop_assert_eq!(check(scheme, &version).ok(), Some(version));
            }
        }
    }
}
