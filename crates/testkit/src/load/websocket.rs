//! A client that echoes over a WebSocket, and comes back when it is sent away.

use super::{
    client::{Dice, Scene},
    recorder::{FaultKind, unix_ms},
    summary::{Stream, StreamEnd, StreamKind},
    wire::{Connection, Fault},
};
use crate::websocket::{BINARY, CLOSE, Frame, PING, PONG, TEXT, accept, base64, decode, encode};
use std::time::{Duration, Instant};

const MESSAGE_EVERY: Duration = Duration::from_millis(40);
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const GOODBYES: [u16; 3] = [1000, 1001, 1012];

/// Keeps a WebSocket open until the end comes.
pub(super) fn run(scene: &Scene, index: u32) {
    let mut dice = Dice::new(scene.options.seed.wrapping_add(1 << 32).wrapping_add(index.into()));
    loop {
        let mut stream = blank(StreamKind::WebSocket, scene.recorder.number());
        converse(scene, &mut dice, &mut stream);
        stream.ended_ms = unix_ms();
        scene.recorder.note_stream(stream);
        if !scene.rhythm.sleep(AGAIN_AFTER) {
            return;
        }
    }
}

/// A stream of which nothing is known yet.
pub(super) fn blank(kind: StreamKind, connection: u64) -> Stream {
    Stream {
        kind,
        connection,
        version: None,
        opened_ms: unix_ms(),
        ended_ms: 0,
        messages: 0,
        unanswered: 0,
        end: StreamEnd::Stopped,
        close_code: None,
        detail: String::new(),
    }
}

/// Notes how a stream broke.
pub(super) fn broken(stream: &mut Stream, fault: Fault) {
    stream.end = match fault.kind {
        FaultKind::Timeout => StreamEnd::Silent,
        FaultKind::Protocol => StreamEnd::Wrong,
        _ => StreamEnd::Broken,
    };
    stream.detail = fault.detail;
}

fn converse(scene: &Scene, dice: &mut Dice, stream: &mut Stream) {
    let mut connection = match open(scene, dice, stream) {
        Ok(connection) => connection,
        Err(fault) => {
            stream.end = StreamEnd::Refused;
            stream.detail = fault.detail;
            return;
        }
    };
    while scene.rhythm.sleep(MESSAGE_EVERY) {
        let (opcode, payload) = message(dice, stream.messages);
        stream.unanswered += 1;
        let deadline = Instant::now() + Duration::from_millis(scene.options.timeout_ms);
        let mask = (dice.roll() as u32).to_be_bytes();
        // A write may fail because the server has said goodbye: reading tells.
        let sent = connection.send(&encode(opcode, &payload, Some(mask)), deadline);
        match data_frame(&mut connection, deadline) {
            Ok(frame) if frame.opcode == CLOSE => {
                return sent_away(&mut connection, &frame, stream);
            }
            Ok(frame) if (frame.opcode, &frame.payload) == (opcode, &payload) => {
                stream.messages += 1;
                stream.unanswered -= 1;
                scene.recorder.message();
            }
            Ok(frame) => {
                stream.end = StreamEnd::Wrong;
                let came = frame.payload.len();
                stream.detail = format!("sent {} bytes, {came} others came", payload.len());
                return;
            }
            Err(fault) => return broken(stream, sent.err().unwrap_or(fault)),
        }
    }
    say_goodbye(&mut connection, stream);
}

fn message(dice: &mut Dice, count: u64) -> (u8, Vec<u8>) {
    match count % 8 {
        7 => (BINARY, crate::crc::pattern(70_000)),
        3 => (BINARY, crate::crc::pattern(dice.below(2000) as usize)),
        _ => (TEXT, format!("message {count}").into_bytes()),
    }
}

fn open(scene: &Scene, dice: &mut Dice, stream: &mut Stream) -> Result<Connection, Fault> {
    let deadline = Instant::now() + Duration::from_millis(scene.options.timeout_ms);
    let mut connection = Connection::open(scene.options.target, stream.connection, deadline)?;
    let key = base64(&[dice.roll().to_be_bytes(), dice.roll().to_be_bytes()].concat());
    let host = &scene.options.host;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    );
    connection.send(request.as_bytes(), deadline)?;
    let head = connection.receive_head(deadline)?;
    stream.version = head.version();
    if head.status != 101 {
        let error = head.header("x-cutover-error").unwrap_or("from the app");
        let detail = format!("status {} for the upgrade, {error}", head.status);
        return Err(Fault::new(FaultKind::Status, detail));
    }
    if head.header("sec-websocket-accept") != Some(&accept(&key)) {
        return Err(Fault::new(FaultKind::Protocol, "the handshake's answer is not ours"));
    }
    Ok(connection)
}

/// The next frame that is no ping or pong; pings are answered.
fn data_frame(connection: &mut Connection, deadline: Instant) -> Result<Frame, Fault> {
    loop {
        let decoded = decode(connection.buffered())
            .map_err(|detail| Fault::new(FaultKind::Protocol, detail))?;
        if let Some((frame, taken)) = decoded {
            connection.buffered().drain(..taken);
            match frame.opcode {
                PONG => continue,
                PING => connection.send(&encode(PONG, &frame.payload, Some([0; 4])), deadline)?,
                _ if frame.last => return Ok(frame),
                _ => return Err(Fault::new(FaultKind::Protocol, "a part of a message")),
            }
            continue;
        }
        match connection.read_once()? {
            Some(0) => {
                let detail = "the connection ended without a closing frame";
                return Err(Fault::new(FaultKind::Closed, detail));
            }
            None if Instant::now() >= deadline => {
                return Err(Fault::new(FaultKind::Timeout, "no echo in time"));
            }
            _ => {}
        }
    }
}

fn sent_away(connection: &mut Connection, frame: &Frame, stream: &mut Stream) {
    stream.close_code = frame.close_code();
    let good = stream.close_code.is_some_and(|code| GOODBYES.contains(&code));
    stream.end = if good { StreamEnd::Goodbye } else { StreamEnd::BadCode };
    stream.detail = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default()).into();
    let answer = encode(CLOSE, frame.payload.get(..2).unwrap_or_default(), Some([0; 4]));
    // The server may be gone already: it said goodbye, which is all that was asked of it.
    let _ = connection.send(&answer, Instant::now() + CLOSE_WITHIN);
}

fn say_goodbye(connection: &mut Connection, stream: &mut Stream) {
    let deadline = Instant::now() + CLOSE_WITHIN;
    let sent = connection.send(&encode(CLOSE, &1000u16.to_be_bytes(), Some([0; 4])), deadline);
    match sent.and_then(|()| data_frame(connection, deadline)) {
        Ok(frame) if frame.opcode == CLOSE => stream.close_code = frame.close_code(),
        Ok(_) => {
            stream.end = StreamEnd::Wrong;
            "a message nobody sent".clone_into(&mut stream.detail);
        }
        Err(fault) => broken(stream, fault),
    }
}
