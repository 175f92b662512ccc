//! Zip archives that must be refused, each by name, and odd ones that need not be.

use super::{
    bench::Bench,
    raw_zip::{Entry, UTF8, end, zip, zip_with},
};
use drivers::releases::{archive::Format, send::tree_digest};
use std::fs;

fn file(path: &str) -> Entry {
    Entry::stored(path, b"data")
}

fn link(path: &str, target: &str) -> Entry {
    Entry::stored(path, target.as_bytes()).mode(0o120_777)
}

fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    [paths(), kinds(), two_readings(), layouts(), ends()].into_iter().flatten().collect()
}

fn paths() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let out = "is a link out of the release";
    let deep = "d/".repeat(65) + "x";
    let long = "x".repeat(5_000);
    vec![
        ("absolute", "`/tmp/evil` has an absolute path", zip(&[file("/tmp/evil")])),
        ("parent", "`../evil` leads out", zip(&[file("../evil")])),
        ("parent inside", "leads out", zip(&[file("a/../../evil")])),
        ("backslashes", "backslash", zip(&[file("..\\evil")])),
        ("drive", "backslash", zip(&[file("C:\\evil")])),
        ("NUL", "NUL", zip(&[file("a\0.txt")])),
        ("no name", "no name", zip(&[file("")])),
        ("deep", "directories deep", zip(&[file(&deep)])),
        ("long path", "too long a path", zip(&[file(&long)])),
        ("link out", out, zip(&[link("a", "/etc/passwd"), file("x")])),
        ("link to the parent", out, zip(&[link("a", "../x"), file("x")])),
        ("file through a link", "no directory", zip(&[link("a", "/tmp"), file("a/evil")])),
        ("directory over a link", "there twice", {
            zip(&[link("a", "/tmp"), Entry::stored("a/", b"")])
        }),
        ("file over a link", "there twice", zip(&[link("a", "/tmp/x"), file("a")])),
        ("link without a target", "proper target", zip(&[link("a", ""), file("x")])),
        ("long target", "proper target", zip(&[link("a", &long), file("x")])),
        ("file twice", "`a` is there twice", zip(&[file("a"), file("a")])),
        ("file twice, with a dot", "there twice", zip(&[file("a"), file("./a")])),
        ("case", "`A` differs from `a`", zip(&[file("a"), file("A")])),
        ("only directories", "no files", zip(&[Entry::stored("d/", b"")])),
        ("empty", "no files", zip(&[])),
    ]
}

fn kinds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let flagged = |flag: u16| zip(&[file("x"), file("a").both(|it| it.flags |= flag)]);
    let extra = |id: u16| {
        let extra = [id.to_le_bytes().as_slice(), &[1, 0, 7]].concat();
        zip(&[file("a").both(|it| it.extra = extra.clone())])
    };
    vec![
        ("device", "`a` is neither", zip(&[file("a").mode(0o020_644)])),
        ("FIFO", "`a` is neither", zip(&[file("a").mode(0o010_644)])),
        ("directory by mode only", "not by both", zip(&[file("a").mode(0o040_755)])),
        ("directory by name only", "not by both", zip(&[Entry::stored("a/", b"").mode(0o100_644)])),
        ("link with a slash", "not by both", zip(&[Entry::stored("a/", b"x").mode(0o120_777)])),
        ("directory with content", "has content", zip(&[Entry::stored("a/", b"data")])),
        ("encrypted", "`a` is encrypted", flagged(1)),
        ("strongly encrypted", "`a` is encrypted", flagged(1 << 6)),
        ("masked", "`a` is encrypted", flagged(1 << 13)),
        ("encrypted by AES", "`a` is encrypted", extra(0x9901)),
        ("patched", "a flag that is not known", flagged(1 << 5)),
        (
            "unknown method",
            "`a` is compressed in a way",
            zip(&[file("a").both(|it| it.method = 9)]),
        ),
        ("unsaid alphabet", "of an alphabet", { zip(&[Entry { made_by: 0, ..file("\u{e9}") }]) }),
        ("broken alphabet", "of an alphabet", {
            zip(&[file("a").both(|it| {
                it.path = b"\xff".to_vec();
                it.flags |= UTF8;
            })])
        }),
    ]
}

