use super::{Part, Reader};

/// What comes of an answer that is handed over in pieces of this size.
fn read(bytes: &[u8], is_head: bool, size: usize) -> Vec<String> {
    let mut reader = Reader::new(is_head);
    let mut found: Vec<String> = Vec::new();
    let mut in_data = false;
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        while let Some(part) = reader.next(&mut rest).unwrap() {
            let is_data = matches!(part, Part::Data(_));
            match part {
                Part::Head { response, ended } => {
                    let fields = response.headers().iter();
                    let fields: Vec<String> =
                        fields.map(|it| format!("{}={}", it.0, it.1.to_str().unwrap())).collect();
                    let end = if ended { "." } else { "" };
                    found.push(format!("{} {}{end}", response.status().as_u16(), fields.join(" ")));
                }
                Part::Data(data) => {
                    let text = String::from_utf8_lossy(data);
                    match found.last_mut().filter(|_| in_data) {
                        Some(last) => last.push_str(&text),
                        None => found.push(text.into_owned()),
                    }
                }
                Part::End(None) => found.push("end".to_owned()),
                Part::End(Some(fields)) => found.push(format!("end {fields:?}")),
            }
            in_data = is_data;
        }
        assert!(rest.is_empty());
    }
    found
}

#[test]
fn answers_are_taken_apart_however_they_are_cut() {
    let answers: [(&str, bool, &[&str]); 8] = [
        (
            "HTTP/1.1 200 OK\r\nX-Own: 1\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            false,
            &["200 x-own=1 content-length=5", "hello", "end"],
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
            false,
            &["200 ", "hello!", "end"],
        ),
        (
            "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n",
            false,
            &["200 ", "hi", "end {\"x-sum\": \"1\"}"],
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, &["200 content-length=5."]),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, &["200 content-length=0."]),
        ("HTTP/1.1 304 X\r\netag: a\r\n\r\n", false, &["304 etag=a."]),
        ("HTTP/1.1 204 X\r\n\r\n", false, &["204 ."]),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nlink: a\r\n\r\n\
             HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 1\r\n\r\nx",
            false,
            &["100 ", "103 link=a", "200 set-cookie=a set-cookie=b content-length=1", "x", "end"],
        ),
    ];
    for (answer, is_head, expected) in answers {
        for size in [1, 2, 3, 7, 64, 4096] {
            // The end of a body is told with its last piece.
            assert_eq!(read(answer.as_bytes(), is_head, size), expected, "{answer:?} by {size}");
        }
    }
}

#[test]
fn what_the_proxy_does_not_write_is_none() {
    for bytes in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
    ] {
        let mut reader = Reader::new(false);
        let mut rest = bytes.as_bytes();
        let refused = loop {
            match reader.next(&mut rest) {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(refused, "{bytes:?}");
    }
    let endless = vec![b'a'; 128 * 1024];
    assert!(Reader::new(false).next(&mut endless.as_slice()).is_err());
}
