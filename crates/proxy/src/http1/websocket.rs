//! Finds the boundaries of WebSocket frames, and writes the one frame that is ours.

/// Going away: the endpoint is replaced.
const CLOSE_CODE: u16 = 1001;

/// Where between two frames a stream is.
#[derive(Debug, Default)]
pub struct FrameScanner {
    header: [u8; 14],
    have: usize,
    payload: u64,
    closing: bool,
}

impl FrameScanner {
    /// Before the first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on by `input`.
    pub fn advance(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            if self.payload > 0 {
                let take = usize::try_from(self.payload).unwrap_or(usize::MAX).min(input.len());
                self.payload -= take as u64;
                input = &input[take..];
                continue;
            }
            self.header[self.have] = input[0];
            self.have += 1;
            input = &input[1..];
            if let Some(payload) = self.header_payload() {
                self.closing |= self.header[0] & 0x0f == 0x8;
                self.payload = payload;
                self.have = 0;
            }
        }
    }

    /// Whether a frame of ours may be put in here.
    pub fn at_boundary(&self) -> bool {
        self.payload == 0 && self.have == 0
    }

    /// Whether a close frame has passed.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    fn header_payload(&self) -> Option<u64> {
        if self.have < 2 {
            return None;
        }
        let extended = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        if self.have < 2 + extended + mask {
            return None;
        }
        Some(match extended {
            0 => u64::from(self.header[1] & 0x7f),
            _ => self.header[2..2 + extended]
                .iter()
                .fold(0, |value: u64, byte| value << 8 | u64::from(*byte)),
        })
    }
}

/// A close frame; one for the server is masked, as the protocol demands of a client.
pub fn close_frame(for_server: bool) -> Vec<u8> {
    let code = CLOSE_CODE.to_be_bytes();
    if for_server {
        // Any mask will do, and that of zeros leaves the code readable.
        vec![0x88, 0x82, 0, 0, 0, 0, code[0], code[1]]
    } else {
        vec![0x88, 0x02, code[0], code[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_however_frames_are_cut() {
        let mut stream = vec![0x81, 0x03, b'a', b'b', b'c'];
        stream.extend([0x82, 126, 0x01, 0x00]);
        stream.extend([7; 256]);
        stream.extend([0x81, 0x82, 1, 2, 3, 4, 9, 9]);
        stream.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        stream.extend(vec![1; 65536]);
        let ends = [5, 5 + 4 + 256, 5 + 260 + 8, stream.len()];
        for step in [1, 2, 3, 7, 100_000] {
            let mut scanner = FrameScanner::new();
            let mut at = 0;
            for piece in stream.chunks(step) {
                scanner.advance(piece);
                at += piece.len();
                assert_eq!(scanner.at_boundary(), ends.contains(&at), "step {step} at {at}");
            }
            assert!(!scanner.is_closing());
        }
    }

    #[test]
    fn close_frames_are_known() {
        for for_server in [false, true] {
            let mut scanner = FrameScanner::new();
            scanner.advance(&close_frame(for_server));
            assert!(scanner.at_boundary() && scanner.is_closing());
        }
    }
}
