//! As many as are allowed, and one more.

use super::{bench::Bench, raw_tar::Tar};
use drivers::releases::{DEPTH_MAX, ENTRIES_MAX, NAMES_BYTES_MAX, PATH_BYTES_MAX, archive::Format};

/// Most of it stays behind, which is counted too, and is quick.
fn tar_of(count: usize) -> Vec<u8> {
    let numbers = 2..count;
    numbers
        .fold(Tar::new().file("file").directory("d"), |tar, it| tar.file(&format!(".git/{it}")))
        .end()
}

#[test]
fn entries_are_counted() {
    let bench = Bench::new();
    let words = "more than 200000 files and directories";
    bench.refused("one more", Format::Tar, &tar_of(ENTRIES_MAX + 1), words);
}

#[test]
fn depth_and_length_are_counted() {
    let bench = Bench::new();
    let deepest = "d/".repeat(DEPTH_MAX - 1) + "x";
    let tar = Tar::new().file("y").long_name(deepest.as_bytes()).file("x").end();
    bench.send(Format::Tar, &tar).expect("as deep as is allowed");
    let deeper = "d/".repeat(DEPTH_MAX) + "x";
    let tar = Tar::new().file("y").long_name(deeper.as_bytes()).file("x").end();
    bench.refused("deeper", Format::Tar, &tar, "more than 64 directories deep");

    // The kernel counts the NUL at its end.
    let longest = [b'x'; PATH_BYTES_MAX - 1];
    let tar = Tar::new().long_link(&longest).link("y", "").file("z").end();
    bench.send(Format::Tar, &tar).expect("as long as is allowed");
    let tar = Tar::new().long_link(&[b'x'; PATH_BYTES_MAX]).link("y", "").file("z").end();
    bench.refused("too long for the kernel", Format::Tar, &tar, "`y` has too long a name");
    let tar = Tar::new().long_name(&[b'x'; 256]).file("y").file("z").end();
    bench.refused("a long name", Format::Tar, &tar, "` has too long a name");
    let path = "x".repeat(255) + "/";
    let tar = Tar::new().long_name(path.repeat(15).as_bytes()).directory("y").file("z").end();
    bench.send(Format::Tar, &tar).expect("names as long as is allowed");
    let tar = Tar::new().long_name(path.repeat(16).as_bytes()).directory("y").file("z").end();
    bench.refused("a long path", Format::Tar, &tar, "` has too long a name");
    let tar = Tar::new().long_link(&[b'x'; PATH_BYTES_MAX + 1]).link("y", "").file("z").end();
    bench.refused("longer", Format::Tar, &tar, "`y` is a link without a proper target");
}

#[test]
fn names_are_held_in_memory_and_so_are_counted() {
    let bench = Bench::new();
    let long = "x/".repeat(30) + &"y".repeat(4_000);
    let tar = (0..=NAMES_BYTES_MAX / long.len()).fold(Tar::new().file("x"), |tar, number| {
        tar.long_name(format!(".git/{number}{long}").as_bytes()).file("y")
    });
    bench.refused("names", Format::Tar, &tar.end(), "bytes of names");
}
