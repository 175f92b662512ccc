//! What this app answers.

use crate::{
    App,
    crc::crc32_hex,
    document,
    http::{Connection, Request},
    websocket,
};
use serde_json::{Value, json};
use std::{
    io,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

const EVENT_EVERY: Duration = Duration::from_millis(100);
const LOOK_UP: Duration = Duration::from_millis(10);
const BYTES_MAX: usize = 64 << 20;

/// One request and where its answer goes.
pub(crate) struct Exchange<'a> {
    pub(crate) app: &'a App,
    pub(crate) connection: &'a mut Connection,
    closes: bool,
}

/// Reads one request and answers it; false: the connection is done with.
pub(crate) fn serve(app: &App, connection: &mut Connection) -> io::Result<bool> {
    let request = connection.request()?;
    let closes = request.closes() || app.broken.has("no_keepalive");
    let mut exchange = Exchange { app, connection, closes };
    if request.path.starts_with("/api/health") {
        let count = app.health.fetch_add(1, Ordering::SeqCst) + 1;
        if !app.broken.health(count, &mut exchange)? {
            exchange.json(200, &document::health(app, &request.path))?;
        }
        return Ok(!exchange.closing());
    }
    let count = app.requests.fetch_add(1, Ordering::SeqCst) + 1;
    app.broken.request(count);
    if app.broken.fails(count) {
        let document = json!({ "error": "broken on purpose", "version": app.version });
        exchange.json(500, &document)?;
    } else {
        exchange.route(&request)?;
    }
    Ok(!exchange.closing())
}

impl Exchange<'_> {
    fn closing(&self) -> bool {
        self.closes || self.app.stopping()
    }

    fn route(&mut self, request: &Request) -> io::Result<()> {
        let app = self.app;
        let path = request.path.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            ("POST", "/echo") => self.echo(request),
            ("GET", "/") => {
                let text = format!("Hello from rust, version {}\n", app.version);
                self.answer(200, &[("content-type", "text/plain")], text.as_bytes())
            }
            ("GET", "/api/version") => self.json(200, &document::version(app)),
            ("GET", "/api/deployment/status") => self.json(200, &document::deployment(app)),
            ("GET", "/posts") => self.json(200, &document::posts(app)),
            ("GET", "/events") => self.events(),
            ("GET", "/ws") => self.websocket(request),
            ("GET", _) => self.numbered(path),
            _ => self.json(405, &json!({ "error": "method not allowed" })),
        }
    }

    fn numbered(&mut self, path: &str) -> io::Result<()> {
        let number = |prefix: &str| path.strip_prefix(prefix)?.parse::<u32>().ok();
        if let Some(ms) = number("/slow/") {
            thread::sleep(Duration::from_millis(ms.into()));
            let document = json!({ "slept_ms": ms, "version": self.app.version });
            return self.json(200, &document);
        }
        match number("/bytes/").map(|length| length as usize) {
            Some(length) if length <= BYTES_MAX => {
                let body: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
                let crc32 = crc32_hex(&body);
                let kind = ("content-type", "application/octet-stream");
                self.answer(200, &[kind, ("x-crc32", &crc32)], &body)
            }
            _ => self.json(404, &json!({ "error": "not found" })),
        }
    }

    fn echo(&mut self, request: &Request) -> io::Result<()> {
        let id = request.header("x-request-id").unwrap_or_default();
        self.app.note_post(id)?;
        let document = json!({
            "length": request.body.len(),
            "crc32": crc32_hex(&request.body),
            "id": id,
            "version": self.app.version,
        });
        self.json(200, &document)
    }

    fn events(&mut self) -> io::Result<()> {
        self.closes = true;
        let version = self.app.version.clone();
        let headers = [
            ("x-app-version", version.as_str()),
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
        ];
        self.connection.head(200, &headers)?;
        for id in 1.. {
            let event = format!("id: {id}\ndata: {}\n\n", json!({ "version": version }));
            self.connection.chunk(&event)?;
            let next = Instant::now() + EVENT_EVERY;
            while Instant::now() < next && !self.app.stopping() {
                thread::sleep(LOOK_UP);
            }
            if self.app.stopping() {
                break;
            }
        }
        self.connection.chunk("")
    }

    fn websocket(&mut self, request: &Request) -> io::Result<()> {
        self.closes = true;
        let upgrade = request.header("upgrade").unwrap_or_default();
        let key = request.header("sec-websocket-key");
        let Some(key) = key.filter(|_| upgrade.eq_ignore_ascii_case("websocket")) else {
            return self.json(400, &json!({ "error": "a WebSocket is asked for here" }));
        };
        let headers = [
            ("x-app-version", self.app.version.as_str()),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", &websocket::accept(key)),
        ];
        self.connection.head(101, &headers)?;
        websocket::echo(self.connection, || self.app.stopping())
    }

    /// Answers with a document.
    pub(crate) fn json(&mut self, status: u16, document: &Value) -> io::Result<()> {
        let headers = [("content-type", "application/json")];
        self.answer(status, &headers, document.to_string().as_bytes())
    }

    /// Answers with any body.
    pub(crate) fn answer(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        self.closes = self.closing();
        let mut all = vec![("x-app-version", self.app.version.as_str())];
        all.extend_from_slice(headers);
        if self.closes {
            all.push(("connection", "close"));
        }
        self.connection.respond(status, &all, body)
    }
}
