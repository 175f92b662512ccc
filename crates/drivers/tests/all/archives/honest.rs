//! What other programs pack arrives as it was.

use super::bench::{Bench, zst};
use drivers::releases::{archive::Format, send::tree_digest};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

fn a_source(bench: &Bench) -> PathBuf {
    let source = bench.aside("source");
    let deep = "deep/".repeat(30);
    fs::create_dir_all(source.join(&deep)).unwrap();
    fs::create_dir(source.join("empty dir")).unwrap();
    fs::write(source.join("run"), "#!/bin/true\n").unwrap();
    fs::set_permissions(source.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(source.join("empty"), "").unwrap();
    fs::write(source.join(&deep).join("x".repeat(90)), vec![7; 300_000]).unwrap();
    fs::write(source.join("\u{f6} \u{fc}"), "letters").unwrap();
    fs::write(source.join("secret"), "mode").unwrap();
    fs::set_permissions(source.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("run", source.join("link")).unwrap();
    symlink("../../run", source.join("deep/deep/up")).unwrap();
    source
}

fn done(command: &mut Command) {
    let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn expect_same(bench: &Bench, what: &str, format: Format, archive: &Path, source: &Path) {
    let received = bench.send(format, &fs::read(archive).unwrap());
    let received = received.unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
    let digest = tree_digest(source).unwrap();
    assert_eq!(received.artifact.digest, digest, "{what}");
    assert_eq!(tree_digest(&bench.place()).unwrap(), digest, "{what}");
    assert!(received.notes.is_empty(), "{what}: {received:?}");
}

#[test]
fn what_gnu_tar_packs_arrives() {
    let bench = Bench::new();
    let source = a_source(&bench);
    fs::hard_link(source.join("run"), source.join("zz")).unwrap();
    let archive = bench.aside("out").join("archive");
    for kind in ["gnu", "oldgnu", "ustar", "pax"] {
        for compression in [None, Some("--gzip")] {
            let mut tar = Command::new("tar");
            tar.arg(format!("--format={kind}")).args(compression).arg("-cf").arg(&archive);
            done(tar.arg("-C").arg(&source).arg("."));
            let format = compression.map_or(Format::Tar, |_| Format::TarGz);
            expect_same(&bench, &format!("GNU tar {kind}"), format, &archive, &source);
        }
        let mut tar = Command::new("tar");
        done(
            tar.arg(format!("--format={kind}"))
                .arg("-cf")
                .arg(&archive)
                .arg("-C")
                .arg(&source)
                .arg("."),
        );
        let packed = archive.with_extension("zst");
        fs::write(&packed, zst(&fs::read(&archive).unwrap())).unwrap();
        expect_same(&bench, &format!("zstd {kind}"), Format::TarZst, &packed, &source);
    }
}

#[test]
fn what_python_packs_arrives() {
    let bench = Bench::new();
    let source = a_source(&bench);
    let out = bench.aside("out");
    let script = out.join("pack.py");
    fs::write(&script, include_str!("pack.py")).unwrap();
    for (kind, format) in [
        ("ustar", Format::Tar),
        ("gnu", Format::Tar),
        ("pax", Format::Tar),
        ("pax-gz", Format::TarGz),
        ("zip-stored", Format::Zip),
        ("zip-deflated", Format::Zip),
        ("zip-streamed", Format::Zip),
        ("zip-large", Format::Zip),
        ("zip-large-streamed", Format::Zip),
    ] {
        let archive = out.join(kind);
        done(Command::new("python3").arg(&script).arg(kind).arg(&source).arg(&archive));
        expect_same(&bench, kind, format, &archive, &source);
    }
}

#[test]
fn what_git_archives_arrives_without_its_wrapper() {
    let bench = Bench::new();
    let source = bench.aside("source");
    fs::write(source.join("app.js"), "app").unwrap();
    let long = "long/".repeat(25);
    fs::create_dir_all(source.join(&long)).unwrap();
    fs::write(source.join(&long).join("x".repeat(90)), "deep").unwrap();
    symlink("app.js", source.join("link")).unwrap();
    let git = || {
        let mut git = Command::new("git");
        git.arg("-C").arg(&source).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]);
        git.args(["-c", "tar.umask=0022", "-c", "commit.gpgsign=false"]);
        git
    };
    done(git().args(["init", "--quiet"]));
    done(git().args(["add", "--all"]));
    done(git().args(["commit", "--quiet", "--message=all"]));
    let digest_of = |format: Format, name: &str| {
        let archive = bench.aside("out").join(format!("app.{format}"));
        let format_argument = format!("--format={name}");
        let arguments = ["archive", "--prefix=shop-1.2/", &format_argument, "HEAD", "-o"];
        done(git().args(arguments).arg(&archive));
        let received = bench.send(format, &fs::read(&archive).unwrap()).unwrap();
        assert!(received.notes[0].contains("`shop-1.2/`"), "{received:?}");
        assert_eq!(fs::read(bench.place().join("link")).unwrap(), b"app");
        assert!(!bench.place().join(".git").exists());
        received.artifact.digest
    };
    let tar = digest_of(Format::Tar, "tar");
    assert_eq!(tar, digest_of(Format::TarGz, "tar.gz"));
    assert_eq!(digest_of(Format::Zip, "zip").len(), tar.len());
}
