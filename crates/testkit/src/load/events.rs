//! A client that listens to server-sent events, and comes back when it is sent away.

use super::{
    client::Scene,
    recorder::{FaultKind, unix_ms},
    summary::{Stream, StreamEnd, StreamKind},
    websocket::{blank, broken},
    wire::{Connection, Fault, Framing, framing},
};
use std::time::{Duration, Instant};

const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// An event longer than this is refused.
const EVENT_BYTES_MAX: usize = 64 << 10;

/// How often a quiet stream looks whether the end has come.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Keeps an event stream open until the end comes.
pub(super) fn run(scene: &Scene) {
    loop {
        let mut stream = blank(StreamKind::Events, scene.recorder.number());
        listen(scene, &mut stream);
        stream.ended_ms = unix_ms();
        scene.recorder.note_stream(stream);
        if !scene.rhythm.sleep(AGAIN_AFTER) {
            return;
        }
    }
}

fn listen(scene: &Scene, stream: &mut Stream) {
    let mut connection = match open(scene, stream) {
        Ok(connection) => connection,
        Err(fault) => {
            stream.end = StreamEnd::Refused;
            stream.detail = fault.detail;
            return;
        }
    };
    let timeout = Duration::from_millis(scene.options.timeout_ms);
    let (mut text, mut last, mut heard) = (String::new(), None, Instant::now());
    while !scene.rhythm.ended() {
        let chunk = match connection.chunk(Instant::now() + LOOK_UP) {
            Err(fault) if fault.kind == FaultKind::Timeout && heard.elapsed() < timeout => continue,
            Err(fault) => return broken(stream, fault),
            Ok(None) => {
                stream.end = StreamEnd::Goodbye;
                return;
            }
            Ok(Some(chunk)) => chunk,
        };
        heard = Instant::now();
        text += &String::from_utf8_lossy(&chunk);
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            if let Err(detail) = follows(&event, &mut last) {
                stream.end = StreamEnd::Wrong;
                stream.detail = detail;
                return;
            }
            stream.messages += 1;
            scene.recorder.message();
        }
        if text.len() > EVENT_BYTES_MAX {
            return broken(stream, Fault::new(FaultKind::Protocol, "an event without an end"));
        }
    }
}

fn open(scene: &Scene, stream: &mut Stream) -> Result<Connection, Fault> {
    let deadline = Instant::now() + Duration::from_millis(scene.options.timeout_ms);
    let mut connection = Connection::open(scene.options.target, stream.connection, deadline)?;
    let host = &scene.options.host;
    let request =
        format!("GET /events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
    connection.send(request.as_bytes(), deadline)?;
    let head = connection.receive_head(deadline)?;
    stream.version = head.version();
    if head.status != 200 {
        let error = head.header("x-cutover-error").unwrap_or("from the app");
        let detail = format!("status {} for the events, {error}", head.status);
        return Err(Fault::new(FaultKind::Status, detail));
    }
    if framing(&head)? != Framing::Chunked {
        return Err(Fault::new(FaultKind::Protocol, "an event stream that is not chunked"));
    }
    Ok(connection)
}

/// Checks that the event's id is the last one's successor; any id may be the first.
fn follows(event: &str, last: &mut Option<u64>) -> Result<(), String> {
    let id = event.lines().find_map(|line| line.strip_prefix("id:"));
    let Some(id) = id.and_then(|id| id.trim().parse::<u64>().ok()) else {
        return Err(format!("an event without an id: {event:?}"));
    };
    match last.replace(id) {
        Some(before) if id != before + 1 => Err(format!("event {id} after {before}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_must_follow_one_another() {
        let mut last = None;
        assert_eq!(follows("id: 4\ndata: x\n\n", &mut last), Ok(()));
        assert_eq!(follows("data: x\nid:5\n\n", &mut last), Ok(()));
        assert!(follows("id: 7\n\n", &mut last).is_err());
        assert!(follows("data: x\n\n", &mut last).is_err());
    }
}
