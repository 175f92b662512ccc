//! What wraps a tar: cut, damaged, followed by more, or growing too much.

use super::{
    bench::{Bench, gz, zst},
    raw_tar::Tar,
};
use drivers::releases::archive::Format;
use std::io::Write;

fn whole() -> Vec<u8> {
    let noise: Vec<u8> = (0..20_000_u32).flat_map(|it| (it * it).to_le_bytes()).collect();
    Tar::new().entry(b'0', b"app", b"", &noise).file("z").end()
}

#[test]
fn a_cut_anywhere_is_refused() {
    let bench = Bench::new();
    for (format, bytes) in [(Format::TarGz, gz(&whole())), (Format::TarZst, zst(&whole()))] {
        let length = bytes.len();
        for cut in [20, 100, length / 2, length - 9, length - 8, length - 4, length - 1] {
            bench.refused(&format!("{format} cut at {cut}"), format, &bytes[..cut], "cut off");
        }
        bench.refused("nothing", format, b"", "it is empty");
        bench.send(format, &bytes).expect("whole");
    }
}

#[test]
fn what_follows_is_refused() {
    let bench = Bench::new();
    let after = "goes on after the end of what is compressed";
    for (format, bytes) in [(Format::TarGz, gz(&whole())), (Format::TarZst, zst(&whole()))] {
        let more = |more: &[u8]| [bytes.as_slice(), more].concat();
        bench.refused("garbage", format, &more(b"x"), after);
        bench.refused("a zero", format, &more(&[0]), after);
        bench.refused("a second", format, &more(&bytes), after);
        bench.refused("a tar", format, &more(&whole()), after);
        let empty = if format == Format::TarGz { gz(b"") } else { zst(b"") };
        bench.refused("an empty one", format, &more(&empty), after);
    }
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0skip".as_slice(), &zst(&whole())].concat();
    bench.refused("a skippable frame", Format::TarZst, &skippable, "is not one");
    let skippable = [zst(&whole()).as_slice(), b"\x50\x2a\x4d\x18\x04\0\0\0skip"].concat();
    bench.refused("a skippable frame after it", Format::TarZst, &skippable, after);
    let second = [gz(&whole()[..1024]), gz(&whole()[1024..])].concat();
    bench.refused("in two members", Format::TarGz, &second, "cut off");
}

#[test]
fn damage_is_refused() {
    let bench = Bench::new();
    let mut bytes = gz(&whole());
    let length = bytes.len();
    for at in [length - 1, length - 5, length / 2] {
        bytes[at] ^= 0x10;
        bench.refused(&format!("gzip damaged at {at}"), Format::TarGz, &bytes, "");
        bytes[at] ^= 0x10;
    }
    let mut encoder = zstd::Encoder::new(vec![], 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(&whole()).unwrap();
    let mut bytes = encoder.finish().unwrap();
    let length = bytes.len();
    bytes[length - 1] ^= 0x10;
    bench.refused("zstd with a wrong checksum", Format::TarZst, &bytes, "cannot be read");
}

#[test]
fn what_grows_too_much_is_refused() {
    let bench = Bench::new();
    let zeros = vec![0; 24 << 20];
    let bomb = Tar::new().file("first").entry(b'0', b"bomb", b"", &zeros).end();
    let words = "`bomb` unpacks to more than 200 times";
    bench.refused("gzip bomb", Format::TarGz, &gz(&bomb), words);
    bench.refused("zstd bomb", Format::TarZst, &zst(&bomb), words);
    let zip = super::raw_zip::zip(&[super::raw_zip::Entry::deflated("bomb", &zeros)]);
    bench.refused("zip bomb", Format::Zip, &zip, words);
    let many: Vec<_> = (0..3)
        .map(|it| super::raw_zip::Entry::deflated(&format!("{it:02}"), &zeros[..8 << 20]))
        .collect();
    let zip = super::raw_zip::zip(&many);
    bench.refused("zip bomb in many", Format::Zip, &zip, "unpacks to more than 200 times");
    let copies = (0..100)
        .fold(Tar::new().entry(b'0', b"some", b"", &zeros[..4 << 20]), |tar, number| {
            tar.copy(&format!("copy-{number}"), "some")
        });
    let words = "unpacks to more than 200 times";
    bench.refused("hard links as a bomb", Format::TarGz, &gz(&copies.end()), words);
    let tail = [Tar::new().file("x").end(), zeros].concat();
    bench.refused("a long end", Format::TarGz, &gz(&tail), words);
    let little = Tar::new().entry(b'0', b"zeros", b"", &vec![0; 8 << 20]).file("x").end();
    bench.send(Format::TarGz, &gz(&little)).expect("a few zeros are no bomb");
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    let bench = Bench::new();
    let noise = whole();
    for (window_log, is_taken) in [(27, true), (28, false)] {
        let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(&noise).unwrap();
        let bytes = encoder.finish().unwrap();
        if is_taken {
            bench.send(Format::TarZst, &bytes).expect("a window of 128 MiB");
        } else {
            bench.refused("a window of 256 MiB", Format::TarZst, &bytes, "too much memory");
        }
    }
}

#[test]
fn what_is_not_what_its_name_says_is_refused() {
    let bench = Bench::new();
    let tar = whole();
    bench.refused("gzip as tar", Format::Tar, &gz(&tar), "is named tar, but is tar.gz");
    bench.refused("tar as gzip", Format::TarGz, &tar, "is named tar.gz, but is tar");
    bench.refused("zstd as zip", Format::Zip, &zst(&tar), "is named zip, but is tar.zst");
    bench.refused("a text", Format::Tar, b"#!/bin/sh\n", "is not one");
    let text = gz(b"#!/bin/sh\n");
    bench.refused("a compressed text", Format::TarGz, &text, "cut off");
    let long = gz(&[b'x'; 5_000]);
    bench.refused("a long compressed text", Format::TarGz, &long, "no head of a tar");
}
