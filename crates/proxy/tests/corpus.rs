//! What fuzzing has found worth keeping, by the same properties, with every build.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "../../../fuzz/properties/chunks.rs"]
mod chunks;
#[path = "../../../fuzz/properties/head.rs"]
mod head;
#[path = "../../../fuzz/properties/route_file.rs"]
mod route_file;

use std::fs;
use std::path::Path;

/// What a corpus may hold, so that it stays one that is read.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 400 * 1024;

fn replay(name: &str, hold: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| hold(&text));
        assert!(held.is_ok(), "{}", path.display());
        (files, bytes) = (files + 1, bytes + text.len());
    }
    assert!((5..=FILES_MAX).contains(&files), "{files} files");
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}

#[test]
fn heads_have_one_meaning() {
    replay("head", head::hold);
}

#[test]
fn bodies_in_chunks_stay_what_they_are() {
    replay("chunks", chunks::hold);
}

#[test]
fn route_files_come_back_the_same() {
    replay("route_file", route_file::hold);
}
