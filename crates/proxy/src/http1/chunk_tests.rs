use super::*;

/// The data, the trailers and what is left, when fed in pieces of `step` bytes.
fn scan(input: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, usize), BadChunk> {
    let mut scanner = ChunkScanner::new();
    let mut data = Vec::new();
    let mut used = 0;
    for piece in input.chunks(step) {
        let mut rest = piece;
        loop {
            match scanner.next(&mut rest)? {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::More => break,
                Piece::End => {
                    used += piece.len() - rest.len();
                    return Ok((data, scanner.trailers().to_vec(), used));
                }
            }
        }
        used += piece.len();
    }
    assert!(!scanner.is_done());
    Ok((data, Vec::new(), usize::MAX))
}

#[test]
fn data_is_found_however_it_is_cut() {
    let body = b"5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\nTE: x\r\n\r\n";
    let input = [&body[..], b"GET / HTTP/1.1\r\n"].concat();
    for step in 1..=input.len() {
        let (data, trailers, used) = scan(&input, step).unwrap();
        assert_eq!(data, b"hello0123456789");
        assert_eq!(trailers, b"X-Sum: 1\r\n");
        assert_eq!(used, body.len(), "in pieces of {step}");
    }
}

#[test]
fn nothing_is_guessed() {
    for input in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        ";x\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "0000000000000000\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: other.test\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n\n",
    ] {
        for step in [1, 3, 100] {
            assert_eq!(scan(input.as_bytes(), step), Err(BadChunk), "{input:?} by {step}");
        }
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(2000));
    assert_eq!(scan(long.as_bytes(), 100), Err(BadChunk));
    let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(3000));
    assert_eq!(scan(many.as_bytes(), 100), Err(BadChunk));
}

#[test]
fn a_cut_body_has_no_end() {
    let body = b"5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for end in 0..body.len() {
        assert_eq!(scan(&body[..end], 100).unwrap().2, usize::MAX, "{end}");
    }
}
