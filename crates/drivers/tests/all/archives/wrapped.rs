//! The one directory that wraps everything, and what stays behind.

use super::{
    bench::{Bench, gz},
    raw_tar::Tar,
};
use drivers::releases::{archive::Format, send::tree_digest};
use std::fs;

#[test]
fn what_lies_in_one_directory_is_taken_from_there() {
    let bench = Bench::new();
    let flat = Tar::new().file("./app.js").file("./lib/x").directory("./").end();
    let flat = bench.send(Format::Tar, &flat).unwrap();
    assert!(flat.notes.is_empty(), "{flat:?}");
    // As npm packs, without directories; as GitHub does, with them and the commit.
    let npm = Tar::new().file("package/app.js").file("package/lib/x").end();
    let github = Tar::new()
        .attributes(b'g', &[("comment", "0123456789012345678901234567890123456789")])
        .directory("shop-1.2/")
        .file("shop-1.2/app.js")
        .file("shop-1.2/lib/x")
        .end();
    for (name, bytes) in [("package", npm), ("shop-1.2", github)] {
        let received = bench.send(Format::TarGz, &gz(&bytes)).unwrap();
        assert_eq!(received.artifact.digest, flat.artifact.digest, "{name}");
        let note = format!(
            "all of the archive lies in `{name}/`: the release is what that directory holds"
        );
        assert_eq!(received.notes, [note]);
        assert_eq!(tree_digest(&bench.place()).unwrap(), flat.artifact.digest);
        let incoming = bench.world.layout.incoming(&bench.world.environment);
        assert_eq!(fs::read_dir(incoming).unwrap().count(), 3, "content, its list and its sum");
    }
}

#[test]
fn what_says_its_root_or_has_more_is_not_unwrapped() {
    let bench = Bench::new();
    for (name, tar) in [
        ("its root is said", Tar::new().directory("./").file("./public/index.html")),
        ("a file beside it", Tar::new().file("public/index.html").file("x")),
        ("a secret beside it", Tar::new().file("public/index.html").file(".env")),
        ("a link beside it", Tar::new().file("public/index.html").link("x", "public")),
    ] {
        bench.send(Format::Tar, &tar.end()).unwrap();
        assert!(bench.place().join("public/index.html").is_file(), "{name}");
    }
}

#[test]
fn a_link_that_needs_the_wrapper_is_refused() {
    let bench = Bench::new();
    let tar = Tar::new().file("app/x").link("app/y", "../app/x").end();
    bench.refused("wrapper", Format::Tar, &tar, "`y` is a link out of the release");
}

#[test]
fn secrets_and_repositories_stay_behind() {
    let bench = Bench::new();
    let tar = Tar::new()
        .file("app.js")
        .file(".env")
        .file(".env.production")
        .file(".env.example")
        .file("lib/.git/config")
        .file("lib/a")
        .file(".environment")
        .end();
    let received = bench.send(Format::Tar, &tar).unwrap();
    let note = "left out, as secrets and repositories always are: `.env`, `.env.production`, \
                `lib/.git/config`";
    assert_eq!(received.notes, [note]);
    assert_eq!(received.artifact.files, 4);
    for (path, is_there) in [(".env", false), ("lib/.git", false), (".env.example", true)] {
        assert_eq!(bench.place().join(path).exists(), is_there, "{path}");
    }
    let hidden = Tar::new().file(".env").copy("public.txt", ".env").file("x").end();
    bench.refused("a hard link to a secret", Format::Tar, &hidden, "hard link to what is no file");
}
