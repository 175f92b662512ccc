//! The sum of a load: what it prints at its end, and what it tells on the way.

use super::recorder::{FaultKind, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Nothing failed: no request, no stream, no POST lost or doubled.
    pub ok: bool,
    /// Requests with a fate: completed and failed together.
    pub requests: u64,
    /// Answered whole, with 200, and right in every byte.
    pub completed: u64,
    /// All others.
    pub failed: u64,
    /// Failed requests by what happened.
    pub failures: BTreeMap<FaultKind, u64>,
    /// Failed requests to which no whole response came: reset, closed, truncated, timed out.
    pub aborted: u64,
    /// GETs sent again because a kept connection was closed before any byte of a response.
    pub stale_retried: u64,
    /// Kept connections that the server had closed while nobody used them.
    pub idle_closed: u64,
    /// Connections opened by the HTTP clients.
    pub connections: u64,
    /// Requests by the version that answered; `unknown` if the answer did not say.
    pub versions: BTreeMap<String, VersionCount>,
    /// How often the version changed within one connection, as `1->2`.
    pub transitions: BTreeMap<String, u64>,
    /// Connections by the versions they saw in order, as `1,2,1`.
    pub sequences: BTreeMap<String, u64>,
    /// Of completed requests, but those to slow paths.
    pub latency_us: Latency,
    /// The longest time in which no request was completed, while any client wanted one.
    pub longest_gap_ms: f64,
    /// When it began, in Unix ms.
    pub longest_gap_from_ms: u64,
    /// When the load began, in Unix ms.
    pub started_ms: u64,
    /// When it ended, in Unix ms.
    pub ended_ms: u64,
    /// What became of POSTs.
    pub posts: Posts,
    /// Every WebSocket and event stream, the first [`super::recorder::STREAMS_KEPT`] of them.
    pub streams: Vec<Stream>,
    /// Streams that did not open, or ended without a goodbye, or brought something wrong.
    pub streams_failed: u64,
    /// The first failed requests in full.
    pub first_failures: Vec<Record>,
}

/// Requests one version answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCount {
    /// How many.
    pub requests: u64,
    /// When the first answer came, in Unix ms.
    pub first_ms: u64,
    /// When the last answer came, in Unix ms.
    pub last_ms: u64,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: u64,
    /// 99 % of the requests took no longer.
    pub p99: u64,
    /// None took longer.
    pub max: u64,
}

/// POSTs against what the apps noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posts {
    /// Sent, at least in part.
    pub sent: u64,
    /// Answered with 200.
    pub acknowledged: u64,
    /// Whether logs were compared; else lost and doubled are not known.
    pub compared: bool,
    /// Of this load, in the logs.
    pub logged: u64,
    /// Acknowledged and not in the logs.
    pub lost: u64,
    /// Several times in the logs.
    pub doubled: u64,
    /// The first of the lost.
    pub first_lost: Vec<String>,
    /// The first of the doubled.
    pub first_doubled: Vec<String>,
}

/// A long-lived exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// WebSocket echo.
    #[serde(rename = "websocket")]
    WebSocket,
    /// Server-sent events.
    Events,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// We left because the load ended.
    Stopped,
    /// The server said goodbye: a closing frame 1000, 1001 or 1012, or the last chunk.
    Goodbye,
    /// The server closed it with a code that tells of an error.
    BadCode,
    /// It broke without a goodbye.
    Broken,
    /// It was not opened.
    Refused,
    /// Something wrong came: another message than was sent, an event out of order, no frame.
    Wrong,
    /// Nothing came for longer than a request may take.
    Silent,
}

impl StreamEnd {
    /// Whether this counts as a failure.
    pub fn failed(self) -> bool {
        !matches!(self, Self::Stopped | Self::Goodbye)
    }
}

/// One WebSocket or event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Which.
    pub kind: StreamKind,
    /// Its connection.
    pub connection: u64,
    /// The version that answered it.
    pub version: Option<String>,
    /// When it was asked for, in Unix ms.
    pub opened_ms: u64,
    /// When it ended, in Unix ms.
    pub ended_ms: u64,
    /// Echoes that came back right, or events.
    pub messages: u64,
    /// Messages that were sent and not echoed when the stream ended.
    pub unanswered: u64,
    /// How it ended.
    pub end: StreamEnd,
    /// The code of the server's closing frame.
    pub close_code: Option<u16>,
    /// In words, where there is more to say.
    pub detail: String,
}

/// Counts on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Since the load began.
    pub elapsed_ms: u64,
    /// Requests completed.
    pub completed: u64,
    /// Requests failed.
    pub failed: u64,
    /// Completed requests by version.
    pub versions: BTreeMap<String, u64>,
    /// Echoes and events that came.
    pub messages: u64,
    /// Streams that failed.
    pub streams_failed: u64,
}
