//! Whatever comes, it is refused with nothing left, or taken within its directory.

use super::{
    bench::{Bench, gz, zst},
    hostile_tar,
    raw_tar::{Tar, sum_heads},
    raw_zip::{Entry, zip},
};
use drivers::releases::{BYTES_MAX, ENTRIES_MAX, archive::Format};
use model::failure::Blame;
use proptest::{
    prelude::{Just, Strategy, any},
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

const FORMATS: [Format; 4] = [Format::Tar, Format::TarGz, Format::TarZst, Format::Zip];

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    ran.unwrap();
}

fn try_it(bench: &Bench, format: Format, bytes: &[u8]) {
    match bench.send(format, bytes) {
        Err(failure) => {
            assert_eq!(failure.blame, Blame::Request, "{failure:?}");
            bench.nothing_is_left("refused");
        }
        Ok(received) => {
            assert!(received.artifact.bytes <= BYTES_MAX);
            assert!(received.artifact.files <= ENTRIES_MAX as u64);
            bench.nothing_is_outside("taken");
        }
    }
}

fn honest() -> Vec<u8> {
    Tar::new()
        .directory("./")
        .file("./a")
        .directory("./d")
        .file("./d/b")
        .link("./d/c", "../a")
        .copy("./e", "a")
        .attributes(b'x', &[("path", "f/g"), ("mtime", "1.5")])
        .file("x")
        .long_name(&[b'n'; 120])
        .file("x")
        .end()
}

fn a_zip() -> Vec<u8> {
    zip(&[
        Entry::stored("d/", b""),
        Entry::deflated("d/a", &[b'a'; 500]),
        Entry::stored("b", b"data").followed(true),
        Entry::stored("l", b"d/a").mode(0o120_777),
        Entry::deflated("e", b"").followed(false),
    ])
}

#[test]
fn any_bytes() {
    let bench = Bench::new();
    let magic: Vec<Vec<u8>> = FORMATS
        .iter()
        .map(|format| match format {
            Format::Tar => honest()[..512].to_vec(),
            Format::TarGz => gz(b"")[..10].to_vec(),
            Format::TarZst => zst(b"x")[..5].to_vec(),
            Format::Zip => b"PK\x03\x04".to_vec(),
        })
        .collect();
    let bytes = proptest::collection::vec(any::<u8>(), 0..3_000);
    run(400, (0..4_usize, any::<bool>(), bytes), |(format, has_magic, bytes)| {
        let head = if has_magic { magic[format].as_slice() } else { &[] };
        try_it(&bench, FORMATS[format], &[head, &bytes].concat());
    });
}

/// Some bytes are changed, taken away or doubled.
#[test]
fn any_change() {
    let bench = Bench::new();
    let mut originals: Vec<(Format, Vec<u8>)> = vec![
        (Format::Tar, honest()),
        (Format::TarGz, gz(&honest())),
        (Format::TarZst, zst(&honest())),
        (Format::Zip, a_zip()),
        (Format::Zip, a_zip()),
    ];
    for (format, original) in &originals {
        bench.send(*format, original).unwrap();
    }
    originals.extend(hostile_tar::cases().into_iter().map(|it| (Format::Tar, it.bytes)));
    let interesting = select(vec![0, 1, 3, 8, b' ', b'/', b'.', b'0', b'7', 0x7f, 0x80, 0xff]);
    let value = proptest::prop_oneof![any::<u8>(), interesting];
    let change = (any::<Index>(), value, 0..12_u8, any::<Index>());
    let changes = proptest::collection::vec(change, 1..4);
    let many = originals.len();
    let which = proptest::prop_oneof![0..5_usize, 0..many];
    run(1_500, (which, changes, Just(())), |(which, changes, ())| {
        let (format, mut bytes) = originals[which].clone();
        for (at, value, kind, other) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.drain(at..(at + 1).min(bytes.len()))),
                2 => bytes.extend_from_within(at..),
                3 => {
                    let other = other.index(bytes.len());
                    bytes.swap(at, other);
                }
                _ => bytes[at] = value,
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        if format == Format::Tar {
            sum_heads(&mut bytes);
        }
        try_it(&bench, format, &bytes);
    });
}
