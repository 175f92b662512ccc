//! What GNU tar lists is what is taken, to the name, the kind, the size and the mode; where it
//! would list something else, or complains, the archive is refused.

use super::{
    bench::Bench,
    hostile_tar,
    raw_tar::{GNU, Head, MAGIC, MODE, PREFIX, SIZE, Tar, USTAR, sum_heads},
};
use drivers::releases::{Received, archive::Format};
use proptest::{
    prelude::{Just, Strategy, any, prop_oneof},
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
    },
    path::Path,
    process::Command,
};

const RANDOM_ARCHIVES: u32 = 400;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Directory(u32),
    File(u32, u64),
    Link(Vec<u8>),
}

type Listing = BTreeMap<Vec<u8>, Line>;

/// Why not, if GNU tar fails or warns, or lists a path twice.
fn listed_by_tar(archive: &Path) -> Result<Listing, String> {
    let mut tar = Command::new("tar");
    tar.env("LC_ALL", "C.UTF-8").args(["--list", "--verbose", "--numeric-owner", "--utc"]);
    tar.args(["--quoting-style=escape", "--file"]).arg(archive);
    let output = tar.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let is_harmless = |line: &str| line.contains("Ignoring unknown extended header keyword");
    if !output.status.success() || !said.lines().all(is_harmless) {
        return Err(said.into_owned());
    }
    let odd = || String::from_utf8_lossy(&output.stdout).into_owned();
    let mut listing = Listing::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|it| !it.is_empty()) {
        let (path, line) = listed_line(line, &listing).ok_or_else(odd)?;
        if path.is_empty() {
            continue;
        }
        let may_be_implied = matches!(line, Line::Directory(_));
        match listing.insert(path.clone(), line) {
            Some(Line::Directory(0o755)) if may_be_implied => {}
            Some(_) => return Err(odd()),
            None => {}
        }
        for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            listing.entry(path[..end].to_vec()).or_insert(Line::Directory(0o755));
        }
    }
    Ok(listing)
}

fn listed_line(line: &[u8], before: &Listing) -> Option<(Vec<u8>, Line)> {
    let mut fields = line.splitn(2, |byte| *byte == b' ');
    let permissions = fields.next()?;
    let mut rest = fields.next()?;
    let mut size = &b""[..];
    // Owner, size, date and time; the name may begin with a space.
    for field in 0..4 {
        while rest.first() == Some(&b' ') {
            rest = &rest[1..];
        }
        let end = rest.iter().position(|byte| *byte == b' ')?;
        if field == 1 {
            size = &rest[..end];
        }
        rest = if field == 3 { &rest[end + 1..] } else { &rest[end..] };
    }
    let size: u64 = std::str::from_utf8(size).ok()?.parse().ok()?;
    let mode = mode_of(permissions);
    Some(match permissions[0] {
        b'd' => (plain(&unescaped(rest)), Line::Directory(mode | 0o700)),
        b'-' => (plain(&unescaped(rest)), Line::File(mode | 0o600, size)),
        b'l' => {
            let (path, target) = split(rest, b" -> ")?;
            (plain(&unescaped(path)), Line::Link(unescaped(target)))
        }
        b'h' => {
            let (path, of) = split(rest, b" link to ")?;
            (plain(&unescaped(path)), before.get(&plain(&unescaped(of)))?.clone())
        }
        _ => return None,
    })
}

fn split<'a>(line: &'a [u8], between: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = line.windows(between.len()).position(|it| it == between)?;
    Some((&line[..at], &line[at + between.len()..]))
}

/// `rwxr-sr-t`, without its first letter, as a mode.
fn mode_of(permissions: &[u8]) -> u32 {
    let is_set = |letter: u8| !matches!(letter, b'-' | b'S' | b'T');
    permissions[1..10].iter().fold(0, |mode, letter| mode << 1 | u32::from(is_set(*letter)))
}

fn plain(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|it| !it.is_empty() && *it != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        if let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = rest {
            bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
            continue;
        }
        let [letter, after @ ..] = rest else { panic!("{text:?}") };
        let plain = b"\x07\x08\x0c\n\r\t\x0b";
        let known = b"abfnrtv".iter().position(|it| it == letter);
        bytes.push(known.map_or(*letter, |at| plain[at]));
        rest = after;
    }
    bytes
}

