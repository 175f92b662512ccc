//! One request: choose a target, send, answer; and once more where that is safe.

use super::claim::{Choice, Claim, choose};
use super::download::{self, Answer, Download};
use super::files;
use super::hold::HoldPlace;
use super::stream::Reader;
use super::table::Policy;
use super::thread::Thread;
use super::tunnel;
use super::upload::{self, Progress, Upload};
use super::upstream::Upstream;
use super::wire::Sink;
use crate::address::Address;
use crate::http1::Framing;
use crate::http1::body::Body;
use crate::http1::challenge;
use crate::http1::chunk::BadChunk;
use crate::http1::redirect;
use crate::http1::refusal::Refusal;
use crate::http1::request::Request;
use crate::http1::response::Asked;
use crate::limits::{
    CLIENT_STALL_TIMEOUT, CONNECT_PAUSE, CONNECT_ROUNDS_MAX, CONNECT_TARGETS_MAX, CONNECT_TIMEOUT,
};
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, timeout};

/// Bytes of a body that go out with its head.
const CORKED_BYTES_MAX: usize = 16 * 1024;

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is ready for another request.
    Next,
    /// Nothing more can be said on it.
    Close,
    /// It ends, after the client has read what we said.
    Linger,
}

/// The client's side of a request.
pub(super) struct Client<'a> {
    pub(super) thread: &'a Rc<Thread>,
    pub(super) read: Reader<'a>,
    pub(super) sink: Sink<'a>,
    /// What came after the head.
    pub(super) inbox: &'a mut Vec<u8>,
}

/// What came of sending a request to one target.
enum Attempt {
    /// The request is over.
    Over(After),
    /// It took no connection, and so has not seen the request.
    Refused(Claim),
    /// A kept connection turned out to be closed, and the request may be sent again.
    Stale(Claim),
}

/// Serves one request to its end.
pub(super) async fn run(mut client: Client<'_>, request: Request) -> After {
    let thread = client.thread;
    let mut tried = Vec::new();
    let mut last: Option<Claim> = None;
    let mut round = 1;
    let mut held_since = None;
    let mut held_uncounted = false;
    let mut is_retry = false;
    loop {
        // Whatever is tried for it, it is one request.
        let is_first = round == 1 && tried.is_empty() && last.is_none() && held_since.is_none();
        let choice = match tried.len() {
            0..CONNECT_TARGETS_MAX => choose(thread, &request, &tried, is_first),
            _ => Choice::Exhausted,
        };
        let claim = match choice {
            Choice::Send(claim) => claim,
            Choice::Hold(place) => {
                let since = *held_since.get_or_insert_with(Instant::now);
                held_uncounted = true;
                if !wait(&place, since).await {
                    return refuse(&mut client, &request, Refusal::HELD, last).await;
                }
                continue;
            }
            Choice::Exhausted if round < CONNECT_ROUNDS_MAX => {
                round += 1;
                tried.clear();
                tokio::time::sleep(CONNECT_PAUSE).await;
                continue;
            }
            Choice::Exhausted => {
                return refuse(&mut client, &request, Refusal::UNREACHABLE, last).await;
            }
            Choice::Answer(text) => return answer(&mut client, &request, &text).await,
            Choice::Redirect => return lead_to_tls(&mut client, &request).await,
            Choice::Maintain(policy) => return maintain(&mut client, &request, &policy).await,
            Choice::Refuse(refusal) => return refuse(&mut client, &request, refusal, last).await,
        };
        if let Some(previous) = last.take() {
            previous.moved();
        }
        if is_retry {
            claim.counters().retried();
        }
        if std::mem::take(&mut held_uncounted) {
            claim.counters().held();
        }
        match attempt(&mut client, &request, claim, !is_retry).await {
            Attempt::Over(after) => return after,
            Attempt::Refused(claim) => {
                tried.push(claim.instance.number);
                last = Some(claim);
            }
            Attempt::Stale(claim) => {
                is_retry = true;
                last = Some(claim);
            }
        }
    }
}

/// Whether the hold ended in time.
async fn wait(place: &HoldPlace, since: Instant) -> bool {
    tokio::time::timeout_at(since + place.wait(), place.released()).await.is_ok()
}

/// Answers ourselves, on behalf of the release that was tried last.
async fn refuse(
    client: &mut Client<'_>,
    request: &Request,
    refusal: Refusal,
    claim: Option<Claim>,
) -> After {
    // A body that was not read would be taken for the next request.
    let goes_on =
        request.framing == Framing::None && request.keep_alive && !client.thread.plane.is_closing();
    refuse_with(client, request, refusal, claim, goes_on).await
}

