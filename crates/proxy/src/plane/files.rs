//! A request that is answered with a file, from the claim to the last byte.

use super::claim::Claim;
use super::exchange::{After, Client};
use super::wire::Sink;
use crate::files::{self, Asked, Folder, Found, Part};
use crate::http1::Framing;
use crate::http1::protection::Protection;
use crate::http1::request::Request;
use crate::limits::{CLIENT_STALL_TIMEOUT, FILE_CHUNK_BYTES};
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::spawn_blocking;

/// Serves one request to its end.
pub(super) async fn serve(
    client: &mut Client<'_>,
    request: &Request,
    claim: Claim,
    folder: Arc<Folder>,
) -> After {
    // A body that was not read would be taken for the next request.
    let goes_on =
        request.framing == Framing::None && request.keep_alive && !client.thread.plane.is_closing();
    let found = look(request, &claim, folder).await;
    let out = client.sink.pending();
    let head = out.len();
    let (status, part) = match found {
        None => (files::not_allowed(out, request, goes_on), None),
        Some(Found::File(opened)) => {
            let part = files::head(out, request, opened, goes_on);
            (part.status, Some(part))
        }
        Some(Found::Directory) => (files::redirect(out, request, goes_on), None),
        Some(Found::Nothing) => (files::not_found(out, request, goes_on), None),
        Some(Found::Failed(error)) => {
            tracing::warn!(instance = %claim.instance.id, %error, "a file cannot be read");
            (files::failed(out, request, goes_on), None)
        }
    };
    protect(out, head, &claim);
    claim.answered(status);
    let sent = match part {
        Some(part) => send(client, &claim, part).await,
        None => flush(client, &claim).await,
    };
    match sent {
        Ok(()) => claim.completed(status),
        Err(Ended::Unread) => {
            claim.failed();
            return After::Close;
        }
        // It counts as aborted: by the client, or by a drain whose deadline has come.
        Err(Ended::Gone) => return After::Close,
    }
    match goes_on {
        true => After::Next,
        false
            if !request.keep_alive
                && request.framing == Framing::None
                && client.sink.is_clear() =>
        {
            After::Close
        }
        false => After::Linger,
    }
}

/// Puts in what the head that begins there lacks.
fn protect(out: &mut Vec<u8>, head: usize, claim: &Claim) {
    const END: &[u8] = b"\r\n\r\n";
    if claim.protection == Protection::default() {
        return;
    }
    let Some(end) = memchr::memmem::find(&out[head..], END) else { return };
    let end = head + end + 2;
    let rest = out.split_off(end);
    let lines: Vec<String> = String::from_utf8_lossy(&out[head..]).lines().map(lower).collect();
    claim.protection.write(out, |name| {
        lines.iter().any(|line| line.strip_prefix(name).is_some_and(|it| it.starts_with(':')))
    });
    out.extend_from_slice(&rest);
}

fn lower(line: &str) -> String {
    line.to_ascii_lowercase()
}

/// Why not all was sent.
enum Ended {
    /// The file cannot be read, or is shorter than it was.
    Unread,
    /// The client is gone, or a drain ended it.
    Gone,
}

/// None: nobody reads by such a method.
async fn look(request: &Request, claim: &Claim, folder: Arc<Folder>) -> Option<Found> {
    if !matches!(request.method(), "GET" | "HEAD") {
        return None;
    }
    let below = request.path().get(claim.prefix_bytes..).unwrap_or_default();
    let ranged = request.field("range").is_some();
    let encodings = request.field("accept-encoding").filter(|_| !ranged).unwrap_or_default();
    let Some(asked) = Asked::read(below, encodings) else { return Some(Found::Nothing) };
    let found = spawn_blocking(move || folder.find(&asked)).await;
    Some(found.unwrap_or_else(|error| Found::Failed(io::Error::other(error))))
}

async fn send(client: &mut Client<'_>, claim: &Claim, part: Part) -> Result<(), Ended> {
    let Some(mut file) = part.file else { return flush(client, claim).await };
    if let Some(all) = part.small {
        let from = usize::try_from(part.range.start).unwrap_or(usize::MAX);
        let to = usize::try_from(part.range.end).unwrap_or(usize::MAX);
        let wanted = all.get(from..to).ok_or(Ended::Unread)?;
        client.sink.pending().extend_from_slice(wanted);
        return flush(client, claim).await;
    }
    let mut chunk = vec![0; FILE_CHUNK_BYTES];
    let mut at = part.range.start;
    while at < part.range.end {
        let wanted = usize::try_from(part.range.end - at).unwrap_or(usize::MAX);
        let wanted = wanted.min(FILE_CHUNK_BYTES);
        let read = spawn_blocking(move || read(file, chunk, at, wanted)).await;
        let Ok(Ok((same, filled, count))) = read else { return Err(Ended::Unread) };
        client.sink.pending().extend_from_slice(&filled[..count]);
        flush(client, claim).await?;
        (file, chunk) = (same, filled);
        at += count as u64;
    }
    Ok(())
}

/// Gives file and buffer back; nothing read is an error: the file was longer once.
fn read(
    file: File,
    mut chunk: Vec<u8>,
    at: u64,
    wanted: usize,
) -> io::Result<(File, Vec<u8>, usize)> {
    loop {
        match file.read_at(&mut chunk[..wanted], at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok((file, chunk, count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

async fn flush(client: &mut Client<'_>, claim: &Claim) -> Result<(), Ended> {
    let thread = client.thread;
    let ending = poll_fn(|context| match thread.is_ending(claim.slot, context) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    });
    let sink: &mut Sink<'_> = &mut client.sink;
    tokio::select! {
        biased;
        sent = sink.flush(CLIENT_STALL_TIMEOUT) => sent.map_err(|_| Ended::Gone),
        () = ending => Err(Ended::Gone),
    }
}
