use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::os::unix::fs::PermissionsExt;

/// The middle of 2026.
const NOW_S: i64 = 1_782_000_000;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// For `host`, from and until the first day of these years.
fn made(directory: &Path, host: &str, years: (i32, i32)) -> CertificateFiles {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    CertificateFiles {
        certificate: write(directory, &format!("{host}.{}.pem", years.1), &certificate),
        key: write(directory, &format!("{host}.{}.key", years.1), &key.serialize_pem()),
    }
}

#[test]
fn each_trouble_is_told_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let good = made(folder, "shop.test", (2025, 2027));
    let facts = look(&good, "shop.test", NOW_S).unwrap();
    assert_eq!(facts.names, ["shop.test"]);
    assert!(facts.begins_at_s < NOW_S && NOW_S < facts.ends_at_s);

    let old = made(folder, "shop.test", (2025, 2026));
    let early = made(folder, "shop.test", (2027, 2028));
    let missing = CertificateFiles { key: folder.join("none"), ..good.clone() };
    let other = CertificateFiles { key: old.key.clone(), ..good.clone() };
    let no_pem = CertificateFiles { certificate: write(folder, "a", "hello"), ..good.clone() };
    let no_key = CertificateFiles { key: good.certificate.clone(), ..good.clone() };
    let directory = CertificateFiles { certificate: folder.to_owned(), ..good.clone() };
    for (files, said) in [
        (old, "ended"),
        (early, "is good only in"),
        (missing, "cannot be read: No such file"),
        (other, "is not that of the certificate"),
        (no_pem, "holds no certificate chain"),
        (no_key, "holds no private key"),
        (directory, "it is not a file"),
    ] {
        let trouble = look(&files, "shop.test", NOW_S).unwrap_err().to_string();
        assert!(trouble.contains(said), "{trouble}");
    }
    let trouble = look(&good, "blog.test", NOW_S).unwrap_err().to_string();
    assert!(trouble.ends_with("is of shop.test, not of blog.test"), "{trouble}");
    for (mode, allowed) in [(0o600, true), (0o400, true), (0o640, true), (0o644, false)] {
        fs::set_permissions(&good.key, fs::Permissions::from_mode(mode)).unwrap();
        let found = look(&good, "shop.test", NOW_S);
        assert_eq!(found.is_ok(), allowed, "{mode:o}: {found:?}");
    }
    let trouble = look(&good, "shop.test", NOW_S).unwrap_err().to_string();
    assert!(trouble.contains("(mode 0644)"), "{trouble}");
}

#[test]
fn a_star_stands_for_one_label() {
    for (name, host, expected) in [
        ("shop.test", "shop.test", true),
        ("*.shop.test", "a.shop.test", true),
        ("*.shop.test", "*.shop.test", true),
        ("*.shop.test", "shop.test", false),
        ("*.shop.test", "a.b.shop.test", false),
        ("shop.test", "*.shop.test", false),
        ("*", "shop", false),
    ] {
        assert_eq!(is_of(name, host), expected, "{name} {host}");
    }
}