async fn lead_to_tls(client: &mut Client<'_>, request: &Request) -> After {
    let goes_on =
        request.framing == Framing::None && request.keep_alive && !client.thread.plane.is_closing();
    redirect::write(client.sink.pending(), request, client.thread.plane.https_port, goes_on);
    match client.sink.flush(CLIENT_STALL_TIMEOUT).await {
        Ok(()) if goes_on => After::Next,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}

async fn answer(client: &mut Client<'_>, request: &Request, text: &str) -> After {
    let goes_on =
        request.framing == Framing::None && request.keep_alive && !client.thread.plane.is_closing();
    challenge::write(client.sink.pending(), request, text, goes_on);
    match client.sink.flush(CLIENT_STALL_TIMEOUT).await {
        Ok(()) if goes_on => After::Next,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}

async fn maintain(client: &mut Client<'_>, request: &Request, policy: &Policy) -> After {
    let goes_on =
        request.framing == Framing::None && request.keep_alive && !client.thread.plane.is_closing();
    let page = policy.maintenance.as_ref().map_or("", |it| it.page());
    Refusal::MAINTENANCE.write_page(client.sink.pending(), goes_on, request, page);
    match client.sink.flush(CLIENT_STALL_TIMEOUT).await {
        Ok(()) if goes_on => After::Next,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}

async fn refuse_with(
    client: &mut Client<'_>,
    request: &Request,
    refusal: Refusal,
    claim: Option<Claim>,
    goes_on: bool,
) -> After {
    refusal.write(client.sink.pending(), goes_on, request.is_head, request.version);
    let sent = client.sink.flush(CLIENT_STALL_TIMEOUT).await;
    if let Some(claim) = &claim {
        claim.counters().unanswered();
    }
    match (sent, claim) {
        (Ok(()), claim) => {
            claim.into_iter().for_each(|claim| claim.completed(refusal.status));
            if goes_on { After::Next } else { After::Linger }
        }
        (Err(_), _) => After::Close,
    }
}

async fn attempt(
    client: &mut Client<'_>,
    request: &Request,
    claim: Claim,
    may_reuse: bool,
) -> Attempt {
    if let Some(folder) = claim.instance.folder.clone() {
        return Attempt::Over(files::serve(client, request, claim, folder).await);
    }
    let thread = client.thread;
    let repeatable = request.is_idempotent && request.framing == Framing::None;
    let number = claim.instance.number;
    let kept = if may_reuse && claim.keepalive {
        thread.pool.borrow_mut().take(number, repeatable)
    } else {
        None
    };
    let is_reused = kept.is_some();
    let mut upstream = match kept {
        Some(stream) => stream,
        None => match connect(&claim.instance.address).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(instance = %claim.instance.id, %error, "no connection");
                claim.refused();
                return Attempt::Refused(claim);
            }
        },
    };
    let outcome = exchange(client, request, &claim, &mut upstream).await;
    if let Outcome::NoByte = outcome
        && is_reused
    {
        thread.pool.borrow_mut().closed_early(number);
        if repeatable {
            return Attempt::Stale(claim);
        }
    }
    Attempt::Over(conclude(client, request, claim, upstream, outcome).await)
}

async fn connect(address: &Address) -> io::Result<Upstream> {
    let connected = timeout(CONNECT_TIMEOUT, Upstream::connect(address)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// How the two directions of one exchange ended.
enum Outcome {
    /// The response was handed over whole.
    Whole { answer: Answer, uploaded: bool, early: Vec<u8> },
    /// The instance ended the connection before any byte of a response.
    NoByte,
    /// Nothing of the final response was handed over, and this is why.
    Unanswered(Refusal),
    /// The client sent something that cannot be sent on, before any response.
    Rejected(Refusal),
    /// A drain ended it before any response.
    Cut,
    /// A drain ended the stream properly; the client may go on if so.
    EndedByUs { status: u16, goes_on: bool },
    /// The instance broke off within the response.
    Broken,
    /// The client is gone, or nothing can be said to it.
    Gone,
}

async fn exchange(
    client: &mut Client<'_>,
    request: &Request,
    claim: &Claim,
    upstream: &mut Upstream,
) -> Outcome {
    let thread = client.thread;
    let (mut from, half) = upstream.split();
    let mut to = Sink::new(half);
    let mut body = Body::new(request.framing, request.framing);
    request.finish(to.pending(), claim.keepalive);
    if let Err(BadChunk) = cork(client.inbox, &mut body, to.pending()) {
        return Outcome::Rejected(Refusal::FRAMING);
    }
    let progress = Progress::default();
    let asked = Asked {
        is_head: request.is_head,
        protection: claim.protection,
        upgrade: request.upgrade.is_some(),
        version: request.version,
        keep_alive: request.keep_alive && !thread.plane.is_closing(),
    };
    let mut download = Download::new(asked, request.expects_continue);
    let up = Upload {
        thread,
        from: &mut client.read,
        inbox: client.inbox,
        to: &mut to,
        body: &mut body,
        progress: &progress,
    };
    let ended = {
        let down = download.run(thread, claim, &mut from, &mut client.sink, &progress);
        tokio::select! {
            biased;
            ended = down => Ok(ended),
            why = upload::run(up) => Err(why),
        }
    };
    let begun = download.has_begun();
    match ended {
        Ok(download::Ended::Whole(answer)) => Outcome::Whole {
            answer,
            uploaded: progress.is_finished(),
            early: download.take_early(),
        },
        Ok(download::Ended::NoByte) => Outcome::NoByte,
        Ok(download::Ended::NotHttp) if !begun => Outcome::Unanswered(Refusal::NO_ANSWER),
        Ok(download::Ended::Slow) => Outcome::Unanswered(Refusal::SLOW),
        Ok(download::Ended::NotHttp) => Outcome::Broken,
        Ok(download::Ended::ClientGone) => Outcome::Gone,
        Ok(download::Ended::ByDrain { polite: true, goes_on }) => {
            let goes_on = goes_on && progress.is_finished();
            match download.status() {
                Some(status) => Outcome::EndedByUs { status, goes_on },
                None => Outcome::Cut,
            }
        }
        Ok(download::Ended::ByDrain { .. }) if !begun => Outcome::Cut,
        Ok(download::Ended::ByDrain { .. }) => Outcome::Gone,
        Err(upload::Failed::Client) => Outcome::Gone,
        Err(upload::Failed::Malformed) if !begun => Outcome::Rejected(Refusal::FRAMING),
        Err(upload::Failed::Stalled) if !begun => Outcome::Rejected(Refusal::TIMEOUT),
        Err(upload::Failed::Malformed | upload::Failed::Stalled) => Outcome::Gone,
    }
}

/// Puts the start of the body behind the head, so that a small request goes out with one call.
fn cork(inbox: &mut Vec<u8>, body: &mut Body, out: &mut Vec<u8>) -> Result<(), BadChunk> {
    if inbox.is_empty() || body.is_done() {
        return Ok(());
    }
    let part = &inbox[..inbox.len().min(CORKED_BYTES_MAX)];
    let used = body.relay(part, &mut |pieces: &[io::IoSlice<'_>]| {
        pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        Ok::<(), BadChunk>(())
    })?;
    inbox.drain(..used);
    Ok(())
}

async fn conclude(
    client: &mut Client<'_>,
    request: &Request,
    claim: Claim,
    upstream: Upstream,
    outcome: Outcome,
) -> After {
    match outcome {
        Outcome::Whole { answer, early, .. } if answer.status == 101 => {
            tunnel::run(client, request, claim, upstream, &early).await
        }
        Outcome::Whole { answer, uploaded, .. } => {
            let kept = uploaded && answer.upstream_persists && claim.keepalive;
            if kept && claim.instance.routed.load(Ordering::Relaxed) {
                client.thread.keep(claim.instance.number, upstream, answer.upstream_idle_s);
            }
            claim.completed(answer.status);
            match (answer.client_persists, uploaded) {
                (true, true) => After::Next,
                // It asked for the end itself, and sends nothing behind its request.
                (false, true) if !request.keep_alive && client.sink.is_clear() => After::Close,
                _ => After::Linger,
            }
        }
        Outcome::NoByte => {
            claim.failed();
            refuse_unanswered(client, request, Refusal::NO_ANSWER, claim).await
        }
        Outcome::Unanswered(refusal) => {
            claim.failed();
            refuse_unanswered(client, request, refusal, claim).await
        }
        Outcome::Cut => refuse_unanswered(client, request, Refusal::CUT, claim).await,
        Outcome::Rejected(refusal) => {
            // The client's fault: not the release's failure, and no answer is missing.
            refuse_with(client, request, refusal, None, false).await
        }
        Outcome::EndedByUs { status, goes_on } => {
            claim.ended_by_drain(status);
            if goes_on { After::Next } else { After::Linger }
        }
        Outcome::Broken => {
            claim.failed();
            After::Close
        }
        Outcome::Gone => After::Close,
    }
}

async fn refuse_unanswered(
    client: &mut Client<'_>,
    request: &Request,
    refusal: Refusal,
    claim: Claim,
) -> After {
    refuse(client, request, refusal, Some(claim)).await
}