fn listed_by_us(directory: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut open = vec![directory.to_owned()];
    while let Some(parent) = open.pop() {
        for entry in fs::read_dir(parent).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let line = if metadata.is_dir() {
                open.push(path.clone());
                Line::Directory(mode)
            } else if metadata.is_symlink() {
                Line::Link(fs::read_link(&path).unwrap().into_os_string().into_vec())
            } else {
                Line::File(mode, metadata.len())
            };
            let relative = path.strip_prefix(directory).unwrap();
            listing.insert(relative.as_os_str().as_bytes().to_vec(), line);
        }
    }
    listing
}

/// What is taken is what GNU tar lists and extracts; gives whether it was taken.
fn compare(bench: &Bench, what: &str, bytes: &[u8]) -> bool {
    let Ok(received) = bench.send(Format::Tar, bytes) else {
        bench.nothing_is_left(what);
        return false;
    };
    bench.nothing_is_outside(what);
    let out = bench.aside("out");
    let archive = out.join("archive.tar");
    fs::write(&archive, bytes).unwrap();
    let theirs = listed_by_tar(&archive)
        .unwrap_or_else(|said| panic!("{what}: taken, but GNU tar says {said}: {received:?}"));
    let theirs = unwrapped(theirs, &received);
    assert_eq!(theirs, listed_by_us(&bench.place()), "{what}");
    if received.notes.is_empty() {
        expect_same_content(what, &out, &archive, &bench.place(), &theirs);
    }
    true
}

fn unwrapped(listing: Listing, received: &Received) -> Listing {
    if !received.notes.iter().any(|it| it.starts_with("all of the archive lies in")) {
        return listing;
    }
    let inside = |path: Vec<u8>| {
        let slash = path.iter().position(|it| *it == b'/')?;
        Some(path[slash + 1..].to_vec())
    };
    listing.into_iter().filter_map(|(path, line)| Some((inside(path)?, line))).collect()
}

fn expect_same_content(what: &str, out: &Path, archive: &Path, ours: &Path, listing: &Listing) {
    let theirs = out.join("extracted");
    let _ = fs::remove_dir_all(&theirs);
    fs::create_dir(&theirs).unwrap();
    let mut tar = Command::new("tar");
    tar.env("LC_ALL", "C.UTF-8").args(["--extract", "--no-same-owner", "--file"]).arg(archive);
    assert!(tar.arg("-C").arg(&theirs).status().unwrap().success(), "{what}");
    for (path, line) in listing {
        let path = OsStr::from_bytes(path);
        if matches!(line, Line::File(..)) {
            let (one, other) = (fs::read(theirs.join(path)), fs::read(ours.join(path)));
            assert_eq!(one.unwrap(), other.unwrap(), "{what}: {path:?}");
        }
    }
}

#[test]
fn the_hostile_are_refused_and_the_odd_are_listed_alike() {
    let bench = Bench::new();
    for case in hostile_tar::cases() {
        assert!(!compare(&bench, case.name, &case.bytes), "{} is refused", case.name);
    }
    for (name, tar) in odd() {
        assert!(compare(&bench, name, &tar.end()), "{name} is taken");
    }
}