fn two_readings() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let odd = "say different things";
    let deflated = || Entry::deflated("a", &[b'a'; 1_000]);
    let unicode = |name: &str| {
        let length = (name.len() as u16 + 5).to_le_bytes();
        [b"\x75\x70".as_slice(), &length, &[1, 0, 0, 0, 0], name.as_bytes()].concat()
    };
    let mut following = deflated().followed(true);
    following.following[5] ^= 1;
    vec![
        ("two names", "`a` is also called `b`", {
            zip(&[file("a").head(|it| it.path = b"b".to_vec())])
        }),
        ("a second name", "`a` has two names", {
            zip(&[file("a").both(|it| it.extra = unicode("../b"))])
        }),
        ("a second name in its head", odd, zip(&[file("a").head(|it| it.extra = unicode("b"))])),
        ("two sizes", odd, zip(&[file("a").head(|it| it.bytes = 5)])),
        ("two packed sizes", odd, zip(&[deflated().head(|it| it.packed_bytes -= 1)])),
        ("two checksums", odd, zip(&[file("a").head(|it| it.checksum ^= 1)])),
        ("two methods", odd, zip(&[file("a").head(|it| it.method = 8)])),
        ("two flags", odd, zip(&[file("a").head(|it| it.flags = UTF8)])),
        ("encrypted in its head only", odd, zip(&[file("a").head(|it| it.flags = 1)])),
        ("other sizes follow", odd, zip(&[following])),
        ("stored in two sizes", "two sizes", zip(&[file("a").both(|it| it.bytes = 5)])),
        ("size too small", "goes on after the 999 bytes", {
            zip(&[deflated().both(|it| it.bytes = 999)])
        }),
        ("size too large", "`a` is cut off: 1000 of 1001", {
            zip(&[deflated().both(|it| it.bytes = 1_001)])
        }),
        (
            "wrong checksum",
            "`a` has a wrong checksum",
            zip(&[file("a").both(|it| it.checksum ^= 1)]),
        ),
        ("wrong checksum of a link", "`l` has a wrong checksum", {
            zip(&[link("l", "x").both(|it| it.checksum ^= 1), file("x")])
        }),
        ("damaged", "`a` ", {
            let mut entry = deflated();
            entry.data[0] ^= 0xff;
            zip(&[entry])
        }),
        ("bytes after what is compressed", "is shorter than the bytes", {
            let mut entry = deflated().both(|it| it.packed_bytes += 4);
            entry.data.extend(b"more");
            zip(&[entry])
        }),
        ("broken extra fields", "extra fields that are broken", {
            zip(&[file("a").both(|it| it.extra = vec![1, 0, 9])])
        }),
        ("large size without need", "sizes that are said twice", {
            let extra = [[1, 0, 8, 0].as_slice(), &9_u64.to_le_bytes()].concat();
            zip(&[file("a").listed(|it| it.extra = extra.clone())])
        }),
        ("large size of nothing", "said twice, or not at all", {
            zip(&[file("a").listed(|it| it.bytes = u32::MAX)])
        }),
    ]
}

