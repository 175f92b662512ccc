//! A chunked body: the same however it is cut, and what is sent on is the same once more.

use proxy::http1::Framing;
use proxy::http1::body::Body;
use proxy::http1::chunk::{BadChunk, ChunkScanner, Piece};
use std::io::IoSlice;

/// What was found: data, trailers, and how many bytes it took; none for a body that goes on.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    data: Vec<u8>,
    end: Option<(Vec<u8>, usize)>,
}

/// Panics where it does not hold for these bytes; the first says how they are cut.
pub fn hold(bytes: &[u8]) {
    let Some((&first, input)) = bytes.split_first() else { return };
    let whole = scan(input, input.len().max(1));
    for size in [1, usize::from(first).max(1)] {
        let cut = scan(input, size);
        assert_eq!(whole.is_ok(), cut.is_ok(), "by {size}");
        if let (Ok(whole), Ok(cut)) = (&whole, &cut) {
            assert_eq!(whole, cut, "by {size}");
        }
    }
    let sent = relay(input, usize::from(first).max(1));
    let Ok(found) = whole else {
        assert!(sent.is_err(), "what is refused is not sent on as whole");
        return;
    };
    let Ok(sent) = sent else { panic!("a body is refused on its way") };
    let Ok(again) = scan(&sent, sent.len().max(1)) else { panic!("what is sent on is refused") };
    assert_eq!(again.data, found.data);
    match (&found.end, &again.end) {
        (None, None) => {}
        (Some((trailers, _)), Some((passed, used))) => {
            assert_eq!(trailers, passed);
            assert_eq!(*used, sent.len(), "nothing is behind the end");
        }
        _ => panic!("one has an end, and the other none"),
    }
}

fn scan(input: &[u8], size: usize) -> Result<Found, BadChunk> {
    let mut scanner = ChunkScanner::new();
    let mut data = Vec::new();
    let mut used = 0;
    for piece in input.chunks(size) {
        let mut rest = piece;
        loop {
            match scanner.next(&mut rest)? {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::More => break,
                Piece::End => {
                    used += piece.len() - rest.len();
                    let end = Some((scanner.trailers().to_vec(), used));
                    return Ok(Found { data, end });
                }
            }
        }
        used += piece.len();
    }
    Ok(Found { data, end: None })
}

/// What goes out in chunks again.
fn relay(input: &[u8], size: usize) -> Result<Vec<u8>, BadChunk> {
    let mut body = Body::new(Framing::Chunked, Framing::Chunked);
    let mut sent = Vec::new();
    for piece in input.chunks(size) {
        let used = body.relay(piece, &mut |slices: &[IoSlice<'_>]| {
            slices.iter().for_each(|it| sent.extend_from_slice(it));
            Ok::<(), BadChunk>(())
        })?;
        if body.is_done() {
            assert!(used <= piece.len());
            break;
        }
        assert_eq!(used, piece.len(), "all is taken before the end");
    }
    Ok(sent)
}
