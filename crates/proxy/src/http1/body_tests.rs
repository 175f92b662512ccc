use super::*;

/// What goes out when `input` comes in pieces of `step` bytes; how much was used; whether it ended.
fn relay(source: Framing, sink: Framing, input: &[u8], step: usize) -> (Vec<u8>, usize, bool) {
    let mut body = Body::new(source, sink);
    let mut out = Vec::new();
    let mut used = 0;
    for piece in input.chunks(step) {
        let taken = body.relay(piece, &mut |parts: &[IoSlice<'_>]| {
            parts.iter().for_each(|part| out.extend_from_slice(part));
            Ok::<(), BadChunk>(())
        });
        used += taken.unwrap();
        if body.is_done() {
            break;
        }
    }
    (out, used, body.is_done())
}

#[test]
fn every_framing_goes_into_every_other() {
    let chunked: &[u8] = b"5\r\nhello\r\n6\r\n world\r\n0\r\nX: 1\r\n\r\n";
    for step in [1, 2, 5, 100] {
        let (out, used, done) = relay(Framing::Chunked, Framing::UntilClose, chunked, step);
        assert_eq!((&out[..], used, done), (&b"hello world"[..], chunked.len(), true));
        let (out, used, done) = relay(Framing::Length(5), Framing::Length(5), b"hello world", step);
        assert_eq!((&out[..], done), (&b"hello"[..], true));
        assert_eq!(used, 5);
    }
    let (out, _, done) = relay(Framing::Chunked, Framing::Chunked, chunked, 100);
    assert!(done);
    assert_eq!(out, b"b\r\nhello world\r\n0\r\nX: 1\r\n\r\n");
    let (out, _, done) = relay(Framing::UntilClose, Framing::Chunked, b"hello", 100);
    assert_eq!((&out[..], done), (&b"5\r\nhello\r\n"[..], false));
}

#[test]
fn nothing_is_no_chunk() {
    let mut body = Body::new(Framing::UntilClose, Framing::Chunked);
    let used = body.relay(b"", &mut |parts: &[IoSlice<'_>]| -> Result<(), BadChunk> {
        panic!("{parts:?} would end the body")
    });
    assert_eq!(used, Ok(0));
    assert!(!body.is_done());
}

#[test]
fn many_small_chunks_become_few() {
    let input = "1\r\nx\r\n".repeat(1000) + "0\r\n\r\n";
    let (out, _, done) = relay(Framing::Chunked, Framing::Chunked, input.as_bytes(), 100_000);
    assert!(done);
    let (data, used, _) = relay(Framing::Chunked, Framing::UntilClose, &out, 7);
    assert_eq!((data.len(), used), (1000, out.len()));
    assert!(out.len() < 1500, "{}", out.len());
}

#[test]
fn the_end_of_the_connection_ends_only_what_it_may() {
    for (framing, ends) in [
        (Framing::None, true),
        (Framing::Length(0), true),
        (Framing::Length(1), false),
        (Framing::Chunked, false),
        (Framing::UntilClose, true),
    ] {
        let mut out = Vec::new();
        let ended = Body::new(framing, Framing::Chunked).end_of_source(&mut |parts| {
            parts.iter().for_each(|part| out.extend_from_slice(part));
            Ok::<(), BadChunk>(())
        });
        assert_eq!(ended, Ok(ends), "{framing:?}");
        assert_eq!(out == b"0\r\n\r\n", framing == Framing::UntilClose);
    }
}

#[test]
fn sizes_are_written_in_hexadecimal() {
    for size in [0, 1, 9, 10, 15, 16, 255, 4096, 65535, 1 << 40] {
        let mut buffer = [0; SIZE_BYTES];
        assert_eq!(write_size(size, &mut buffer), format!("{size:x}\r\n").as_bytes());
    }
}