fn layouts() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let honest = zip(&[file("a"), file("b")]);
    let inner = zip(&[file("inner")]);
    vec![
        ("one place for two", "`b` overlaps another", {
            zip(&[file("a"), Entry { at: Some(0), ..file("b") }])
        }),
        ("an entry within another", "overlaps what follows", {
            // The second's head is the first's content.
            zip(&[Entry::stored("a", &inner), Entry { at: Some(31), ..file("inner") }])
        }),
        ("bytes between entries", "followed by what belongs to no entry", {
            zip(&[Entry { following: b"hidden".to_vec(), ..file("a") }, file("b")])
        }),
        ("bytes between it and its directory", "belongs to no entry", {
            zip(&[Entry { following: b"hidden".to_vec(), ..file("a") }])
        }),
        ("an entry that is not listed", "followed by what belongs to no entry", {
            let mut following = b"PK\x03\x04".to_vec();
            following.extend([0; 26]);
            zip(&[Entry { following, ..file("a") }])
        }),
        ("a byte before where it is said", "belongs to no entry", {
            zip(&[file("a"), Entry { at: Some(36), ..file("b") }])
        }),
        ("not where it is said", "`b` is not where the archive's directory says", {
            let mut bytes = honest.clone();
            bytes[35] = b'p';
            bytes
        }),
        ("before the first", "does not begin with", zip(&[Entry { at: Some(1), ..file("a") }])),
        ("cut", "has no end", honest[..honest.len() - 1].to_vec()),
        ("cut in half", "has no end", honest[..honest.len() / 2].to_vec()),
    ]
}

fn ends() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let one = || vec![file("a")];
    let honest = zip(&one());
    let directory_at = 30 + 1 + 4;
    let directory_bytes = 46 + 1;
    let with_end = |end: Vec<u8>| [&honest[..honest.len() - 22], &end].concat();
    let (at, bytes) = (directory_at, directory_bytes);
    vec![
        ("garbage at the end", "has no end", [honest.as_slice(), b"more"].concat()),
        ("an end in a comment", "has two ends", zip_with(&one(), &end(0, 0, 0, b""))),
        ("a broken end in a comment", "has two ends", { zip_with(&one(), b"PK\x05\x06 and more") }),
        ("second archive", "does not end where", {
            [honest.as_slice(), &zip(&[file("b")])].concat()
        }),
        ("more entries said", "directory that is broken", with_end(end(2, bytes, at, b""))),
        ("fewer entries said", "more entries than", with_end(end(0, bytes, at, b""))),
        ("directory elsewhere", "does not end where", with_end(end(1, bytes, at - 1, b""))),
        ("directory too short", "does not end where", with_end(end(1, bytes - 1, at, b""))),
        ("too many entries", "directory that is broken", with_end(end(65_534, bytes, at, b""))),
        ("a large end that is broken", "large end that is broken", {
            let mut locator = b"PK\x06\x07".to_vec();
            locator.extend([0; 16]);
            let end = end(1, bytes + 20, at, b"");
            [&honest[..honest.len() - 22], &locator, &end].concat()
        }),
    ]
}

#[test]
fn nothing_hostile_is_taken() {
    let bench = Bench::new();
    for (name, words, bytes) in cases() {
        bench.refused(name, Format::Zip, &bytes, words);
    }
}

#[test]
fn what_is_odd_but_has_one_meaning_is_taken() {
    let bench = Bench::new();
    let entries = [
        Entry::deflated("bin/run", b"#!/bin/true\n").mode(0o104_755),
        Entry::deflated("streamed", &[7; 100_000]).followed(true),
        file("streamed without a signature").followed(false),
        Entry::stored("\u{e9}", b"said").both(|it| it.flags |= UTF8),
        Entry { made_by: 0, ..file("from windows") }.mode(0),
        Entry::stored("empty/", b""),
        Entry::deflated("empty file", b""),
        link("link", "bin/run"),
    ];
    let received = bench.send(Format::Zip, &zip_with(&entries, b"a comment")).unwrap();
    let place = bench.place();
    assert_eq!(fs::read(place.join("link")).unwrap(), b"#!/bin/true\n");
    assert_eq!(fs::read(place.join("streamed")).unwrap(), vec![7; 100_000]);
    assert_eq!(tree_digest(&place).unwrap(), received.artifact.digest);
    assert_eq!((received.artifact.files, received.notes.len()), (7, 0));
    bench.nothing_is_outside("odd");
}
