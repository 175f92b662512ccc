//! WebSocket frames (RFC 6455), as the load's client and the tests' servers need them.

use sha1::{Digest, Sha1};

/// A frame of text.
pub const TEXT: u8 = 1;
/// A frame of bytes.
pub const BINARY: u8 = 2;
/// The closing handshake.
pub const CLOSE: u8 = 8;
/// Asks for a pong with the same payload.
pub const PING: u8 = 9;
/// The answer to a ping.
pub const PONG: u8 = 10;

/// More than this in one frame is refused.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

const HANDSHAKE_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One frame, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it ends its message.
    pub last: bool,
    /// [`TEXT`], [`BINARY`], [`CLOSE`], [`PING`], [`PONG`], or 0 for a continuation.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a closing frame; none: another frame, or one without a code.
    pub fn close_code(&self) -> Option<u16> {
        match (self.opcode, self.payload.as_slice()) {
            (CLOSE, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}

/// A whole message as one frame.  Clients must give a mask, servers must not.
pub fn encode(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    bytes.push(0x80 | opcode);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..126 => bytes.push(masked | length as u8),
        length @ 126..65536 => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    match mask {
        None => bytes.extend_from_slice(payload),
        Some(mask) => {
            bytes.extend_from_slice(&mask);
            bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    bytes
}

/// The first frame in `buffer` and how many bytes it took; none: more bytes are needed.
///
/// # Errors
/// If the bytes are no frame, or one beyond [`MAX_PAYLOAD_BYTES`].
pub fn decode(buffer: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    let [first, second, rest @ ..] = buffer else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err("reserved bits are set though no extension was agreed".to_owned());
    }
    let (length, length_bytes) = match second & 0x7f {
        126 if rest.len() < 2 => return Ok(None),
        126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
        127 if rest.len() < 8 => return Ok(None),
        127 => (rest[..8].iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte)), 8),
        short => (u64::from(short), 0),
    };
    if length > MAX_PAYLOAD_BYTES as u64 {
        return Err(format!("a frame of {length} bytes"));
    }
    let rest = &rest[length_bytes..];
    let (mask, rest) = match (second & 0x80 != 0, rest) {
        (false, rest) => (None, rest),
        (true, [a, b, c, d, rest @ ..]) => (Some([*a, *b, *c, *d]), rest),
        (true, _) => return Ok(None),
    };
    let Some(payload) = rest.get(..length as usize) else { return Ok(None) };
    let payload = match mask {
        None => payload.to_vec(),
        Some(mask) => payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect(),
    };
    let taken = buffer.len() - rest.len() + length as usize;
    Ok(Some((Frame { last: first & 0x80 != 0, opcode: first & 0x0f, payload }, taken)))
}

/// What a server answers in `Sec-WebSocket-Accept` to a client's `Sec-WebSocket-Key`.
pub fn accept(key: &str) -> String {
    base64(&Sha1::digest(format!("{key}{HANDSHAKE_GUID}")))
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = BASE64[(word >> (18 - 6 * index)) as usize & 63] as char;
            text.push(if index > chunk.len() { '=' } else { symbol });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_the_handshake_of_the_standard() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
    }

    #[test]
    fn reads_what_it_writes_at_every_length_and_cut() {
        for length in [0, 1, 125, 126, 65535, 65536, 70_000] {
            let payload = crate::crc::pattern(length);
            for mask in [None, Some([1, 2, 3, 255])] {
                let bytes = encode(BINARY, &payload, mask);
                for cut in [0, 1, 2, 3, 5, 9, bytes.len() - 1] {
                    assert_eq!(decode(&bytes[..cut.min(bytes.len() - 1)]), Ok(None));
                }
                let (frame, taken) = decode(&bytes).unwrap().unwrap();
                assert_eq!((frame.payload, taken), (payload.clone(), bytes.len()));
            }
        }
    }

    #[test]
    fn refuses_reserved_bits_and_giants() {
        assert!(decode(&[0xc1, 0]).is_err());
        assert!(decode(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn reads_the_close_code() {
        let (frame, _) = decode(&encode(CLOSE, &1012u16.to_be_bytes(), None)).unwrap().unwrap();
        assert_eq!(frame.close_code(), Some(1012));
    }
}