fn odd() -> Vec<(&'static str, Tar)> {
    let tar = Tar::new;
    let head = |path: &[u8]| Head::new(b'0', path, b"", 4);
    vec![
        ("plain", tar().file("a").directory("d/").file("d/b").link("d/c", "../a").copy("e", "a")),
        ("wrapped", tar().file("app/a").directory("app").link("app/b", "a")),
        ("dots and slashes", tar().file("./d//./a").directory("././e///")),
        ("directory after its file", tar().file("d/a").directory("d").file("x")),
        ("long names", {
            let name = format!("{}/{}", "n".repeat(150), "m".repeat(150));
            tar().file("x").long_name(format!("{name}\0").as_bytes()).file("y")
        }),
        ("long name and link", {
            let (name, link) = ("n".repeat(150), "l".repeat(150));
            tar().file("x").long_link(link.as_bytes()).long_name(name.as_bytes()).link("", "")
        }),
        ("names by pax", {
            tar().attributes(b'x', &[("path", "\u{e9}"), ("mtime", "1.5")]).file("x").file("y")
        }),
        ("link by pax", {
            tar().attributes(b'x', &[("linkpath", "to"), ("path", "from")]).link("", "").file("y")
        }),
        ("size said twice alike", {
            tar().attributes(b'x', &[("size", "4"), ("path", "a")]).file("x").file("y")
        }),
        ("comment for all", tar().attributes(b'g', &[("comment", "c")]).file("x").file("y")),
        ("prefix", tar().head(head(b"b").with(PREFIX, b"a/c"), b"data").file("y")),
        ("GNU magic with a prefix", {
            tar().head(head(b"b").with(PREFIX, b"a/c").with(MAGIC, GNU), b"data").file("y")
        }),
        ("setuid", tar().head(head(b"b").with(MODE, b"0004755\0"), b"data").file("y")),
        ("no mode", tar().head(head(b"b").with(MODE, b"0000000\0"), b"data").file("y")),
        ("spaces in numbers", tar().head(head(b"b").with(MODE, b"   644 \0"), b"data").file("y")),
        ("no owner and no time", {
            let head = head(b"b").with(108..116, b"").with(116..124, b"").with(136..148, b"");
            tar().head(head, b"data").file("y")
        }),
        ("binary size", {
            tar().head(head(b"b").with(SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x04"), b"data").file("y")
        }),
        ("old file kind", tar().entry(0, b"b", b"", b"data").file("y")),
        ("not UTF-8", tar().entry(b'0', b"\xff\xfe", b"", b"data").file("y")),
        ("line break", tar().file("a\nb").file("\\").file("tab\t").link("l\n", "a\nb")),
        ("zeros at the end", tar().file("x").file("y").raw(&[0; 9_216])),
    ]
}

/// Entries, made of parts that go wrong in every way, in any order.
#[test]
fn any_archive_is_refused_or_listed_alike() {
    let (bench, taken) = (Bench::new(), Cell::new(0));
    let config = Config { cases: RANDOM_ARCHIVES, failure_persistence: None, ..Config::default() };
    let pieces = proptest::collection::vec(piece(), 1..6);
    TestRunner::new(config)
        .run(&(pieces, an_end()).no_shrink(), |(pieces, end)| {
            let open = pieces.iter().fold(Tar::new(), |tar, piece| tar.raw(piece)).open();
            let bytes = [open, end].concat();
            taken.set(taken.get() + u32::from(compare(&bench, "random", &bytes)));
            Ok(())
        })
        .unwrap();
    println!("{} of {RANDOM_ARCHIVES} random archives were taken", taken.get());
    assert!(taken.get() >= RANDOM_ARCHIVES / 20, "only {} were taken", taken.get());
}

/// What is honest but for a byte or two, with heads summed up anew.
#[test]
fn any_change_is_refused_or_listed_alike() {
    let (bench, taken) = (Bench::new(), Cell::new(0));
    let config = Config { cases: RANDOM_ARCHIVES, failure_persistence: None, ..Config::default() };
    let origins: Vec<Vec<u8>> = odd().into_iter().map(|(_, tar)| tar.end()).collect();
    let change =
        (any::<Index>(), any::<Index>(), select(b" /.0178\0\x01\x7f\x80\xff-xLSaA".to_vec()));
    let changes = proptest::collection::vec(change, 1..3);
    TestRunner::new(config)
        .run(&(select(origins), changes), |(mut bytes, changes)| {
            for (block, at, value) in changes {
                // Two of three bytes of an archive are zeros that say nothing.
                let said: Vec<usize> = (0..bytes.len()).filter(|it| bytes[*it] != 0).collect();
                let at = if value % 2 == 0 { at.index(said.len()) } else { at.index(512) };
                let block = block.index(bytes.len() / 512) * 512;
                let at = if value % 2 == 0 { said[at] } else { block + at };
                bytes[at] = value;
            }
            sum_heads(&mut bytes);
            taken.set(taken.get() + u32::from(compare(&bench, "changed", &bytes)));
            Ok(())
        })
        .unwrap();
    println!("{} of {RANDOM_ARCHIVES} changed archives were taken", taken.get());
    assert!(taken.get() >= RANDOM_ARCHIVES / 20, "only {} were taken", taken.get());
}

fn an_end() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => Just(vec![0; 1024]),
        2 => Just(vec![0; 10_240]),
        1 => Just(vec![0; 512]),
        1 => Just(vec![]),
        1 => Just([vec![0; 1024], vec![1; 512]].concat()),
        1 => Just([vec![0; 512], Tar::new().file("more").end()].concat()),
        1 => Just([vec![0; 1024], Tar::new().file("more").end()].concat()),
    ]
}

