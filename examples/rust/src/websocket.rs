//! WebSocket echo (RFC 6455) on a connection whose handshake is done.

use crate::http::Connection;
use sha1::{Digest, Sha1};
use std::{
    io::{self, ErrorKind, Write},
    time::Duration,
};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAYLOAD_MAX: u64 = 16 << 20;
const LOOK_UP: Duration = Duration::from_millis(50);
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

struct Frame {
    last: bool,
    opcode: u8,
    payload: Vec<u8>,
    size: usize,
}

/// What answers `Sec-WebSocket-Key`.
pub(crate) fn accept(key: &str) -> String {
    let digest = Sha1::digest(format!("{key}{GUID}"));
    let mut text = String::new();
    for chunk in digest.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[(word >> (18 - 6 * index)) as usize & 63];
            text.push(if index > chunk.len() { '=' } else { symbol.into() });
        }
    }
    text
}

/// Echoes until one side closes, or the app stops.
pub(crate) fn echo(connection: &mut Connection, stopping: impl Fn() -> bool) -> io::Result<()> {
    connection.stream.set_read_timeout(Some(LOOK_UP))?;
    let (mut kind, mut message, mut leaving) = (CONTINUATION, Vec::new(), false);
    loop {
        if stopping() && !leaving {
            leaving = true;
            send(connection, CLOSE, &1001u16.to_be_bytes())?;
        }
        let frame = match parse(&connection.buffer) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                match connection.fill() {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    filled => filled?,
                }
                continue;
            }
            Err(code) => return send(connection, CLOSE, &code.to_be_bytes()),
        };
        connection.buffer.drain(..frame.size);
        match frame.opcode {
            CLOSE if leaving => return Ok(()),
            CLOSE => return send(connection, CLOSE, frame.payload.get(..2).unwrap_or_default()),
            _ if leaving => {}
            PING => send(connection, PONG, &frame.payload)?,
            PONG.. => {}
            opcode => {
                if opcode != CONTINUATION {
                    (kind, message) = (opcode, Vec::new());
                }
                message.extend(frame.payload);
                if frame.last {
                    send(connection, kind, &std::mem::take(&mut message))?;
                }
            }
        }
    }
}

fn send(connection: &mut Connection, opcode: u8, payload: &[u8]) -> io::Result<()> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => bytes.push(length as u8),
        length @ 126..65536 => {
            bytes.push(126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    connection.stream.write_all(&bytes)
}

/// The first frame; none: more is needed; an error: the code to close with.
fn parse(buffer: &[u8]) -> Result<Option<Frame>, u16> {
    let [first, second, rest @ ..] = buffer else { return Ok(None) };
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(1002);
    }
    let (length, extra) = match second & 0x7f {
        126 if rest.len() < 2 => return Ok(None),
        126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
        127 if rest.len() < 8 => return Ok(None),
        127 => (rest[..8].iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte)), 8),
        short => (u64::from(short), 0),
    };
    if length > PAYLOAD_MAX {
        return Err(1009);
    }
    let length = length as usize;
    let Some((mask, payload)) = rest.get(extra..extra + 4 + length).map(|rest| rest.split_at(4))
    else {
        return Ok(None);
    };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let size = 2 + extra + 4 + length;
    Ok(Some(Frame { last: first & 0x80 != 0, opcode: first & 0x0f, payload, size }))
}
