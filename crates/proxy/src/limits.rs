//! Every bound of the data plane, by name.

use std::time::Duration;

/// A request or response head may have this many bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A head may have this many fields.
pub const HEAD_FIELDS_MAX: usize = 100;
/// The trailers of a chunked body may have this many bytes.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// One thread reads this many bytes at a time, for whatever connection.
pub const SCRATCH_BYTES: usize = 64 * 1024;
/// From a request's first byte to the end of its head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How often is looked whether a certificate's files have changed.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// A certificate that is good for less is warned of.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);
/// From a connection to the end of its TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client's connection may be idle between two requests this long.
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// A client that neither sends the body it announced nor takes the response is given up after.
pub const CLIENT_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that has ended its sending half may still wait this long for the rest of an answer.
pub const HALF_CLOSED_GRACE: Duration = Duration::from_secs(5);
/// After the last response of a connection we read this long, so that no reset destroys it.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// And at most this many bytes.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// A target has this long to take a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A target that takes no more bytes of a request is given up after.
pub const UPSTREAM_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// From the request to the first byte of its response.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);
/// Interim responses before the final one.
pub const INTERIM_RESPONSES_MAX: u32 = 16;
/// When no target takes a connection, all are tried this many times.
pub const CONNECT_ROUNDS_MAX: u32 = 2;
/// Between two such rounds.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Different targets tried for one request within a round.
pub const CONNECT_TARGETS_MAX: usize = 8;
/// Idle connections kept for one instance by one thread.
pub const POOL_PER_INSTANCE_MAX: usize = 128;
/// A kept connection is closed after this long without a request.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a thread looks for kept connections that ended.
pub const POOL_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A request that may not be sent twice takes a kept connection only if it was idle less than half
/// of this, of the longest that the instance was seen keeping one, and of the shortest after which
/// it was seen closing one.
pub const POOL_UNSAFE_IDLE: Duration = Duration::from_secs(2);
/// Data-plane threads, where the machine has as many cores.
pub const THREADS_MAX: usize = 2;
/// Descriptors kept for the control socket, route files and the runtime.
pub const DESCRIPTORS_RESERVED: u64 = 96;
/// One descriptor in this many may be an idle upstream connection.
pub const DESCRIPTORS_PER_IDLE: u64 = 8;
/// Connections over the limit that are answered with 503 at a time; the rest is closed at once.
pub const REFUSALS_MAX: usize = 32;
/// Pause of the accepting thread when the kernel is out of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// At a shutdown requests in flight have this long.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// At a shutdown idle clients have this long to send another request.
pub const SHUTDOWN_IDLE_GRACE: Duration = Duration::from_secs(1);
/// How often a shutdown looks whether all clients are gone.
pub const SHUTDOWN_INTERVAL: Duration = Duration::from_millis(5);
/// Once one side of a tunnel has ended, the other has this long.
pub const TUNNEL_HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(30);
/// After our close frame both sides of a WebSocket have this long to answer with theirs.
pub const CLOSE_FRAME_TIMEOUT: Duration = Duration::from_secs(1);
/// Streams that a drain ends are ended spread over this long.
pub const DRAIN_JITTER_MAX: Duration = Duration::from_secs(1);
/// What a drain waits beyond its deadline for the streams it has ended.
pub const DRAIN_GRACE: Duration = Duration::from_secs(4);
/// How often a drain looks whether nothing is in flight any more.
pub const DRAIN_INTERVAL: Duration = Duration::from_millis(5);
/// How often a drain looks whether anybody is connected to a socket yet.
pub const LEFT_INTERVAL: Duration = Duration::from_millis(25);
/// So many looks in a row must find nobody.
pub const LEFT_LOOKS: u32 = 4;
/// Between two tries of a socket whose queue is full.
pub const SOCKET_QUEUE_PAUSE: Duration = Duration::from_millis(5);
/// What the system allows a socket's path.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// How often the targets of a probation are probed.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// A probe that is neither taken nor refused this long counts as taken.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(200);
/// Shortest time between two probes that failing requests ask for.
pub const PROBE_NUDGE_INTERVAL: Duration = Duration::from_millis(20);
/// How often what releases did lately is begun anew: it is of the last one to two such times.
pub const LATELY_TURN: Duration = Duration::from_secs(5 * 60);
/// Fewer answers lately are no picture of a release.
pub const LATELY_MIN: u64 = 200;
/// Releases of one environment whose counters are kept.
pub const RELEASES_KEPT_MAX: usize = 32;
/// Alerts shown in a status; the oldest go first.
pub const ALERTS_MAX: usize = 64;
/// Bytes of a route file.
pub const ROUTE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Control connections served at a time.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;
/// Bytes of one line on the control socket.
pub const CONTROL_LINE_BYTES_MAX: usize = 1024 * 1024;
/// A control connection that asks nothing is closed after.
pub const CONTROL_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A drain may be asked to wait this long at most.
pub const DRAIN_DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Every thread must have run a turn this soon after a swap; one that has not is reported.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// What clients are told to wait while an environment is in maintenance.
pub const MAINTENANCE_RETRY_S: u32 = 120;
/// What clients are told to wait when there is nothing to serve them.
pub const RETRY_AFTER_S: u32 = 1;

