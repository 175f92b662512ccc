//! What load to make, as a value and as arguments.

use clap::Args;
use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

/// What load to make.  All clients run at once until the time or the number of requests is reached,
/// or, with neither, until `stop` comes on standard input.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// The address to send to.
    #[arg(long, value_name = "IP:PORT")]
    pub target: SocketAddr,
    /// The `Host` header.
    #[arg(long, default_value = "localhost", value_name = "NAME")]
    pub host: String,
    /// Stop after this many seconds.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Stop after this many requests.
    #[arg(long)]
    pub requests: Option<u64>,
    /// Clients that GET over a kept connection.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub get_clients: u32,
    /// Clients that POST over a kept connection, by Content-Length and chunked in turn.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub post_clients: u32,
    /// Clients that open a connection per request, GET and POST in turn.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub connect_clients: u32,
    /// Clients that ask for slow answers over a kept connection.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub slow_clients: u32,
    /// How long a slow answer takes.
    #[arg(long, default_value_t = 3000, value_name = "MS")]
    pub slow_ms: u64,
    /// Clients that echo over a WebSocket.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub websocket_clients: u32,
    /// Clients that listen to server-sent events.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub event_clients: u32,
    /// Requests a second over all HTTP clients; as fast as it goes without.
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// The longest body that is sent or asked for.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    pub body_bytes_max: usize,
    /// How long one request may take, its connection included.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    pub timeout_ms: u64,
    /// A file in which the app noted the ids of POSTs, read at the end; may be given many times.
    #[arg(long, value_name = "FILE")]
    pub post_log: Vec<PathBuf>,
    /// Where every request's fate is written, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// The seed of sizes and order.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Options {
    /// The clients that every row of the fault matrix runs under, to `target`: keep-alive GET and
    /// POST, new connections, one WebSocket and one event stream, at a rate that leaves a small
    /// machine room for what is tested.
    pub fn to(target: SocketAddr, host: &str) -> Self {
        Self {
            target,
            host: host.to_owned(),
            seconds: None,
            requests: None,
            get_clients: 4,
            post_clients: 4,
            connect_clients: 1,
            slow_clients: 0,
            slow_ms: 3000,
            websocket_clients: 1,
            event_clients: 1,
            rate: Some(300.0),
            body_bytes_max: 256 << 10,
            timeout_ms: 10_000,
            post_log: Vec::new(),
            history: None,
            seed: 1,
        }
    }

    /// The same with one kind of client and no streams: all counts are 0 for the caller to set.
    pub fn idle(target: SocketAddr, host: &str) -> Self {
        Self {
            get_clients: 0,
            post_clients: 0,
            connect_clients: 0,
            websocket_clients: 0,
            event_clients: 0,
            ..Self::to(target, host)
        }
    }

    /// These options as arguments of `cutover-load`.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            ("target", self.target.to_string()),
            ("host", self.host.clone()),
            ("get-clients", self.get_clients.to_string()),
            ("post-clients", self.post_clients.to_string()),
            ("connect-clients", self.connect_clients.to_string()),
            ("slow-clients", self.slow_clients.to_string()),
            ("slow-ms", self.slow_ms.to_string()),
            ("websocket-clients", self.websocket_clients.to_string()),
            ("event-clients", self.event_clients.to_string()),
            ("body-bytes-max", self.body_bytes_max.to_string()),
            ("timeout-ms", self.timeout_ms.to_string()),
            ("seed", self.seed.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}").into())
        .collect();
        let numbers = [("seconds", self.seconds), ("rate", self.rate)];
        for (name, value) in numbers {
            arguments.extend(value.map(|value| format!("--{name}={value}").into()));
        }
        arguments.extend(self.requests.map(|value| format!("--requests={value}").into()));
        let files = self.post_log.iter().map(|file| ("--post-log=", file));
        for (name, file) in files.chain(self.history.iter().map(|file| ("--history=", file))) {
            let mut argument = OsString::from(name);
            argument.push(file);
            arguments.push(argument);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn arguments_say_the_same_options() {
        let options = Options {
            seconds: Some(1.5),
            requests: Some(10),
            rate: Some(99.5),
            post_log: vec!["a".into(), "b c".into()],
            history: Some("history".into()),
            slow_clients: 7,
            seed: 42,
            ..Options::to(([127, 0, 0, 1], 8080).into(), "shop.test")
        };
        let arguments = std::iter::once("load".into()).chain(options.to_arguments());
        assert_eq!(Line::parse_from(arguments).options, options);
    }

    #[test]
    fn idle_has_no_clients() {
        let options = Options::idle(([127, 0, 0, 1], 8080).into(), "shop.test");
        let clients = [
            options.get_clients,
            options.post_clients,
            options.connect_clients,
            options.slow_clients,
            options.websocket_clients,
            options.event_clients,
        ];
        assert_eq!(clients, [0; 6]);
    }
}