/// An entry with what leads it.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop_oneof![
        12 => Just(None),
        4 => (a_name(), Just(b'L')).prop_map(Some),
        2 => (a_name(), Just(b'K')).prop_map(Some),
        4 => (a_record(), Just(b'x')).prop_map(Some),
        2 => (a_record(), Just(b'g')).prop_map(Some),
    ];
    (extension, a_head(), proptest::collection::vec(any::<u8>(), 0..3)).prop_map(
        |(extension, (head, data), noise)| {
            let tar = match extension {
                Some((value, kind)) => Tar::new().entry(kind, b"extension", b"", &value),
                None => Tar::new(),
            };
            let mut bytes = tar.head(head, &data).open();
            // Now and then something is damaged.
            if let [at, 0..=20, with] = noise[..] {
                bytes[usize::from(at) * 2 % 512] = with;
            }
            bytes
        },
    )
}

fn a_name() -> impl Strategy<Value = Vec<u8>> {
    let usual = (0..40_u8).prop_map(|it| format!("{}/f{it}", it % 3).into_bytes());
    let odd = select(vec![
        b"a".to_vec(),
        b"b/".to_vec(),
        b"./c".to_vec(),
        b"d//e".to_vec(),
        b"A".to_vec(),
        b"../up".to_vec(),
        b"/abs".to_vec(),
        b"x/../y".to_vec(),
        b".".to_vec(),
        b"./".to_vec(),
        b"".to_vec(),
        b"sp ace".to_vec(),
        b"line\nbreak".to_vec(),
        b"back\\slash".to_vec(),
        b"\xc3\xa9".to_vec(),
        b"\xff".to_vec(),
        b"nul\0nul".to_vec(),
        vec![b'l'; 130],
    ]);
    prop_oneof![4 => usual, 2 => odd]
}

fn a_record() -> impl Strategy<Value = Vec<u8>> {
    let key = select(vec![
        "path",
        "linkpath",
        "size",
        "mtime",
        "comment",
        "GNU.sparse.major",
        "GNU.sparse.name",
        "SCHILY.xattr.user.x",
        "hdrcharset",
    ]);
    let value = select(vec!["a", "dir/b", "4", "0", "512", "", "../x", "BINARY"]);
    let one = (key, value).prop_map(|(key, value)| super::raw_tar::record(key, value));
    proptest::collection::vec(one, 1..3).prop_map(|it| it.concat().into_bytes())
}

fn a_head() -> impl Strategy<Value = (Head, Vec<u8>)> {
    let kind = prop_oneof![
        12 => Just(b'0'),
        4 => Just(b'5'),
        3 => Just(b'2'),
        3 => Just(b'1'),
        1 => select(b"\x003467LKxgSDMVXAZ".to_vec()),
    ];
    let data = prop_oneof![4 => Just(4), 2 => Just(0), 1 => 0..1_500_usize];
    let magic = prop_oneof![8 => Just(*USTAR), 6 => Just(*GNU), 1 => any::<[u8; 8]>()];
    let mode = prop_oneof![
        8 => (0..0o10000_u32).prop_map(|it| format!("{it:07o}\0").into_bytes()),
        1 => any::<[u8; 8]>().prop_map(|it| it.to_vec()),
        1 => Just(b"   755 \0".to_vec()),
    ];
    let size = prop_oneof![
        16 => Just(None),
        1 => any::<[u8; 12]>().prop_map(Some),
        1 => Just(Some(*b"00000000010\0")),
        1 => Just(Some(*b"          4 ")),
        1 => Just(Some(*b"4\0 7\0\0\0\0\0\0\0\0")),
        1 => Just(Some(*b"\x80\0\0\0\0\0\0\0\0\0\0\x04")),
    ];
    let prefix = prop_oneof![8 => Just(vec![]), 1 => a_name()];
    let parts = (kind, a_name(), a_name(), data, magic, mode, size, prefix);
    parts.prop_map(|(kind, path, link, bytes, magic, mode, size, prefix)| {
        let is_file = matches!(kind, b'0' | 0);
        let data = vec![b'd'; if is_file { bytes } else { 0 }];
        let link = if matches!(kind, b'1' | b'2') { link } else { vec![] };
        let mut head = Head::new(kind, &path, &link, data.len() as u64);
        head.put(MAGIC, &magic);
        head.put(MODE, &mode);
        if let Some(size) = size {
            head.put(SIZE, &size);
        }
        if &magic == USTAR {
            head.put(PREFIX, &prefix);
        }
        (head, data)
    })
}