/// Bytes of a static file that are read, and held for its client, at a time.  Smaller ones are read
/// whole when they are opened.
pub const FILE_CHUNK_BYTES: usize = 64 * 1024;

/// Threads beside each data-plane thread that read static files.
pub const FILE_THREADS_MAX: usize = 16;

/// Requests that one HTTP/2 connection carries at a time.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Bytes that a client may send ahead of what an instance takes, of one request.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 512 * 1024;
/// And of all requests of one connection.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of one response that wait for the client's window, or for the kernel.
pub const HTTP2_SEND_BUFFER_BYTES_MAX: usize = 32 * 1024;
/// From the end of the TLS handshake to the client's first settings.
pub const HTTP2_PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that was told to go has this long to say that it has heard.
pub const HTTP2_GOING_TIMEOUT: Duration = Duration::from_secs(5);
/// Frames that carry neither a request nor data: pings, settings, priorities, windows, empty data.
/// A client may send this many at once; requests and our own data let it send more.
pub const HTTP2_IDLE_FRAMES_MAX: u32 = 1000;
/// And this many each second.
pub const HTTP2_IDLE_FRAMES_PER_S: u32 = 100;
/// Requests that a client may take back at once, or make us reset.
pub const HTTP2_RESETS_MAX: u32 = 200;
/// And this many each second.
pub const HTTP2_RESETS_PER_S: u32 = 50;
/// Frames that one head may be continued in.
pub const HTTP2_CONTINUATIONS_MAX: u32 = 16;
/// Streams that were reset are remembered, so that late frames of theirs do no harm: this many.
pub const HTTP2_RESET_STREAMS_KEPT_MAX: usize = 32;
/// Streams that a client takes back before we have looked at them.
pub const HTTP2_RESETS_PENDING_MAX: usize = 100;

/// A new proxy that is not told to lead in this time ends.
pub const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// While two proxies hand over, one waits for the other's next word so long before it looks whether
/// that is still there.
pub const HANDOVER_PATIENCE: Duration = Duration::from_secs(5);
/// A proxy that finds another one leading waits so long for its end.
pub const LEADER_LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Proxies that finish what they have answer in this time, or are passed over.
pub const ELDER_PATIENCE: Duration = Duration::from_secs(2);
/// A proxy may be given so long to finish what it has.
pub const LEAVE_LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// What it has not finished is ended politely, spread over this long.
pub const LEAVE_JITTER: Duration = Duration::from_secs(5);
/// How often it looks whether all is finished.
pub const LEAVE_INTERVAL: Duration = Duration::from_millis(20);
